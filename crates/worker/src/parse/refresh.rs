//! Where a `meta http-equiv=refresh` leads.

/// The address in its content, as the HTML standard reads it: `5; url='/next'`. `None` for one that only reloads the page.
pub(super) fn target(content: &str) -> Option<&str> {
    let rest = content.trim_ascii_start();
    let after_time = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    if after_time.len() == rest.len() || !after_time.starts_with(|c: char| matches!(c, ';' | ',') || c.is_ascii_whitespace()) {
        return None;
    }
    let rest = after_time.trim_ascii_start();
    let rest = rest.strip_prefix([';', ',']).unwrap_or(rest).trim_ascii_start();
    let named = rest.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("url")).then(|| rest[3..].trim_ascii_start());
    let address = match named.and_then(|rest| rest.strip_prefix('=')) {
        Some(rest) => rest.trim_ascii_start(),
        None => rest,
    };
    let address = match address.strip_prefix(['"', '\'']) {
        Some(quoted) => quoted.split(address.chars().next()?).next()?,
        None => address,
    };
    (!address.is_empty()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_as_browsers_find_it() {
        for (content, expected) in [
            ("0;url=/a", Some("/a")),
            ("5; URL = '/a b' x", Some("/a b")),
            (" 1.5 , url=\"/a\"", Some("/a")),
            ("0 /a", Some("/a")),
            ("0;/a;b", Some("/a;b")),
            ("0; url/a", Some("url/a")),
            ("0;url='/a", Some("/a")),
            ("5", None),
            ("5;", None),
            ("5; url=", None),
            ("url=/a", None),
            ("x;url=/a", None),
            ("", None),
        ] {
            assert_eq!(target(content), expected, "{content:?}");
        }
    }
}
