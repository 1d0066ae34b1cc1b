//! The parsers a worker has, by name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use model::parser::{NIL_PARSER, PAGE_PARSER, SITEMAP_PARSER};

use super::Parse;
use super::nil_parser::NilParser;
use super::page_parser::PageParser;
use super::sitemap::SitemapParser;

/// Parsers by name: the built-in ones and those a worker or engine binary adds. A spider's own parsers come before them.
#[derive(Clone)]
pub struct Registry {
    parsers: BTreeMap<String, Arc<dyn Parse>>,
}

impl Registry {
    /// `page`, `NilParser` and `sitemap`.
    pub fn builtin() -> Registry {
        let mut registry = Registry { parsers: BTreeMap::new() };
        registry.parsers.insert(PAGE_PARSER.to_owned(), Arc::new(PageParser));
        registry.parsers.insert(NIL_PARSER.to_owned(), Arc::new(NilParser));
        registry.parsers.insert(SITEMAP_PARSER.to_owned(), Arc::new(SitemapParser));
        registry
    }

    /// Adds a parser, or replaces the one of that name. A spider file that uses it lists it in `worker-parsers`, unless the
    /// engine has it too.
    pub fn register(mut self, name: impl Into<String>, parser: Arc<dyn Parse>) -> Registry {
        self.parsers.insert(name.into(), parser);
        self
    }

    /// The parser of that name.
    pub fn get(&self, name: &str) -> Option<Arc<dyn Parse>> {
        self.parsers.get(name).cloned()
    }

    /// All names, sorted.
    pub fn names(&self) -> Vec<&str> {
        self.parsers.keys().map(String::as_str).collect()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.parsers.keys()).finish()
    }
}
