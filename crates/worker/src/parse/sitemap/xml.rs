//! XML sitemaps, their index files, and feeds.

use std::borrow::Cow;
use std::io::BufRead;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{Entry, Links, MAX_ALTERNATES, date};
use crate::parse::{Allowance, ParseError};

/// Longest text of an element that is kept: an address as long as may be crawled, in a longer spelling.
const MAX_TEXT: usize = 4 * model::url::MAX_URL_BYTES;

/// What kind of file it is, told from its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pages,
    Index,
    Rss,
    Atom,
}

impl Kind {
    fn of(root: &str) -> Option<Kind> {
        match root {
            "urlset" => Some(Kind::Pages),
            "sitemapindex" => Some(Kind::Index),
            "rss" | "RDF" => Some(Kind::Rss),
            "feed" => Some(Kind::Atom),
            _ => None,
        }
    }

    fn entry(self) -> &'static str {
        match self {
            Kind::Pages => "url",
            Kind::Index => "sitemap",
            Kind::Rss => "item",
            Kind::Atom => "entry",
        }
    }
}

/// What the text of the element being read is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Address,
    /// An address if there is no other.
    Guid,
    Priority,
    Date,
}

/// Reads to the end, or to where it is no XML any more.
pub(super) fn read(bytes: impl BufRead, allowance: &Allowance, links: &mut Links) -> Result<(), ParseError> {
    let mut reader = Reader::from_reader(bytes);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    let mut buffer = Vec::new();
    let mut kind = None;
    let mut reading = Reading::default();
    loop {
        buffer.clear();
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event,
            Err(_) => break links.malformed(),
        };
        match (event, kind) {
            (Event::Eof, Some(_)) => {
                if reading.depth > 0 {
                    links.malformed();
                }
                break;
            }
            (Event::Eof, None) => break links.malformed(),
            (Event::Start(root) | Event::Empty(root), None) => match Kind::of(root.local_name().as_ref()) {
                Some(found) => {
                    kind = Some(found);
                    reading.depth = 1;
                }
                None => break links.malformed(),
            },
            (Event::Start(tag), Some(kind)) => {
                reading.depth += 1;
                reading.start(kind, &tag, links);
            }
            (Event::Empty(tag), Some(kind)) => {
                reading.start(kind, &tag, links);
                reading.end(kind, tag.local_name().as_ref(), links);
            }
            (Event::End(tag), Some(kind)) => {
                reading.depth = reading.depth.saturating_sub(1);
                reading.end(kind, tag.local_name().as_ref(), links);
                links.go_on(allowance)?;
            }
            (Event::Text(text), Some(_)) => reading.text(&text),
            (Event::CData(text), Some(_)) => reading.text(&text),
            (Event::GeneralRef(reference), Some(_)) => reading.reference(&reference),
            (Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) | Event::End(_), None)
            | (Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_), _) => {}
        }
    }
    if let Some(kind) = kind {
        reading.finish(kind, links);
    }
    Ok(())
}

#[derive(Default)]
struct Reading {
    depth: usize,
    entry: Option<Entry>,
    guid: Option<String>,
    field: Option<Field>,
    text: String,
}

impl Reading {
    fn start(&mut self, kind: Kind, tag: &BytesStart<'_>, links: &mut Links) {
        let name = tag.local_name();
        if name.as_ref() == kind.entry() {
            self.finish(kind, links);
            self.entry = Some(Entry::default());
            self.guid = None;
            self.field = None;
            return;
        }
        let Some(entry) = &mut self.entry else { return };
        // Extensions for images and videos have a `loc` of their own, under a prefix.
        let has_prefix = tag.name().prefix().is_some();
        self.text.clear();
        self.field = match (kind, name.as_ref()) {
            (Kind::Pages | Kind::Index, "loc") if !has_prefix => Some(Field::Address),
            (Kind::Pages | Kind::Index, "lastmod") if !has_prefix => Some(Field::Date),
            (Kind::Pages, "priority") if !has_prefix => Some(Field::Priority),
            (Kind::Rss, "link") if !has_prefix => Some(Field::Address),
            (Kind::Rss, "guid") if attribute(tag, "isPermaLink").is_none_or(|is| is == "true") => Some(Field::Guid),
            (Kind::Rss, "pubDate") | (Kind::Atom, "updated") => Some(Field::Date),
            (Kind::Pages, "link") if attribute(tag, "rel").as_deref() == Some("alternate") => {
                if entry.addresses.len() < MAX_ALTERNATES {
                    entry.addresses.extend(attribute(tag, "href"));
                } else {
                    links.cut();
                }
                None
            }
            (Kind::Atom, "link") if entry.addresses.is_empty() && attribute(tag, "rel").is_none_or(|rel| rel == "alternate") => {
                entry.addresses.extend(attribute(tag, "href"));
                None
            }
            _ => None,
        };
    }

    fn text(&mut self, text: &str) {
        if self.field.is_some() {
            let room = MAX_TEXT.saturating_sub(self.text.len()).min(text.len());
            self.text.push_str(&text[..text.floor_char_boundary(room)]);
        }
    }

    fn reference(&mut self, reference: &quick_xml::events::BytesRef<'_>) {
        let mut buffer = [0; 4];
        let character = match reference.resolve_char_ref() {
            Ok(Some(character)) => Some(character),
            Ok(None) | Err(_) => match &**reference {
                "amp" => Some('&'),
                "lt" => Some('<'),
                "gt" => Some('>'),
                "quot" => Some('"'),
                "apos" => Some('\''),
                _ => None,
            },
        };
        match character {
            Some(character) => self.text(character.encode_utf8(&mut buffer)),
            None => self.text(&format!("&{};", &**reference)),
        }
    }

    fn end(&mut self, kind: Kind, name: &str, links: &mut Links) {
        if let (Some(field), Some(entry)) = (self.field.take(), &mut self.entry) {
            let text = std::mem::take(&mut self.text);
            match field {
                Field::Address if !text.trim().is_empty() => entry.addresses.insert(0, text),
                Field::Address => {}
                Field::Guid => self.guid = Some(text),
                Field::Priority => entry.priority = text.trim().parse().ok().filter(|priority: &f32| priority.is_finite()),
                Field::Date => entry.modified_ms = date::millis(&text),
            }
        }
        if name == kind.entry() {
            self.finish(kind, links);
        }
    }

    /// Ends the entry being read, be its end tag there or not.
    fn finish(&mut self, kind: Kind, links: &mut Links) {
        let Some(mut entry) = self.entry.take() else { return };
        if entry.addresses.is_empty() {
            entry.addresses.extend(self.guid.take());
        }
        match kind {
            Kind::Index => entry.addresses.iter().for_each(|address| links.sitemap(address)),
            Kind::Pages | Kind::Rss | Kind::Atom => links.entry(&entry),
        }
    }
}

/// An attribute's value, decoded; `None` without one and for one that cannot be.
fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = tag.attributes().with_checks(false).flatten().find(|attribute| attribute.key.local_name().as_ref() == name)?;
    quick_xml::escape::unescape(&attribute.value).map(Cow::into_owned).ok()
}
