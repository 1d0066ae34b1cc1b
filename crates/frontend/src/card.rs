//! One item as a card: people, cars, pages, and anything else.

use model::search::{Highlight, Hit};
use serde_json::{Map, Value};

use crate::html::{Html, is_page};
use crate::words::Language;

/// Fields of an item that no card of its own is made for.
const MAX_FIELDS: usize = 12;

/// Longest value on a card, in characters; the details have all of it.
const MAX_VALUE: usize = 160;

/// What a card shows, by the item's type.
struct Layout {
    class: &'static str,
    /// The field with its name; the first that is there.
    title: &'static [&'static str],
    /// Fields in this order, without their names where those are plain from the value.
    fields: &'static [&'static str],
    /// Whether all other fields follow.
    others: bool,
}

const PERSON: Layout = Layout {
    class: "person",
    title: &["Name"],
    fields: &["Gender", "Age", "Height", "Weight", "Income", "Marriage", "Education", "Occupation", "Hukou", "Xinzuo", "House", "Car"],
    others: false,
};

const CAR: Layout = Layout {
    class: "car",
    title: &["Name"],
    fields: &["Price", "Size", "Fuel", "Transmission", "Engine", "Displacement", "MaxSpeed", "Acceleration"],
    others: false,
};

const PAGE: Layout =
    Layout { class: "page", title: &["title"], fields: &["description", "status", "lang", "bytes", "links"], others: false };

const ANYTHING: Layout =
    Layout { class: "thing", title: &["Name", "name", "Title", "title", "Subject", "headline", "label"], fields: &[], others: true };

/// By fields rather than by name alone: a crawl may call its people as it likes.
fn layout(item_type: &str, fields: &Map<String, Value>) -> &'static Layout {
    let has = |names: &[&str]| names.iter().all(|name| fields.contains_key(*name));
    match item_type {
        "page" if has(&["status"]) => &PAGE,
        _ if has(&["Name", "Age", "Height", "Marriage"]) => &PERSON,
        _ if has(&["Name", "MaxSpeed", "Displacement"]) => &CAR,
        _ => &ANYTHING,
    }
}

/// The card of a hit.
pub(crate) fn card(hit: &Hit, language: Language) -> Html {
    let payload: Value = serde_json::from_str(hit.item.payload.as_str()).unwrap_or(Value::Null);
    let nothing = Map::new();
    let fields = payload.as_object().unwrap_or(&nothing);
    let layout = layout(&hit.item.item_type, fields);
    let named =
        layout.title.iter().find_map(|name| Some((*name, fields.get(*name)?.as_str()?))).filter(|(_, title)| !title.trim().is_empty());
    let title = match named {
        Some((name, title)) => value_html(name, title, &hit.highlights),
        None => Html::text(&cut(hit.item.id.as_str())),
    };
    let shown = layout.fields.iter().copied().filter_map(|name| Some((name, fields.get(name)?)));
    let is_other = |name: &String| named.is_none_or(|(title, _)| name != title);
    let others =
        fields.iter().filter(|(name, _)| layout.others && is_other(name)).map(|(name, value)| (name.as_str(), value)).take(MAX_FIELDS);
    let list = Html::all(shown.chain(others).filter_map(|(name, value)| field(name, value, &hit.highlights, language)));
    let words = language.words();
    let head = Html::element("h2", &[], Html::link(&address("/item", hit), title)).then(Html::element(
        "span",
        &[("class", "type")],
        Html::text(&hit.item.item_type),
    ));
    let on_card = |name: &str| layout.others || layout.fields.contains(&name) || layout.title.contains(&name);
    let elsewhere = hit.highlights.iter().filter(|highlight| !on_card(&highlight.field)).map(|highlight| {
        let name = Html::element("b", &[], Html::text(&highlight.field));
        Html::element("p", &[("class", "piece")], name.then(Html::ours(" ")).then(Html::marked(&highlight.text, &highlight.marks)))
    });
    let source = Html::outside(hit.item.url.as_str(), Html::text(&cut(hit.item.url.as_str())));
    let foot =
        Html::element("footer", &[], source.then(Html::ours(" ")).then(Html::link(&address("/item", hit), Html::text(words.details))));
    let contents =
        head.then(if list.is_empty() { Html::default() } else { Html::element("dl", &[], list) }).then(Html::all(elsewhere)).then(foot);
    Html::element("article", &[("class", layout.class)], contents)
}

/// Our page about an item.
pub(crate) fn address(path: &str, hit: &Hit) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("type", &hit.item.item_type).append_pair("id", hit.item.id.as_str());
    format!("{path}?{}", query.finish())
}

fn field(name: &str, value: &Value, highlights: &[Highlight], language: Language) -> Option<Html> {
    let shown = match value {
        Value::Null => return None,
        Value::String(text) if text.is_empty() => return None,
        // The course's parsers write 0 for what a page does not say.
        Value::Number(number) if number.as_f64() == Some(0.0) => return None,
        Value::String(text) => value_html(name, text, highlights),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Html::text(&cut(&value.to_string())),
    };
    let label = language.field(name).unwrap_or(name);
    // Together, so that no line ends between a name and its value.
    Some(Html::element("div", &[], Html::element("dt", &[], Html::text(label)).then(Html::element("dd", &[], shown))))
}

/// A text with what was looked for marked; an address as a link.
fn value_html(name: &str, text: &str, highlights: &[Highlight]) -> Html {
    match highlights.iter().find(|highlight| highlight.field == name) {
        Some(highlight) => Html::marked(&highlight.text, &highlight.marks),
        None if is_page(text) => Html::outside(text, Html::text(&cut(text))),
        None => Html::text(&cut(text)),
    }
}

fn cut(text: &str) -> String {
    if text.chars().nth(MAX_VALUE).is_none() {
        return text.to_owned();
    }
    text.chars().take(MAX_VALUE - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(item_type: &str, payload: &str) -> Hit {
        let item = serde_json::json!({"url": "http://h/a?b=\"c", "type": item_type, "id": "<7>", "payload": payload});
        let source = serde_json::json!({"crawl": "c", "page": "http://h/", "fetched_at_ms": 0, "version": 1});
        Hit { item: serde_json::from_value(item).unwrap(), source: serde_json::from_value(source).unwrap(), highlights: Vec::new() }
    }

    #[test]
    fn each_type_has_its_card_and_any_other_payload_a_general_one() {
        let class = |payload: &str, item_type: &str| {
            let html = card(&hit(item_type, payload), Language::English).into_string();
            html.split('"').nth(1).unwrap().to_owned()
        };
        assert_eq!(class(r#"{"Name":"n","Age":1,"Height":2,"Marriage":""}"#, "zhenai"), "person");
        assert_eq!(class(r#"{"Name":"n","MaxSpeed":1,"Displacement":2}"#, "xcar"), "car");
        assert_eq!(class(r#"{"status":200,"title":"t"}"#, "page"), "page");
        assert_eq!(class(r#"{"anything":[1,{"a":null}]}"#, "x"), "thing");
        assert_eq!(class("{}", "page"), "thing");
    }

    #[test]
    fn nothing_in_an_item_is_markup_or_runs() {
        let payload = r#"{"name":"<script>alert(1)</script>","link":"javascript:alert(1)","good":"https://h/x","<b>":"\"'>"}"#;
        let html = card(&hit("<i>", payload), Language::Chinese).into_string();
        for bad in ["<script", "<b>\"", "<i>", "href=\"javascript", "\"'>"] {
            assert!(!html.contains(bad), "{bad} is in {html}");
        }
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && html.contains("href=\"https://h/x\""), "{html}");
        assert!(html.contains("/item?type=%3Ci%3E&amp;id=%3C7%3E"), "{html}");
    }

    #[test]
    fn what_was_looked_for_is_marked_on_the_card() {
        let mut found = hit("x", r#"{"Name":"安静","deep":{"text":"a"}}"#);
        found.highlights = vec![Highlight { field: "Name".into(), text: "安静".into(), marks: vec![(0, 2)] }];
        assert!(card(&found, Language::English).into_string().contains("<mark>安静</mark>"));
    }
}
