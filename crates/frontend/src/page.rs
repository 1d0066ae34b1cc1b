//! The pages around the cards.

use itemsaver::export::rfc3339;
use model::search::{COUNTED, Hit, QueryMistake, SearchAnswer};
use serde_json::Value;

use crate::card::{address, card};
use crate::html::Html;
use crate::wanted::{PAGE, Wanted};
use crate::words::Language;

/// Queries that show what can be asked.
const EXAMPLES: [&str; 5] =
    ["已购房 Age:(<30)", "Type:zhenai Height:([178 TO 185])", "MaxSpeed:>200", "\"software engineer\"", "NOT Type:page"];

/// A page of results.
pub(crate) fn results(wanted: &Wanted, answer: &SearchAnswer, language: Language) -> String {
    let words = language.words();
    let more = if answer.more { format!("{} ", words.more_than) } else { String::new() };
    let mut count = Html::element("p", &[("class", "count")], Html::text(&format!("{more}{} {}", answer.count, words.hits)));
    if answer.behind > 0 {
        count = count.then(Html::element("p", &[("class", "note")], Html::text(&format!("{} {}", answer.behind, words.behind))));
    }
    let cards = Html::all(answer.hits.iter().map(|hit| card(hit, language)));
    let cards = if cards.is_empty() { Html::element("p", &[], Html::text(words.nothing)).then(examples(language)) } else { cards };
    let side = Html::element(
        "aside",
        &[],
        facets(wanted, answer, language).then(sorting(wanted, answer, language)).then(downloads(wanted, language)),
    );
    let main = Html::element("main", &[], count.then(cards).then(pager(wanted, answer, language)));
    whole(&wanted.query, language, Html::element("div", &[("class", "columns")], main.then(side)))
}

/// A query that cannot be understood, with a sign at the place.
pub(crate) fn mistaken(query: &str, mistake: &QueryMistake, language: Language) -> String {
    let chars: Vec<char> = query.chars().collect();
    let at = mistake.at.min(chars.len());
    let before: String = chars[..at].iter().collect();
    let place: String = chars.get(at).map_or("␣".to_owned(), char::to_string);
    let after: String = chars.get(at + 1..).unwrap_or_default().iter().collect();
    let shown = Html::text(&before).then(Html::element("mark", &[("class", "place")], Html::text(&place))).then(Html::text(&after));
    let contents = Html::element("h2", &[], Html::text(language.words().mistake))
        .then(Html::element("pre", &[("class", "query")], shown))
        .then(Html::element("p", &[], Html::text(&mistake.message)))
        .then(examples(language));
    whole(query, language, Html::element("main", &[], contents))
}

/// A page that says why there is no other.
pub(crate) fn told(query: &str, title: &str, reason: &str, language: Language) -> String {
    let contents = Html::element("h2", &[], Html::text(title)).then(Html::element("p", &[], Html::text(reason)));
    whole(query, language, Html::element("main", &[], contents))
}

/// Everything about one item; `past` is what has changed in it.
pub(crate) fn item(hit: &Hit, past: Html, language: Language) -> String {
    let words = language.words();
    let payload: Value = serde_json::from_str(hit.item.payload.as_str()).unwrap_or(Value::Null);
    let mut rows = Vec::new();
    let mut row = |name: &str, value: Html| {
        rows.push(Html::element("dt", &[], Html::text(language.field(name).unwrap_or(name))).then(Html::element("dd", &[], value)));
    };
    for (name, value) in payload.as_object().into_iter().flatten() {
        row(
            name,
            match value {
                Value::String(text) => Html::outside(text, Html::text(text)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    Html::text(&serde_json::to_string_pretty(value).unwrap_or_default())
                }
            },
        );
    }
    let fields = Html::element("dl", &[("class", "whole")], Html::all(rows));
    let source = [
        (words.source, Html::outside(hit.item.url.as_str(), Html::text(hit.item.url.as_str()))),
        ("", Html::outside(hit.source.page.as_str(), Html::text(hit.source.page.as_str()))),
        (words.fetched, Html::text(&rfc3339(hit.source.fetched_at_ms))),
        (words.crawl, Html::text(hit.source.crawl.as_str())),
    ];
    let same = hit.item.url == hit.source.page;
    let source = source
        .into_iter()
        .enumerate()
        .filter(|(at, _)| !(same && *at == 1))
        .map(|(_, (name, value))| Html::element("dt", &[], Html::text(name)).then(Html::element("dd", &[], value)));
    let contents = Html::element("h2", &[], Html::text(&format!("{} {}", hit.item.item_type, hit.item.id)))
        .then(fields)
        .then(Html::element("dl", &[("class", "whole source")], Html::all(source)))
        .then(past)
        .then(Html::element("p", &[], Html::link(&address("/item.json", hit), Html::ours("JSON"))));
    whole("", language, Html::element("main", &[("class", "item")], contents))
}

fn pager(wanted: &Wanted, answer: &SearchAnswer, language: Language) -> Html {
    let words = language.words();
    let mut links = Vec::new();
    let link = |further: &[(&str, &str)], text: &str, rel: &str| {
        Html::element("a", &[("href", &wanted.address("/search", further)), ("rel", rel)], Html::text(text))
    };
    if wanted.after.is_some() {
        links.push(link(&[], words.first, "first"));
        if let Some(next) = &answer.next {
            links.push(link(&[("after", next)], words.next, "next"));
        }
    } else {
        if wanted.from > 0 {
            links.push(link(&[("from", &wanted.from.saturating_sub(PAGE).to_string())], words.previous, "prev"));
        }
        let next = wanted.from + PAGE;
        if u64::from(next) + u64::from(PAGE) <= COUNTED {
            if u64::from(next) < answer.count {
                links.push(link(&[("from", &next.to_string())], words.next, "next"));
            }
        } else if let Some(cursor) = answer.next.as_ref().filter(|_| answer.more || u64::from(next) < answer.count) {
            // What is not counted has no number.
            links.push(link(&[("after", cursor)], words.next, "next"));
        }
    }
    if links.is_empty() { Html::default() } else { Html::element("nav", &[("class", "pager")], Html::all(links)) }
}

fn facets(wanted: &Wanted, answer: &SearchAnswer, language: Language) -> Html {
    if answer.types.len() < 2 {
        return Html::default();
    }
    let entry = |(item_type, count): &(String, u64)| {
        let condition = format!("Type:\"{}\"", item_type.replace('\\', "\\\\").replace('"', "\\\""));
        let query = if wanted.query.is_empty() { condition } else { format!("({}) {condition}", wanted.query) };
        let narrowed = Wanted { query, after: None, from: 0, sort: wanted.sort.clone() };
        let count = Html::element("span", &[("class", "number")], Html::text(&count.to_string()));
        Html::element("li", &[], Html::link(&narrowed.address("/search", &[]), Html::text(item_type)).then(Html::ours(" ")).then(count))
    };
    let list = Html::element("ul", &[], Html::all(answer.types.iter().map(entry)));
    Html::element("section", &[], Html::element("h3", &[], Html::text(language.words().types)).then(list))
}

/// Orders by the numbers that the first hit has.
fn sorting(wanted: &Wanted, answer: &SearchAnswer, language: Language) -> Html {
    let words = language.words();
    let payload = answer.hits.first().and_then(|hit| serde_json::from_str::<Value>(hit.item.payload.as_str()).ok()).unwrap_or(Value::Null);
    let numbers = payload.as_object().into_iter().flatten().filter(|(_, value)| value.is_number()).map(|(name, _)| name.clone());
    let known = wanted.sort.as_deref().map(|sort| sort.trim_start_matches('-').to_owned());
    let mut names: Vec<String> = known.into_iter().chain(numbers).collect();
    names.dedup();
    names.truncate(8);
    if names.is_empty() || answer.count < 2 {
        return Html::default();
    }
    let by = |sort: Option<String>, text: Html| {
        let sorted = Wanted { sort: sort.clone(), after: None, from: 0, query: wanted.query.clone() };
        if sort == wanted.sort { Html::element("b", &[], text) } else { Html::link(&sorted.address("/search", &[]), text) }
    };
    let entries = names.into_iter().map(|name| {
        let label = Html::text(language.field(&name).unwrap_or(&name));
        let up = by(Some(name.clone()), label.then(Html::ours(" ↑")));
        Html::element("li", &[], up.then(Html::ours(" ")).then(by(Some(format!("-{name}")), Html::ours("↓"))))
    });
    let newest = Html::element("li", &[], by(None, Html::text(words.newest)));
    let list = Html::element("ul", &[], newest.then(Html::all(entries)));
    Html::element("section", &[], Html::element("h3", &[], Html::text(words.sort)).then(list))
}

fn downloads(wanted: &Wanted, language: Language) -> Html {
    let link = |format: &'static str, name: &'static str| {
        Html::element("li", &[], Html::link(&wanted.address("/download", &[("format", format)]), Html::ours(name)))
    };
    let api = Html::element("li", &[], Html::link(&wanted.address("/api/search", &[]), Html::ours("JSON")));
    let list = Html::element("ul", &[], link("csv", "CSV").then(link("jsonl", "JSON lines")).then(api));
    Html::element("section", &[], Html::element("h3", &[], Html::text(language.words().download)).then(list))
}

fn examples(language: Language) -> Html {
    let example = |query: &&str| {
        let wanted = Wanted { query: (*query).to_owned(), from: 0, after: None, sort: None };
        Html::element("li", &[], Html::link(&wanted.address("/search", &[]), Html::element("code", &[], Html::text(query))))
    };
    let list = Html::element("ul", &[("class", "examples")], Html::all(EXAMPLES.iter().map(example)));
    Html::element("section", &[], Html::element("h3", &[], Html::text(language.words().examples)).then(list))
}

fn whole(query: &str, language: Language, contents: Html) -> String {
    let words = language.words();
    let title = if query.is_empty() { words.title.to_owned() } else { format!("{query} – {}", words.title) };
    let input = Html::open(
        "input",
        &[("type", "search"), ("name", "q"), ("value", query), ("placeholder", words.placeholder), ("aria-label", words.search)],
    );
    let button = Html::element("button", &[("type", "submit")], Html::text(words.search));
    let form = Html::element("form", &[("action", "/search"), ("method", "get"), ("role", "search")], input.then(button));
    let home = Html::element("h1", &[], Html::link("/search", Html::text(words.title)));
    let head = Html::ours("<meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
        .then(Html::element("title", &[], Html::text(&title)))
        .then(Html::ours("<link rel=\"stylesheet\" href=\"/style.css\"><link rel=\"icon\" href=\"data:,\">"));
    let body = Html::element("header", &[("class", "top")], home.then(form)).then(contents);
    let page = Html::element("head", &[], head).then(Html::element("body", &[], body));
    Html::ours("<!doctype html>").then(Html::element("html", &[("lang", language.code())], page)).into_string()
}
