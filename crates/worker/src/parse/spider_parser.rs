//! A parser of a spider file, applied to a page.

use std::cell::OnceCell;
use std::sync::Arc;

use model::outcome::MAX_ITEM_BYTES;
use model::{Args, CrawlUrl, ItemId, ParserRef};
use scraper::{ElementRef, Html, Selector};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use spider::{ArgSource, Conversion, Fallback, FieldRule, ItemRule, LinkRule, LinkSource, ParserRules, Source, Spider, Value};

use super::text::{collapse, of_attribute, of_html};
use super::{FetchedPage, Parse, ParseError, Parsed, dom};

/// One of the parsers of a spider.
#[derive(Clone, Debug)]
pub struct SpiderParser {
    spider: Arc<Spider>,
    name: String,
}

impl SpiderParser {
    /// The spider's parser of that name, if it has one.
    pub fn new(spider: &Arc<Spider>, name: &str) -> Option<SpiderParser> {
        spider.parsers.contains_key(name).then(|| SpiderParser { spider: Arc::clone(spider), name: name.to_owned() })
    }

    fn rules(&self) -> &ParserRules {
        &self.spider.parsers[&self.name]
    }
}

impl Parse for SpiderParser {
    fn parse(&self, page: &FetchedPage<'_>, args: &Args) -> Result<Parsed, ParseError> {
        let mut reading = Reading { page, args, parsed: Parsed::new(page) };
        for rule in &self.rules().items {
            reading.items(rule)?;
        }
        for rule in &self.rules().links {
            reading.links(rule)?;
        }
        Ok(reading.parsed)
    }
}

struct Reading<'r, 'p> {
    page: &'r FetchedPage<'p>,
    args: &'r Args,
    parsed: Parsed,
}

/// Where values of an item are looked up: on the page, or in one element of it. The tree is built when a rule first needs it.
#[derive(Clone, Copy)]
struct Place<'r> {
    element: Option<ElementRef<'r>>,
    html: &'r OnceCell<String>,
}

impl<'r> Reading<'r, '_> {
    fn links(&mut self, rule: &LinkRule) -> Result<(), ParseError> {
        let allowance = self.page.allowance();
        match &rule.source {
            LinkSource::Css { selector, attr } => {
                for element in self.page.html()?.select(selector) {
                    allowance.check()?;
                    if let Some(href) = element.attr(attr) {
                        if !self.page.follows(element.attr("rel")) {
                            self.parsed.refuse_nofollow();
                            continue;
                        }
                        self.link(rule, href, |source| match source {
                            ArgSource::Text => dom::text_of(element, allowance).map(Some),
                            ArgSource::Attr(name) => Ok(Some(element.attr(name).map(collapse).unwrap_or_default())),
                            _ => Ok(None),
                        })?;
                    }
                }
            }
            LinkSource::Html(pattern) => {
                for captures in pattern.regex().captures_iter(self.page.text()) {
                    allowance.check()?;
                    let Some(href) = pattern.pick(&captures) else { continue };
                    let group = |number: usize| match captures.get(number) {
                        Some(group) => of_html(group.as_str(), allowance).map(Some),
                        None => Ok(Some(String::new())),
                    };
                    self.link(rule, &of_attribute(href, allowance)?, |source| match source {
                        ArgSource::Text => group(captures.len() - 1),
                        ArgSource::Group(number) => group(*number),
                        _ => Ok(None),
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Follows one link; `own` gives the arguments that come from the link itself.
    fn link(
        &mut self,
        rule: &LinkRule,
        href: &str,
        own: impl Fn(&ArgSource) -> Result<Option<String>, ParseError>,
    ) -> Result<(), ParseError> {
        let url = match self.page.resolve(href) {
            Ok(url) => url,
            Err(error) => {
                // With an expression on addresses the rule is about some links only, and this is none of them.
                if rule.url.is_none() {
                    self.parsed.refuse(&error);
                }
                return Ok(());
            }
        };
        let captures = match &rule.url {
            Some(regex) => match regex.captures(url.as_str()) {
                Some(captures) => Some(captures),
                None => return Ok(()),
            },
            None => None,
        };
        let mut parser = ParserRef::named(rule.parser.clone());
        for (name, source) in &rule.args {
            let value = match source {
                ArgSource::Url => Some(url.to_string()),
                ArgSource::UrlGroup(number) => {
                    captures.as_ref().and_then(|captures| captures.get(*number)).map(|group| group.as_str().to_owned())
                }
                ArgSource::Const(value) => Some(value.clone()),
                ArgSource::Arg(name) => self.args.get(name).cloned(),
                ArgSource::Text | ArgSource::Attr(_) | ArgSource::Group(_) => own(source)?,
            };
            if let Some(value) = value {
                parser.args.insert(name.clone(), value);
            }
        }
        drop(captures);
        self.parsed.follow_url(url, &parser);
        Ok(())
    }

    fn items(&mut self, rule: &ItemRule) -> Result<(), ParseError> {
        if let Some(when) = &rule.when
            && self.page.html()?.select(when).next().is_none()
        {
            return Ok(());
        }
        match &rule.each {
            None => self.item(rule, Place { element: None, html: &OnceCell::new() }),
            Some(each) => {
                let cut_before = self.parsed.cut_items();
                for element in self.page.html()?.select(each) {
                    self.page.allowance().check()?;
                    if self.parsed.cut_items() > cut_before {
                        // What does not fit need not be read to be counted.
                        self.parsed.cut_item();
                        continue;
                    }
                    self.item(rule, Place { element: Some(element), html: &OnceCell::new() })?;
                }
                Ok(())
            }
        }
    }

    fn item(&mut self, rule: &ItemRule, place: Place<'_>) -> Result<(), ParseError> {
        let mut values = Vec::with_capacity(rule.fields.len());
        let mut found_on_page = false;
        for FieldRule { name, rule: field } in &rule.fields {
            let found = self.first_found(&field.sources, field.conversion, place)?;
            found_on_page |= found.as_ref().is_some_and(|(source, _)| source.reads_page());
            let value = match (found, &field.fallback) {
                (Some((_, value)), _) => value,
                (None, Fallback::Value(value)) => value.clone(),
                (None, Fallback::Required) => return Ok(()),
            };
            values.push((name.as_str(), value));
        }
        let reads_page = rule.fields.iter().flat_map(|field| &field.rule.sources).any(Source::reads_page);
        if reads_page && !found_on_page {
            return Ok(());
        }
        let id = self.first_found(&rule.id, Conversion::Text, place)?.and_then(|(_, value)| text(value)).and_then(ItemId::given);
        let url = self.first_found(&rule.url, Conversion::Url, place)?.and_then(|(_, value)| text(value));
        let url = url.and_then(|url| CrawlUrl::parse(&url).ok()).unwrap_or_else(|| self.page.url().clone());
        self.parsed.item_at(url, &rule.item_type, id, &Payload(values))
    }

    /// The value of the first source that finds one that can be converted, with that source.
    fn first_found<'s>(
        &self,
        sources: &'s [Source],
        conversion: Conversion,
        place: Place<'_>,
    ) -> Result<Option<(&'s Source, Value)>, ParseError> {
        for source in sources {
            let texts = self.texts(source, conversion, place)?;
            let value = match conversion {
                Conversion::List => (!texts.is_empty()).then_some(Value::List(texts)),
                Conversion::Url => texts.first().and_then(|text| self.page.resolve(text).ok()).map(|url| Value::Text(url.into())),
                Conversion::Text | Conversion::Integer | Conversion::Float | Conversion::Bool => {
                    texts.first().and_then(|text| conversion.convert(text))
                }
            };
            if let Some(value) = value {
                return Ok(Some((source, value)));
            }
        }
        Ok(None)
    }

    /// What a source finds: the first text, or every text for a list. Empty texts are not found, except where existence is the question.
    fn texts(&self, source: &Source, conversion: Conversion, place: Place<'_>) -> Result<Vec<String>, ParseError> {
        let allowance = self.page.allowance();
        let list = conversion == Conversion::List;
        let keep = |text: &String| !text.is_empty() || conversion == Conversion::Bool;
        let one = |text: Option<String>| Vec::from_iter(text.filter(keep));
        Ok(match source {
            Source::Css { selector, attr, pattern } => {
                let read = |element: ElementRef<'_>| {
                    allowance.check()?;
                    let text = match attr {
                        Some(attr) => {
                            let Some(value) = element.attr(attr) else { return Ok(None) };
                            allowance.visit(value)?;
                            collapse(value)
                        }
                        None => dom::text_of(element, allowance)?,
                    };
                    Ok(match pattern {
                        Some(pattern) => pattern.find(&text).map(collapse),
                        None => Some(text),
                    })
                };
                first_or_all(self.elements(selector.as_ref(), place)?.map(read), list, keep)?
            }
            Source::Html(pattern) => {
                let html = match place.element {
                    Some(element) => {
                        if place.html.get().is_none() {
                            allowance.visit(place.html.get_or_init(|| element.html()))?;
                        }
                        place.html.get_or_init(|| element.html())
                    }
                    None => self.page.text(),
                };
                if list {
                    let read = |found| allowance.check().and_then(|()| of_html(found, allowance)).map(Some);
                    first_or_all(pattern.find_all(html).map(read), list, keep)?
                } else {
                    one(pattern.find(html).map(|found| of_html(found, allowance)).transpose()?)
                }
            }
            Source::Url(pattern) => one(pattern.find(self.page.url().as_str()).map(str::to_owned)),
            Source::Arg(name) => one(self.args.get(name).cloned()),
            Source::Const(value) => one(Some(value.clone())),
        })
    }

    fn elements<'s>(
        &'s self,
        selector: Option<&'s Selector>,
        place: Place<'s>,
    ) -> Result<Box<dyn Iterator<Item = ElementRef<'s>> + 's>, ParseError> {
        Ok(match (selector, place.element) {
            (Some(selector), Some(element)) => Box::new(element.select(selector)),
            (Some(selector), None) => {
                let html: &'s Html = self.page.html()?;
                Box::new(html.select(selector))
            }
            (None, element) => Box::new(element.into_iter()),
        })
    }
}

/// The first text that is kept, or all for a list. A list stops growing when it is too large to be sent: its item will be cut.
fn first_or_all(
    texts: impl Iterator<Item = Result<Option<String>, ParseError>>,
    list: bool,
    keep: impl Fn(&String) -> bool,
) -> Result<Vec<String>, ParseError> {
    let mut all = Vec::new();
    let mut bytes = 0;
    for text in texts {
        let Some(text) = text?.filter(&keep) else { continue };
        bytes += text.len();
        all.push(text);
        if !list || bytes > MAX_ITEM_BYTES {
            break;
        }
    }
    Ok(all)
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text),
        Value::Integer(_) | Value::Float(_) | Value::Bool(_) | Value::List(_) => None,
    }
}

/// Fields in their order.
struct Payload<'a>(Vec<(&'a str, Value)>);

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            match value {
                Value::Text(text) => map.serialize_entry(name, text)?,
                Value::Integer(number) => map.serialize_entry(name, number)?,
                Value::Float(number) => map.serialize_entry(name, number)?,
                Value::Bool(flag) => map.serialize_entry(name, flag)?,
                Value::List(texts) => map.serialize_entry(name, texts)?,
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::super::allowance::{Allowance, MAX_TEXT_VISITED};
    use super::*;
    use http::HeaderMap;
    use model::Page;

    const HTML: &str = r#"<base href="/shop/"><h1> A &amp; B </h1>
        <ul><li id=one><a href="1?x=1&amp;y=2" title="First">One <b>1</b></a> <i>12,345 km</i><s>no</s></li>
        <li id=two><a href="2">Two</a> <i>3.5</i></li><li><a href="mailto:x">Mail</a></li></ul>
        <script>{"id": "x&lt;9"}</script>"#;

    fn read(rules: &str, args: &[(&str, &str)]) -> Page {
        read_html(HTML, rules, args, MAX_TEXT_VISITED).unwrap().0
    }

    /// What is found, and how many bytes of text were gathered for it.
    fn read_html(html: &str, rules: &str, args: &[(&str, &str)], text_left: u64) -> Result<(Page, u64), ParseError> {
        let text = format!("name = \"t\"\n[parsers.p]\n{rules}\n");
        let spider = Arc::new(Spider::parse(&text, &["page"]).unwrap_or_else(|errors| panic!("{errors}")));
        let (url, headers) = (CrawlUrl::parse("http://h/a/7.html").unwrap(), HeaderMap::new());
        let args = args.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let page = FetchedPage::new(&url, 200, &headers, html.as_bytes(), html).with_allowance(Allowance::unhurried(text_left));
        let parsed = SpiderParser::new(&spider, "p").unwrap().parse(&page, &args)?;
        Ok((parsed.into_page(), page.allowance().visited()))
    }

    fn field(rule: &str, args: &[(&str, &str)]) -> String {
        let page = read(&format!("[[parsers.p.items]]\ntype = \"t\"\nfields.title = \"h1\"\nfields.x = {rule}"), args);
        page.items.first().map(|item| item.payload.as_str().replacen(r#"{"title":"A & B","x":"#, "", 1)).unwrap_or_default()
    }

    #[test]
    fn each_way_to_find_a_value_finds_it() {
        for (rule, expected) in [
            ("'h1'", r#""A & B"}"#),
            ("{ css = 'li a', attr = 'title' }", r#""First"}"#),
            ("{ css = 'i', as = 'integer' }", "12345}"),
            ("{ css = 'i', as = 'float' }", "12345.0}"),
            ("{ css = '#two i', as = 'float' }", "3.5}"),
            ("{ css = 's', as = 'bool' }", "false}"),
            ("{ css = 'li', as = 'bool' }", "true}"),
            ("{ css = 'li a', as = 'list' }", r#"["One 1","Two","Mail"]}"#),
            ("{ css = 'li a', attr = 'href', as = 'url' }", r#""http://h/shop/1?x=1&y=2"}"#),
            ("{ css = 'i', regex = '([0-9]+) km' }", r#""345"}"#),
            (r#"{ regex = '"id": "([^"]+)' }"#, r#""x<9"}"#),
            ("{ regex = '<(i)>([^<]+)', group = 2, as = 'list' }", r#"["12,345 km","3.5"]}"#),
            ("{ url = '([0-9]+)\\.html', as = 'integer' }", "7}"),
            ("{ arg = 'name' }", r#""from args"}"#),
            ("{ const = 5 }", r#""5"}"#),
            ("{ css = 'nothing', or = [{ arg = 'nobody' }, 'h1'] }", r#""A & B"}"#),
            ("{ css = 'h1', as = 'integer', or = 'i' }", "12345}"),
        ] {
            assert_eq!(field(rule, &[("name", "from args")]), expected, "{rule}");
        }
    }

    #[test]
    fn what_is_not_found_is_empty_default_or_leaves_the_item_out() {
        for (rule, expected) in [
            ("'nothing'", r#"""}"#),
            ("{ css = 'nothing', as = 'integer' }", "0}"),
            ("{ css = 'h1', as = 'float' }", "0.0}"),
            ("{ css = 'nothing', as = 'bool' }", "false}"),
            ("{ css = 'nothing', as = 'list' }", "[]}"),
            ("{ css = 'nothing', as = 'integer', default = -1 }", "-1}"),
            ("{ css = 'nothing', as = 'list', default = ['a'] }", r#"["a"]}"#),
            ("{ css = 'nothing', required = true }", ""),
        ] {
            assert_eq!(field(rule, &[]), expected, "{rule}");
        }
    }

    #[test]
    fn an_item_for_each_element_reads_within_it() {
        let rules = "[[parsers.p.items]]\ntype = 'li'\neach = 'li'\nid = { attr = 'id' }\nurl = { css = 'a', attr = 'href' }\n\
                     fields = { text = ':scope', number = { regex = '<i>([0-9.]+)', as = 'float' } }";
        let items = read(rules, &[]).items;
        let told: Vec<(&str, &str, &str)> = items.iter().map(|item| (item.id.as_str(), item.url.as_str(), item.payload.as_str())).collect();
        let derived = ItemId::derived(CrawlUrl::parse("http://h/a/7.html").unwrap().dedup_key(), "li", 2);
        let expected = [
            ("one", "http://h/shop/1?x=1&y=2", r#"{"text":"One 1 12,345 kmno","number":12.0}"#),
            ("two", "http://h/shop/2", r#"{"text":"Two 3.5","number":3.5}"#),
            (derived.as_str(), "http://h/a/7.html", r#"{"text":"Mail","number":0.0}"#),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_page_without_what_an_item_is_about_has_no_item() {
        let none = |rules: &str| read(&format!("[[parsers.p.items]]\ntype = 't'\n{rules}"), &[("a", "b")]).items.is_empty();
        assert!(none("fields = { a = { arg = 'a' }, b = 'nothing' }"));
        assert!(!none("fields = { a = { arg = 'a' } }"));
        assert!(none("when = 'video'\nfields.a = 'h1'"));
        assert!(!none("when = 'script'\nfields.a = 'h1'"));
    }

    #[test]
    fn nested_elements_cannot_make_rules_read_a_page_over_and_over() {
        let nested = format!("{}{}", "<div>".repeat(400), "x".repeat(16 * 1024));
        for rules in [
            "links = [{ css = 'div', attr = 'class', parser = 'p', args = { t = 'text' } }]",
            "[[parsers.p.items]]\ntype = 't'\nfields.x = { css = 'div', regex = '([0-9])' }",
            "[[parsers.p.items]]\ntype = 't'\neach = 'div'\nfields.x = { css = ':scope', regex = '([0-9])' }",
            "[[parsers.p.items]]\ntype = 't'\neach = 'div'\nfields.x = { regex = '([0-9])' }",
        ] {
            let html = if rules.starts_with("links") { nested.replace("<div>", "<div class=a>") } else { nested.clone() };
            let error = read_html(&html, rules, &[], 1024 * 1024).unwrap_err();
            assert_eq!(error, ParseError::TooComplex("its rules read more than 64 MiB of text".into()), "{rules}");
        }
    }

    #[test]
    fn a_list_and_items_stop_where_they_no_longer_fit() {
        let nested = format!("{}{}", "<div>".repeat(40), "x".repeat(1024 * 1024));
        let mebibytes = |visited: u64| visited / 1024 / 1024;
        let list = "[[parsers.p.items]]\ntype = 't'\nfields.x = { css = 'div', as = 'list' }";
        let (page, visited) = read_html(&nested, list, &[], MAX_TEXT_VISITED).unwrap();
        assert_eq!((page.items.len(), page.cut.items, mebibytes(visited)), (0, 1, 9));
        let each = "[[parsers.p.items]]\ntype = 't'\neach = 'div'\nfields.x = ':scope'";
        let (page, visited) = read_html(&nested, each, &[], MAX_TEXT_VISITED).unwrap();
        assert_eq!((page.items.len(), page.cut.items, mebibytes(visited)), (7, 33, 8));
    }

    #[test]
    fn links_carry_what_their_rule_says_in_the_order_of_rules_and_page() {
        let rules = r#"links = [
            { css = "li a", url = '/shop/([0-9]+)', parser = "p", args = { text = "text", n = { url-group = 1 }, t = { attr = "title" }, up = { arg = "a" }, c = { const = 1 } } },
            { regex = '<a href="(?<url>[^"]+)"[^>]*>([^<]+)', parser = "page", args = { text = "text", n = { group = 2 }, u = "url" } },
        ]"#;
        let page = read(rules, &[("a", "b")]);
        let told: Vec<String> = page.links.iter().map(|link| format!("{} {} {:?}", link.url, link.parser.name, link.parser.args)).collect();
        let expected = [
            r#"http://h/shop/1?x=1&y=2 p {"c": "1", "n": "1", "t": "First", "text": "One 1", "up": "b"}"#,
            r#"http://h/shop/2 p {"c": "1", "n": "2", "t": "", "text": "Two", "up": "b"}"#,
            r#"http://h/shop/1?x=1&y=2 page {"n": "One", "text": "One", "u": "http://h/shop/1?x=1&y=2"}"#,
            r#"http://h/shop/2 page {"n": "Two", "text": "Two", "u": "http://h/shop/2"}"#,
        ];
        assert_eq!(told, expected);
        // Only the rule that is about all links counts the one that cannot be followed.
        assert_eq!(page.cut.other_schemes, 1);
    }
}
