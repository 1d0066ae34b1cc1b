//! What has changed in an item, as a part of its page.

use itemsaver::export::rfc3339;
use model::history::{Change, ChangeKind, FieldChange};

use crate::html::Html;
use crate::words::Language;

/// The changes, the newest first; nothing when there are none.
pub(crate) fn past(changes: &[Change], language: Language) -> Html {
    if changes.is_empty() {
        return Html::default();
    }
    let list = Html::all(changes.iter().rev().map(|change| entry(change, language)));
    let title = Html::element("h3", &[], Html::text(language.words().history));
    Html::element("section", &[("class", "past")], title.then(Html::element("ol", &[], list)))
}

/// Why the changes are not shown.
pub(crate) fn unknown(reason: &str, language: Language) -> Html {
    Html::element("p", &[("class", "note")], Html::text(&format!("{}: {reason}", language.words().no_history)))
}

fn entry(change: &Change, language: Language) -> Html {
    let words = language.words();
    let kind = match change.kind {
        ChangeKind::Changed => words.changed,
        ChangeKind::Gone => words.gone,
        ChangeKind::Back => words.back,
        ChangeKind::Unknown => change.kind.word(),
    };
    let time = Html::element("b", &[], Html::text(&rfc3339(change.at_ms)));
    let before = format!("({} {})", words.since, rfc3339(change.before_at_ms));
    let head = time
        .then(Html::text(&format!(" {kind} {} ", change.crawl)))
        .then(Html::outside(change.page.as_str(), Html::text(change.page.as_str())))
        .then(Html::ours(" "))
        .then(Html::element("span", &[("class", "note")], Html::text(&before)));
    let fields = Html::all(change.fields.iter().map(|change| field(change, language)));
    let fields = if fields.is_empty() { fields } else { Html::element("dl", &[("class", "whole")], fields) };
    let further = match change.left_out {
        0 => Html::default(),
        left_out => Html::element("p", &[("class", "note")], Html::text(&format!("{left_out} {}", words.further))),
    };
    Html::element("li", &[], head.then(fields).then(further))
}

fn field(change: &FieldChange, language: Language) -> Html {
    let value = |name: &'static str, value: &Option<String>| match value {
        Some(json) => Html::element(name, &[], Html::text(&shown(json))),
        None => Html::default(),
    };
    let values = if change.large {
        Html::element("span", &[("class", "note")], Html::text(language.words().large))
    } else {
        value("del", &change.before).then(Html::ours(" ")).then(value("ins", &change.after))
    };
    let name = Html::text(language.field(&change.field).unwrap_or(&change.field));
    Html::element("dt", &[], name).then(Html::element("dd", &[], values))
}

/// A text as its characters, anything else as JSON.
fn shown(json: &str) -> String {
    serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned())
}
