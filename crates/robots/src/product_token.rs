//! The name by which a crawler finds its group.

/// The product token of a `User-Agent` header: `Gossamer` of `Gossamer/0.1 (+https://example.org/bot)`.
///
/// Of one that calls itself Mozilla for compatibility it is the name after `compatible;`. Empty where there is none; then only rules for
/// everybody apply.
pub fn product_token(user_agent: &str) -> &str {
    let first = token(user_agent.trim_start());
    if first.eq_ignore_ascii_case("mozilla")
        && let Some(at) = user_agent.find("compatible;")
    {
        let named = token(user_agent[at + "compatible;".len()..].trim_start());
        if !named.is_empty() {
            return named;
        }
    }
    first
}

/// The beginning of a text that can be a product token. The RFC has letters, hyphen and underscore; digits and dots occur in names of
/// crawlers that exist.
pub(crate) fn token(text: &str) -> &str {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let end = text.bytes().position(|b| !is_token(b)).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_the_name_of_the_product() {
        for (user_agent, expected) in [
            ("Gossamer/0.1 (+https://example.org/bot)", "Gossamer"),
            ("my_bot-2 something", "my_bot-2"),
            ("Mail.RU_Bot/2.0", "Mail.RU_Bot"),
            ("Mozilla/5.0 (compatible; MyBot/1.0; +http://example.org)", "MyBot"),
            ("Mozilla/5.0 (X11; Linux x86_64)", "Mozilla"),
            (" Spaced/1", "Spaced"),
            ("(no name)", ""),
            ("", ""),
        ] {
            assert_eq!(product_token(user_agent), expected, "{user_agent:?}");
        }
    }
}
