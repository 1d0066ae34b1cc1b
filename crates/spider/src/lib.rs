//! The spider file: what to crawl and how to read it, written in TOML by a person who wants to write no program.
//!
//! Pure: no I/O, no clock. [`Spider::parse`] checks a file's text, names every mistake in it at once with its place, and compiles what it
//! says; the engine takes seeds, scope and schemas from the result, a worker the parsers.
//!
//! # The format
//! ```toml
//! name = "quotes"                          # the crawl's name; required
//! seeds = ["http://quotes.example/"]       # URLs, or tables { url, parser, args }
//! start = "list"                           # parser of seeds that name none; may be left out if there is one parser
//! worker-parsers = []                      # parsers that the workers bring along, written in Rust
//!
//! [scope]                                  # may be left out: the engine's rule holds then
//! hosts = ["quotes.example"]               # `*.example` for all below, `host:8080` for one port
//! allow = ['/page/']                       # regular expressions on the URL; one must match
//! deny = ['\?sort=']                       # none may match
//! max-depth = 5                            # links from a seed
//!
//! [parsers.list]
//! links = [
//!     { css = ".author a", parser = "author", args = { name = "text" } },
//!     { css = ".next a", parser = "list" },
//! ]
//!
//! [[parsers.list.items]]
//! type = "quote"
//! each = "div.quote"                       # one item per element, fields are looked up in it; without: one per page
//! fields.text = "span.text"                # a string is a CSS selector
//! fields.year = { css = ".date", as = "integer" }
//!
//! [[parsers.author.items]]
//! type = "author"
//! id = { url = '/author/([^/]+)' }         # without: made from URL, type and place on the page
//! fields.name = { arg = "name", or = "h1" }
//! fields.born = { css = "time", attr = "datetime" }
//! ```
//! *A link rule* finds elements by `css` (all `a` and `area` if left out) and takes their `attr` (`href` if left out), or finds addresses
//! in the page's HTML by `regex`: the group named `url`, else the first. `url` is a regular expression that the absolute address must
//! match. Rules apply in the order they are written, each in page order. `args` give the parser of that page what this one knows: `"text"`
//! (the link's text; for a `regex` its last group), `"url"`, `{ attr = "title" }`, `{ group = 2 }` (of `regex`), `{ url-group = 1 }` (of
//! `url`), `{ const = "…" }`, `{ arg = "name" }`. Links of a page that says `nofollow` are not followed; where `rel=nofollow` of a link is to be
//! honoured too, that is so for links found by `css`.
//!
//! *A sitemap* is a seed or a link with the parser `sitemap`, whose argument `parser` names the one for the pages that it lists:
//! `seeds = [{ url = "http://quotes.example/sitemap.xml", parser = "sitemap", args = { parser = "list" } }]`.
//!
//! *A value* is looked up by one of: `css` (an element's text, or its `attr`; `:scope` is the element of `each` itself), `regex` alone (on
//! the HTML; entities are decoded), both (the expression on what the selector found), `url` (an expression on the page's address), `arg`,
//! `const`; an expression gives its group 1 unless `group` says otherwise. `or` is a further value, or a list of them, tried when nothing
//! was found. Text is trimmed and runs of white space become one space.
//!
//! *A field* is a value with `as`: `text`, `integer` and `float` (the first number in the text, so `34岁` is 34; `1,234` is 1234), `bool`
//! (found, and not `false`, `no`, `off` or `0`), `list` (every text found), `url` (made absolute). What is not found, or is too large a
//! number, is `default`, else `""`, 0, false or `[]`; `required = true` leaves the item out instead. An item of which nothing was found on
//! the page is left out, and `when = "css"` leaves it out of pages without such an element.

mod place;
mod suggest;

pub mod mistake;
mod pattern;
mod reader;

pub mod convert;
pub mod value;

mod check;
pub mod item;
pub mod link;
mod scope;
mod seed;

mod spider;

pub use crate::convert::Conversion;
pub use crate::item::{FieldRule, ItemRule};
pub use crate::link::{ArgSource, LinkRule, LinkSource};
pub use crate::mistake::{Mistake, SpiderErrors};
pub use crate::pattern::Pattern;
pub use crate::scope::{HostPattern, Scope};
pub use crate::seed::Seed;
pub use crate::spider::{ParserRules, Spider};
pub use crate::value::{Fallback, Source, Value, ValueRule};
