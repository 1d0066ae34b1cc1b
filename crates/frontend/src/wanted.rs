//! What a request asks for, from its query string and headers.

use std::collections::HashMap;

use model::search::{COUNTED, SearchRequest};

use crate::words::Language;

/// Hits on a page.
pub(crate) const PAGE: u32 = 10;

/// A page of results that someone wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Without spaces around it.
    pub(crate) query: String,
    /// Hits before it.
    pub(crate) from: u32,
    pub(crate) after: Option<String>,
    pub(crate) sort: Option<String>,
}

impl Wanted {
    /// Reads `q`, `from`, `after` and `sort`. A `from` that is no number, or further than hits are counted, is 0.
    pub(crate) fn of(parameters: &HashMap<String, String>) -> Wanted {
        let given = |name: &str| parameters.get(name).map(|value| value.trim()).filter(|value| !value.is_empty()).map(str::to_owned);
        let last = u32::try_from(COUNTED).unwrap_or(u32::MAX) - PAGE;
        let from = given("from").and_then(|from| from.parse().ok()).filter(|from| *from <= last);
        Wanted { query: given("q").unwrap_or_default(), from: from.unwrap_or(0), after: given("after"), sort: given("sort") }
    }

    /// The same as the itemsaver is asked.
    pub(crate) fn request(&self, limit: u32) -> SearchRequest {
        let Wanted { query, from, after, sort } = self.clone();
        SearchRequest { query, sort, from: if after.is_some() { 0 } else { from }, after, limit }
    }

    /// The address of another part of the same result.
    pub(crate) fn address(&self, path: &str, further: &[(&str, &str)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("q", &self.query);
        if let Some(sort) = &self.sort {
            query.append_pair("sort", sort);
        }
        query.extend_pairs(further);
        format!("{path}?{}", query.finish())
    }
}

/// The language of a browser: Chinese if that is what it wants most, else English.
pub(crate) fn language(accepted: &str) -> Language {
    let weight = |part: &str| {
        let (tag, weight) = part.split_once(';').unwrap_or((part, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(1.0, |weight| weight.parse::<f32>().unwrap_or(0.0));
        (tag.trim().to_lowercase(), weight)
    };
    let best = |prefix: &str| {
        let of_language = accepted.split(',').map(weight).filter(|(tag, _)| tag == prefix || tag.starts_with(&format!("{prefix}-")));
        of_language.map(|(_, weight)| weight).fold(0.0, f32::max)
    };
    if best("zh") > best("en") { Language::Chinese } else { Language::English }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(parameters: &[(&str, &str)]) -> Wanted {
        Wanted::of(&parameters.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_query_is_trimmed_and_a_bad_from_is_0() {
        let asked = wanted(&[("q", "  男 "), ("from", "20"), ("sort", "-Age")]);
        assert_eq!(asked, Wanted { query: "男".into(), from: 20, after: None, sort: Some("-Age".into()) });
        for bad in ["-1", "x", "", "9991", "99999999999", "1.5"] {
            assert_eq!(wanted(&[("from", bad)]).from, 0, "{bad}");
        }
        assert_eq!(asked.address("/search", &[("from", "30")]), "/search?q=%E7%94%B7&sort=-Age&from=30");
    }

    #[test]
    fn the_language_is_the_browsers() {
        for (accepted, expected) in [
            ("", Language::English),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("en-US,en;q=0.9,zh;q=0.8", Language::English),
            ("de,zh;q=0.1", Language::Chinese),
            ("fr", Language::English),
            ("zh;q=x", Language::English),
        ] {
            assert_eq!(language(accepted), expected, "{accepted}");
        }
    }
}
