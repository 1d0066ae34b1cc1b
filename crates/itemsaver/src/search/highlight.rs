//! Where what was looked for stands in an item, found here and so the same for every store.

use model::PayloadJson;
use model::search::Highlight;
use serde_json::Value;

use super::entries::walk;
use super::query::{Query, Text};
use super::segment::{Token, segment};

/// Most fields shown.
const MAX_HIGHLIGHTS: usize = 3;

/// Longest piece of a text, in characters.
const MAX_TEXT: usize = 160;

/// Characters before the first mark of a text that is cut.
const BEFORE: usize = 40;

/// The pieces of a payload that answer a query.
pub(crate) fn highlights(query: &Query, payload: &PayloadJson) -> Vec<Highlight> {
    let texts = query.texts();
    let mut found = Vec::new();
    if texts.is_empty() {
        return found;
    }
    let Ok(payload) = serde_json::from_str::<Value>(payload.as_str()) else { return found };
    walk("", &payload, &mut |name, value| {
        let Value::String(text) = value else { return };
        if found.len() >= MAX_HIGHLIGHTS {
            return;
        }
        let tokens = segment(text);
        let of_field = texts.iter().filter(|text| text.field.as_ref().is_none_or(|field| field.name.to_lowercase() == name.to_lowercase()));
        let marks = merged(of_field.flat_map(|text| places(text, &tokens)).collect());
        if let Some((first, _)) = marks.first() {
            found.push(piece(name, text, *first, &marks));
        }
    });
    found
}

/// Where a text stands among words.
fn places(text: &Text, tokens: &[Token]) -> Vec<(usize, usize)> {
    let is_word = |word: &str, token: &Token| token.text == word || (text.is_prefix && token.text.starts_with(word));
    let windows = tokens.windows(text.words.len());
    let found = windows.filter(|window| text.words.iter().zip(*window).all(|(word, token)| is_word(word, token)));
    found
        .filter_map(|window| {
            let (first, last) = (window.first()?, window.last()?);
            Some((first.start, if text.is_prefix { first.start + text.words[0].chars().count() } else { last.end }))
        })
        .collect()
}

fn merged(mut marks: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    marks.sort_unstable();
    let mut merged: Vec<(usize, usize)> = Vec::new();
    for (start, end) in marks {
        match merged.last_mut().filter(|last| last.1 >= start) {
            Some(last) => last.1 = last.1.max(end),
            None => merged.push((start, end)),
        }
    }
    merged
}

fn piece(name: &str, text: &str, first: usize, marks: &[(usize, usize)]) -> Highlight {
    let start = if text.chars().nth(MAX_TEXT).is_none() { 0 } else { first.saturating_sub(BEFORE) };
    let shown: String = text.chars().skip(start).take(MAX_TEXT).collect();
    let length = shown.chars().count();
    let inside = marks.iter().map(|(from, to)| (from.saturating_sub(start), to.saturating_sub(start).min(length)));
    Highlight { field: name.to_owned(), marks: inside.filter(|(from, to)| from < to).collect(), text: shown }
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;

    fn marked(query: &str, payload: &str) -> Vec<String> {
        let payload = PayloadJson::parse(payload.to_owned()).unwrap();
        let show = |highlight: Highlight| {
            let chars: Vec<char> = highlight.text.chars().collect();
            let marks = highlight.marks.iter().map(|(from, to)| chars[*from..*to].iter().collect::<String>());
            format!("{}: {}", highlight.field, marks.collect::<Vec<_>>().join("|"))
        };
        highlights(&parse(query).unwrap(), &payload).into_iter().map(show).collect()
    }

    #[test]
    fn what_was_looked_for_is_marked() {
        let payload = r#"{"Name":"安静的安静","House":"已购房","Job":"Software Engineer, engineer","Age":30}"#;
        assert_eq!(marked("安静", payload), ["Name: 安静|安静"]);
        assert_eq!(marked("已购房 engineer", payload), ["House: 已购房", "Job: Engineer|engineer"]);
        assert_eq!(marked("房", payload), ["House: 房"]);
        assert_eq!(marked("\"software engineer\" NOT x", payload), ["Job: Software Engineer"]);
        assert_eq!(marked("House:engineer OR Age:30", payload), [""; 0]);
    }

    #[test]
    fn long_texts_are_shown_around_the_first_mark() {
        let payload = format!("{{\"text\":\"{}needle {}\"}}", "x ".repeat(200), "y ".repeat(200));
        let found = highlights(&parse("needle").unwrap(), &PayloadJson::parse(payload).unwrap());
        assert_eq!((found[0].text.chars().count(), &found[0].marks[..]), (MAX_TEXT, &[(40, 46)][..]));
    }
}
