//! A page as a tree, within limits.

use std::borrow::Cow;
use std::cell::Cell;

use ego_tree::NodeId;
use ego_tree::iter::Edge;
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::tree_builder::{ElementFlags, NodeOrText, QuirksMode, TreeBuilderOpts, TreeSink};
use html5ever::{Attribute, ParseOpts, QualName, parse_document};
use scraper::{ElementRef, Html, HtmlTreeSink, Node};

use super::Allowance;
use super::ParseError;
use super::feed::in_pieces;
use super::text::Collapsed;

/// Deepest nesting that is parsed. Building the tree and matching selectors look at all ancestors of an element, so that a page of
/// 100,000 nested elements would cost 10¹⁰ steps; browsers stop at 512.
pub(crate) const MAX_DEPTH: usize = 1_024;

/// Most elements of a page; they take about 200 bytes each.
pub(crate) const MAX_ELEMENTS: u64 = 300_000;

/// Most of what a page's tree is made of, all together: elements, attributes, comments, processing instructions and runs of text. The
/// smallest take three bytes of a page and more than 100 of memory.
pub(crate) const MAX_NODES: u64 = 1_000_000;

/// How much is parsed between two looks at the limits. A kilobyte can open 340 elements, or make the parser repeat up to
/// [`MAX_DEPTH`] open formatting elements 250 times.
const PIECE: usize = 1024;

/// Parses a page as a browser without scripts does.
///
/// # Errors
/// [`ParseError::TooComplex`] past [`MAX_DEPTH`], [`MAX_ELEMENTS`], [`MAX_NODES`], or the longest time for one tag or the page.
pub(crate) fn parse(text: &str, allowance: &Allowance) -> Result<Html, ParseError> {
    let sink = Watched::new();
    let tree_builder = TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() };
    let parser = parse_document(sink, ParseOpts { tree_builder, ..ParseOpts::default() });
    let parser = std::cell::RefCell::new(parser);
    in_pieces(
        text,
        allowance,
        PIECE,
        |piece| parser.borrow_mut().process(piece),
        || parser.borrow().tokenizer.sink.sink.steps.get(),
        || parser.borrow().tokenizer.sink.sink.check(),
    )?;
    let parser = parser.into_inner();
    Ok(parser.finish())
}

/// The text of an element as a person reads it: what block elements and line breaks separate is separated, scripts and styles are
/// left out.
///
/// # Errors
/// [`ParseError::TooComplex`] when the page's rules have gathered too much text.
pub(crate) fn text_of(element: ElementRef<'_>, allowance: &Allowance) -> Result<String, ParseError> {
    text_without(element, allowance, |_| false)
}

/// The same without the elements below it that are left out.
///
/// # Errors
/// As [`text_of`].
pub(crate) fn text_without(
    element: ElementRef<'_>,
    allowance: &Allowance,
    left_out: impl Fn(ElementRef<'_>) -> bool,
) -> Result<String, ParseError> {
    allowance.check()?;
    let mut text = Collapsed::default();
    let mut inside_left_out = 0usize;
    for edge in element.traverse() {
        let (opens, node) = match edge {
            Edge::Open(node) => (true, node),
            Edge::Close(node) => (false, node),
        };
        match node.value() {
            Node::Text(more) if opens && inside_left_out == 0 => {
                allowance.visit(more)?;
                text.push(more);
            }
            Node::Element(inner) => {
                if separates(inner.name()) {
                    text.separate();
                }
                let below = node.id() != element.id();
                let skipped = matches!(inner.name(), "script" | "style") || below && ElementRef::wrap(node).is_some_and(&left_out);
                inside_left_out = if !skipped {
                    inside_left_out
                } else if opens {
                    inside_left_out + 1
                } else {
                    inside_left_out - 1
                };
            }
            _ => {}
        }
    }
    Ok(text.finish())
}

/// Whether what stands before and after an element's edge are different words.
pub(crate) fn separates(name: &str) -> bool {
    matches!(
        name,
        "br" | "p"
            | "div"
            | "li"
            | "tr"
            | "td"
            | "th"
            | "dt"
            | "dd"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "section"
            | "article"
            | "option"
    )
}

/// scraper's sink with its growth under watch.
struct Watched {
    inner: HtmlTreeSink,
    steps: Cell<u64>,
    nodes: Cell<u64>,
    elements: Cell<u64>,
    last: Cell<Option<NodeId>>,
}

impl Watched {
    fn new() -> Watched {
        Watched {
            inner: HtmlTreeSink::new(Html::new_document()),
            steps: Cell::new(0),
            nodes: Cell::new(0),
            elements: Cell::new(0),
            last: Cell::new(None),
        }
    }

    fn step(&self) {
        self.steps.set(self.steps.get() + 1);
    }

    fn count(&self, nodes: usize) {
        self.nodes.set(self.nodes.get() + nodes as u64);
    }

    /// A run of text is no node of its own before it is put somewhere.
    fn count_text(&self, child: &NodeOrText<NodeId>) {
        if matches!(child, NodeOrText::AppendText(_)) {
            self.count(1);
        }
    }

    fn check(&self) -> Result<(), ParseError> {
        if self.nodes.get() > MAX_NODES {
            return Err(ParseError::TooComplex(format!("more than {MAX_NODES} elements, attributes, comments and texts")));
        }
        if self.elements.get() > MAX_ELEMENTS {
            return Err(ParseError::TooComplex(format!("more than {MAX_ELEMENTS} elements")));
        }
        // The element made last lies near the bottom of what is open.
        let html = self.inner.0.borrow();
        let depth = self.last.get().and_then(|id| html.tree.get(id)).map_or(0, |node| node.ancestors().take(MAX_DEPTH + 1).count());
        if depth > MAX_DEPTH {
            return Err(ParseError::TooComplex(format!("elements are nested deeper than {MAX_DEPTH}")));
        }
        Ok(())
    }
}

impl TreeSink for Watched {
    type Handle = NodeId;
    type Output = Html;
    type ElemName<'a> = <HtmlTreeSink as TreeSink>::ElemName<'a>;

    fn finish(self) -> Html {
        self.inner.finish()
    }

    // No step: a repeated attribute is an error in the middle of a tag.
    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> NodeId {
        self.inner.get_document()
    }

    fn elem_name<'a>(&'a self, target: &'a NodeId) -> Self::ElemName<'a> {
        self.inner.elem_name(target)
    }

    fn create_element(&self, name: QualName, attrs: Vec<Attribute>, flags: ElementFlags) -> NodeId {
        self.step();
        self.elements.set(self.elements.get() + 1);
        self.count(1 + attrs.len());
        let id = self.inner.create_element(name, attrs, flags);
        self.last.set(Some(id));
        id
    }

    fn create_comment(&self, text: StrTendril) -> NodeId {
        self.step();
        self.count(1);
        self.inner.create_comment(text)
    }

    fn create_pi(&self, target: StrTendril, data: StrTendril) -> NodeId {
        self.step();
        self.count(1);
        self.inner.create_pi(target, data)
    }

    fn append(&self, parent: &NodeId, child: NodeOrText<NodeId>) {
        self.step();
        self.count_text(&child);
        self.inner.append(parent, child);
    }

    fn append_based_on_parent_node(&self, element: &NodeId, previous: &NodeId, child: NodeOrText<NodeId>) {
        self.step();
        self.count_text(&child);
        self.inner.append_based_on_parent_node(element, previous, child);
    }

    fn append_doctype_to_document(&self, name: StrTendril, public_id: StrTendril, system_id: StrTendril) {
        self.step();
        self.inner.append_doctype_to_document(name, public_id, system_id);
    }

    fn pop(&self, node: &NodeId) {
        self.step();
        self.inner.pop(node);
    }

    fn get_template_contents(&self, target: &NodeId) -> NodeId {
        self.inner.get_template_contents(target)
    }

    fn same_node(&self, one: &NodeId, other: &NodeId) -> bool {
        self.inner.same_node(one, other)
    }

    fn set_quirks_mode(&self, mode: QuirksMode) {
        self.inner.set_quirks_mode(mode);
    }

    fn append_before_sibling(&self, sibling: &NodeId, new_node: NodeOrText<NodeId>) {
        self.step();
        self.count_text(&new_node);
        self.inner.append_before_sibling(sibling, new_node);
    }

    fn add_attrs_if_missing(&self, target: &NodeId, attrs: Vec<Attribute>) {
        self.step();
        self.count(attrs.len());
        self.inner.add_attrs_if_missing(target, attrs);
    }

    fn remove_from_parent(&self, target: &NodeId) {
        self.step();
        self.inner.remove_from_parent(target);
    }

    fn reparent_children(&self, node: &NodeId, new_parent: &NodeId) {
        self.step();
        self.inner.reparent_children(node, new_parent);
    }

    fn mark_script_already_started(&self, node: &NodeId) {
        self.inner.mark_script_already_started(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scraper::Selector;

    fn parse(html: &str) -> Result<Html, ParseError> {
        super::parse(html, &Allowance::unhurried(0))
    }

    fn complexity(html: &str) -> String {
        parse(html).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn pages_beyond_the_limits_are_refused_before_they_cost_much() {
        let deep = format!("{}x{}", "<div>".repeat(100_000), "</div>".repeat(100_000));
        assert!(complexity(&deep).contains("nested deeper"));
        assert!(complexity(&"<i>".repeat(3_000_000)).contains("nested deeper"));
        assert!(complexity(&"<br>".repeat(400_000)).contains("elements"));
        let formatting: String = (0..500).map(|n| format!("<b a{n}>")).collect();
        assert!(!complexity(&format!("{formatting}{}", "<p>x".repeat(2_000_000))).is_empty());
    }

    #[test]
    fn an_attribute_that_is_repeated_is_no_progress() {
        let parser = std::cell::RefCell::new(parse_document(Watched::new(), ParseOpts::default()));
        parser.borrow_mut().process("<p>".into());
        let steps = || parser.borrow().tokenizer.sink.sink.steps.get();
        let before = steps();
        parser.borrow_mut().process("<p a=1 a=2 a=3 a=4 b b b ".into());
        assert_eq!(steps(), before);
    }

    #[test]
    fn all_that_a_tree_is_made_of_counts() {
        let count = |html: &str| {
            let mut parser = parse_document(Watched::new(), ParseOpts::default());
            parser.process(html.into());
            parser.tokenizer.sink.sink.nodes.get()
        };
        // A page without anything has html, head and body once something comes.
        let empty = count("<!doctype html><p></p>");
        assert_eq!(count("<!doctype html><p a b=1></p>"), empty + 2);
        assert_eq!(count("<!doctype html><p><!--a--><!--b--></p>"), empty + 2);
        assert_eq!(count("<!doctype html><p><?a></p>"), empty + 1);
        assert_eq!(count("<!doctype html><p>a<!--b-->c</p>"), empty + 3);
        assert_eq!(count("<!doctype html><p><table>a<tr></table></p>") - count("<!doctype html><p><table><tr></table></p>"), 1);
        assert!(complexity(&"<!>".repeat(1_100_000)).contains("more than 1000000"));
    }

    #[test]
    fn a_tag_of_a_million_attributes_is_given_up() {
        let tag: String = (0..1_000_000).map(|n| format!(" a{n}")).collect();
        assert!(complexity(&format!("<p{tag}>")).contains("a tag takes longer"));
    }

    #[test]
    fn a_page_within_the_limits_is_parsed_whole() {
        let deep = format!("{}<a>x</a>", "<div>".repeat(900));
        let html = parse(&deep).unwrap();
        assert_eq!(html.select(&Selector::parse("div").unwrap()).count(), 900);
        assert_eq!(html.select(&Selector::parse("div > div a").unwrap()).count(), 1);
        let attributes: String = (0..10_000).map(|n| format!(" data-{n}={n}")).collect();
        let html = parse(&format!("<p{attributes}><a href=x></a>")).unwrap();
        assert_eq!(html.select(&Selector::parse("p > a").unwrap()).count(), 1);
    }

    #[test]
    fn text_is_separated_where_a_person_sees_a_gap() {
        let html = parse("<div><p>a<b>b</b></p><p>c<br>d</p><script>e</script></div>").unwrap();
        assert_eq!(text_of(html.root_element(), &Allowance::default()).unwrap(), "ab c d");
    }
}
