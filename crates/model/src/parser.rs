//! Which parser reads a page, and with which arguments.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Name of the built-in parser that reads any HTML page and follows all its links.
pub const PAGE_PARSER: &str = "page";

/// Name of the built-in parser that finds nothing: the page is fetched and that is all.
pub const NIL_PARSER: &str = "NilParser";

/// Name of the built-in parser that reads sitemaps. Its argument `parser` names the parser of the pages found.
pub const SITEMAP_PARSER: &str = "sitemap";

/// The parsers that every worker has.
pub const BUILT_IN_PARSERS: [&str; 3] = [PAGE_PARSER, NIL_PARSER, SITEMAP_PARSER];

/// What a job names instead of a parser to ask for an origin's robots rules: the URL is that of a robots.txt, or where one redirects to, and
/// the outcome [`Verdict::Robots`](crate::Verdict::Robots). No spider can have a parser of this name. A worker of an earlier version does not
/// know it and says so.
pub const ROBOTS_PARSER: &str = "robots.txt";

/// Arguments of a parser by name, such as the `name` a link's text gave to the page behind it.
pub type Args = BTreeMap<String, String>;

/// A parser to be resolved by a worker: its name, in the crawl's spider or built in, and its arguments.
///
/// Names are open text: they come from spider files and from worker binaries with parsers of their own. A name nobody knows is an
/// outcome (`unknown parser name`), never an error of decoding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParserRef {
    /// The parser's name.
    pub name: String,
    /// What the page that linked here knew and this parser needs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: Args,
}

impl ParserRef {
    /// A parser without arguments.
    pub fn named(name: impl Into<String>) -> ParserRef {
        ParserRef { name: name.into(), args: Args::new() }
    }
}

/// Hash of a spider file's bytes: the version of a spider. 32 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpiderHash(String);

impl SpiderHash {
    /// The version of the spider file with these bytes.
    pub fn of(bytes: &[u8]) -> SpiderHash {
        SpiderHash(format!("{:032x}", xxhash_rust::xxh3::xxh3_128(bytes)))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SpiderHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SpiderHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A spider file as it crosses the wire: its text and the hash that names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpiderFile {
    /// The hash of `text`'s bytes; a receiver checks it.
    pub hash: SpiderHash,
    /// The file, TOML.
    pub text: String,
}
