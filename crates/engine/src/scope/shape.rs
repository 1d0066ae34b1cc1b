//! The shape of a URL: what it has in common with all that a calendar, a counter or a form with endless combinations makes.

use model::CrawlUrl;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Tells shapes apart: a hash of the host, of the path with every segment that has a digit in it taken for the same, and of the set of the
/// query's parameter names, whatever their values. None for a URL that has neither digits in its path nor a query: such are made by people.
///
/// Stored, so it must not change between versions.
pub fn shape(url: &CrawlUrl) -> Option<u64> {
    let text = url.path_and_query();
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    let has_digit = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
    if query.is_none() && !has_digit(path) {
        return None;
    }
    let mut hasher = Xxh3::new();
    hasher.update(url.host_str().as_bytes());
    for segment in path.split('/') {
        hasher.update(b"/");
        hasher.update(if has_digit(segment) { b"#" } else { segment.as_bytes() });
    }
    let names = query.into_iter().flat_map(|query| query.split('&')).map(|part| part.split('=').next().unwrap_or_default());
    // A sum, so that the order does not count.
    let sum = names.fold(0u64, |sum, name| sum.wrapping_add(xxh3_64(name.as_bytes())));
    hasher.update(&[u8::from(query.is_some())]);
    hasher.update(&sum.to_le_bytes());
    Some(hasher.digest())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_one_mould_have_one_shape() {
        let shape = |text: &str| shape(&CrawlUrl::parse(text).unwrap());
        for (one, other, same) in [
            ("http://h/cal/2024/05", "http://h/cal/1999/12", true),
            ("http://h/cal/2024/05", "http://h/cal/2024/may", false),
            ("http://h/p-1-about-cats", "http://h/p-2-about-dogs", true),
            ("http://h/a?x=1&y=2", "http://h/a?y=9&x=", true),
            ("http://h/a?x=1&y=2", "http://h/a?x=1", false),
            ("http://h/a?x=1", "http://i/a?x=1", false),
            ("http://h/a?x", "https://h:8443/a?x", true),
            ("http://h/a1", "http://h/a1?", false),
        ] {
            assert_eq!(shape(one) == shape(other), same, "{one} {other}");
        }
        assert_eq!((shape("http://h1/about/us"), shape("http://h1/")), (None, None));
        // A frontier on disk counts by these.
        assert_eq!(shape("http://h/cal/2024/05?x=1"), Some(1_721_358_564_555_983_062));
    }
}
