//! What a page wishes of crawlers: `X-Robots-Tag` headers and `meta` elements.

use http::HeaderMap;
use model::outcome::Wishes;

/// Directives with a value, whose colon does not end the name of a crawler.
const WITH_VALUES: [&str; 4] = ["unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"];

/// The wishes in a page's headers that are meant for the crawler with this product token. `token: nofollow` is for that one alone.
pub(super) fn of_headers(headers: &HeaderMap, token: &str) -> Wishes {
    let mut wishes = Wishes::default();
    for value in headers.get_all("x-robots-tag").iter().filter_map(|value| value.to_str().ok()) {
        let (name, directives) = match value.split_once(':') {
            Some((name, rest)) if is_name(name.trim()) => (Some(name.trim()), rest),
            Some(_) | None => (None, value),
        };
        if name.is_none_or(|name| is_meant(name, token)) {
            add(&mut wishes, directives);
        }
    }
    wishes
}

/// Adds the wishes of a `meta` element, if it is meant for that crawler.
pub(super) fn add_meta(wishes: &mut Wishes, name: &str, content: &str, token: &str) {
    if is_meant(name.trim(), token) {
        add(wishes, content);
    }
}

/// Whether a `meta` element's content has a wish that is heeded at all.
pub(super) fn has_any(content: &str) -> bool {
    let mut wishes = Wishes::default();
    add(&mut wishes, content);
    !wishes.is_none()
}

fn is_name(text: &str) -> bool {
    let is_token = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    is_token && !WITH_VALUES.iter().any(|directive| directive.eq_ignore_ascii_case(text))
}

fn is_meant(name: &str, token: &str) -> bool {
    name.eq_ignore_ascii_case("robots") || !token.is_empty() && name.eq_ignore_ascii_case(token)
}

fn add(wishes: &mut Wishes, directives: &str) {
    for directive in directives.split(|c: char| c == ',' || c.is_ascii_whitespace()) {
        let is = |word: &str| directive.eq_ignore_ascii_case(word);
        wishes.nofollow |= is("nofollow") || is("none");
        wishes.noindex |= is("noindex") || is("none");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn wishes(nofollow: bool, noindex: bool) -> Wishes {
        Wishes { nofollow, noindex }
    }

    #[test]
    fn headers_wish_for_all_or_for_one() {
        for (values, expected) in [
            (vec!["nofollow"], wishes(true, false)),
            (vec!["NoIndex , NOFOLLOW"], wishes(true, true)),
            (vec!["none"], wishes(true, true)),
            (vec!["all"], wishes(false, false)),
            (vec!["googlebot: nofollow"], wishes(false, false)),
            (vec!["googlebot: nofollow", "noindex"], wishes(false, true)),
            (vec!["GOSSAMER: noindex, nofollow"], wishes(true, true)),
            (vec!["unavailable_after: 25 Jun 2010 15:00:00 GMT, nofollow"], wishes(true, false)),
            (vec!["max-snippet: 20, noindex"], wishes(false, true)),
            (vec!["nofollowing"], wishes(false, false)),
            (vec![], wishes(false, false)),
        ] {
            let mut headers = HeaderMap::new();
            for value in &values {
                headers.append("x-robots-tag", HeaderValue::from_static(value));
            }
            assert_eq!(of_headers(&headers, "gossamer"), expected, "{values:?}");
        }
    }

    #[test]
    fn meta_elements_wish_by_name() {
        for (name, content, expected) in [
            ("robots", "nofollow", wishes(true, false)),
            (" Robots ", "noindex nofollow", wishes(true, true)),
            ("Gossamer", "none", wishes(true, true)),
            ("googlebot", "none", wishes(false, false)),
            ("", "none", wishes(false, false)),
        ] {
            let mut found = Wishes::default();
            add_meta(&mut found, name, content, "gossamer");
            assert_eq!(found, expected, "{name} {content}");
        }
        let mut nameless = Wishes::default();
        add_meta(&mut nameless, "", "none", "");
        assert!(nameless.is_none());
    }
}
