//! A URL found on a page, with the parser meant for it.

use std::sync::Arc;

use crate::key::DedupKey;
use crate::parser::ParserRef;
use crate::url::CrawlUrl;

/// A link to follow.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The canonical URL.
    pub url: CrawlUrl,
    /// Its dedup key, made by the worker so that the engine need not hash what it already knows.
    pub key: DedupKey,
    /// Reads the page behind it. Shared: a page's links mostly have the same one.
    pub parser: Arc<ParserRef>,
    /// How much sooner than others it is wanted, to be added to the priority of the request it was found by: -5 to 5, from a sitemap's
    /// `priority`. Links of pages have 0.
    pub priority: i32,
    /// When the page was changed last, as a sitemap says: milliseconds since the Unix epoch.
    pub modified_ms: Option<u64>,
}

/// Links on the wire: a list for each field, since a list of maps would say the same names, and mostly the same parser, for each of a
/// hundred links.
pub(crate) mod columns {
    use serde::de::Error;
    use serde::ser::SerializeStruct;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Arc, CrawlUrl, DedupKey, Link, ParserRef};

    /// Parsers by how many links after each other have them; what a sitemap says of links by their places. Not all links need be `listed`.
    #[derive(Deserialize)]
    struct Columns {
        urls: Vec<CrawlUrl>,
        keys: Vec<DedupKey>,
        parsers: Vec<(usize, ParserRef)>,
        #[serde(default)]
        listed: Vec<(usize, i32, Option<u64>)>,
    }

    pub(crate) fn serialize<S: Serializer>(links: &[Link], serializer: S) -> Result<S::Ok, S::Error> {
        let parsers: Vec<(usize, &ParserRef)> =
            links.chunk_by(|a, b| a.parser == b.parser).map(|run| (run.len(), &*run[0].parser)).collect();
        let is_listed = |(_, link): &(usize, &Link)| link.priority != 0 || link.modified_ms.is_some();
        let listed: Vec<(usize, i32, Option<u64>)> =
            links.iter().enumerate().filter(is_listed).map(|(at, link)| (at, link.priority, link.modified_ms)).collect();
        let mut columns = serializer.serialize_struct("Links", 3 + usize::from(!listed.is_empty()))?;
        columns.serialize_field("urls", &Column(links, |link| &link.url))?;
        columns.serialize_field("keys", &Column(links, |link| &link.key))?;
        columns.serialize_field("parsers", &parsers)?;
        if !listed.is_empty() {
            columns.serialize_field("listed", &listed)?;
        }
        columns.end()
    }

    /// One field of all links.
    struct Column<'l, T>(&'l [Link], fn(&Link) -> &T);

    impl<T: Serialize> Serialize for Column<'_, T> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self.0.iter().map(self.1))
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Link>, D::Error> {
        let Columns { urls, keys, parsers, listed } = Columns::deserialize(deserializer)?;
        let with_parser = parsers.iter().try_fold(0_usize, |sum, (run, _)| sum.checked_add(*run));
        if keys.len() != urls.len() || with_parser != Some(urls.len()) {
            return Err(D::Error::custom(format!("{} links with {} keys and {with_parser:?} parsers", urls.len(), keys.len())));
        }
        let parsers = parsers.into_iter().flat_map(|(run, parser)| std::iter::repeat_n(Arc::new(parser), run));
        let link = |((url, key), parser)| Link { url, key, parser, priority: 0, modified_ms: None };
        let mut links: Vec<Link> = urls.into_iter().zip(keys).zip(parsers).map(link).collect();
        for (at, priority, modified_ms) in listed {
            let link = links.get_mut(at).ok_or_else(|| D::Error::custom(format!("there is no link {at}")))?;
            (link.priority, link.modified_ms) = (priority, modified_ms);
        }
        Ok(links)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Page;

    fn link(n: u32, parser: ParserRef, priority: i32, modified_ms: Option<u64>) -> Link {
        let url = CrawlUrl::parse(&format!("http://h/{n}")).unwrap();
        Link { key: url.dedup_key(), url, parser: Arc::new(parser), priority, modified_ms }
    }

    fn parser(name: &str, arg: Option<&str>) -> ParserRef {
        ParserRef { args: arg.map(|arg| ("arg".to_owned(), arg.to_owned())).into_iter().collect(), ..ParserRef::named(name) }
    }

    proptest! {
        #[test]
        fn links_survive_the_wire(
            links in proptest::collection::vec((any::<u32>(), "[ab]", proptest::option::of("[ab]"), -5..=5, proptest::option::of(any::<u64>())), 0..20),
        ) {
            let links = links.into_iter().map(|(n, name, arg, priority, at)| link(n, parser(&name, arg.as_deref()), priority, at)).collect();
            let page = Page { links, ..Page::default() };
            let sent = rmp_serde::to_vec_named(&page).unwrap();
            prop_assert_eq!(rmp_serde::from_slice::<Page>(&sent).unwrap(), page);
        }
    }

    #[test]
    fn a_parser_is_sent_once_for_all_links_in_a_row_and_shared_by_them() {
        let links = [("a", 1), ("a", 2), ("b", 3), ("a", 4)].map(|(name, n)| link(n, ParserRef::named(name), 0, None));
        let page = Page { links: links.to_vec(), ..Page::default() };
        let sent = serde_json::to_value(&page).unwrap();
        assert_eq!(sent["links"]["parsers"], serde_json::json!([[2, {"name": "a"}], [1, {"name": "b"}], [1, {"name": "a"}]]));
        assert_eq!(sent["links"].get("listed"), None);
        let got: Page = serde_json::from_value(sent).unwrap();
        assert!(Arc::ptr_eq(&got.links[0].parser, &got.links[1].parser));
    }

    #[test]
    fn columns_that_do_not_fit_each_other_are_an_error() {
        let page = Page { links: vec![link(1, ParserRef::named("a"), 0, None)], ..Page::default() };
        let sent = serde_json::to_value(&page).unwrap();
        let with = |column: &str, value: serde_json::Value| {
            let mut sent = sent.clone();
            sent["links"][column] = value;
            serde_json::from_value::<Page>(sent).map_err(|error| error.to_string())
        };
        assert_eq!(with("keys", serde_json::json!([])), Err("1 links with 0 keys and Some(1) parsers".to_owned()));
        let parser = serde_json::json!({"name": "a"});
        assert_eq!(with("parsers", serde_json::json!([[2, parser]])), Err("1 links with 1 keys and Some(2) parsers".to_owned()));
        let endless = serde_json::json!([[usize::MAX, parser], [2, parser]]);
        assert_eq!(with("parsers", endless), Err("1 links with 1 keys and None parsers".to_owned()));
        assert_eq!(with("listed", serde_json::json!([[1, 5, null]])), Err("there is no link 1".to_owned()));
    }
}
