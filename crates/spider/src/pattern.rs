//! Regular expressions and selectors, compiled once.

use regex::{Captures, Regex, RegexBuilder};
use scraper::Selector;

use crate::reader::{Entry, Findings, Table};

/// Most bytes of one compiled expression: a few hundred times what extraction needs, and no reason to run out of memory.
const MAX_COMPILED: usize = 2 * 1024 * 1024;

/// A regular expression and the group of it that is wanted.
///
/// Matching takes time linear in the page's size, whatever the page: hostile ones are safe.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    group: usize,
}

impl Pattern {
    /// The expression.
    pub fn regex(&self) -> &Regex {
        &self.regex
    }

    /// The wanted group of the first match; `None` without a match or when the group took no part in it.
    pub fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        self.regex.captures(text).and_then(|captures| self.pick(&captures))
    }

    /// The wanted group of every match, in the order of the text.
    pub fn find_all<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        self.regex.captures_iter(text).filter_map(|captures| self.pick(&captures))
    }

    /// The wanted group of a match.
    pub fn pick<'t>(&self, captures: &Captures<'t>) -> Option<&'t str> {
        captures.get(self.group).map(|group| group.as_str())
    }
}

pub(crate) fn regex(entry: &Entry<'_>, findings: &mut Findings<'_>) -> Option<Regex> {
    let text = entry.string(findings)?;
    match RegexBuilder::new(text).size_limit(MAX_COMPILED).build() {
        Ok(regex) => Some(regex),
        Err(error) => {
            // The crate's message is a drawing of several lines; its last one says what is wrong.
            let drawing = error.to_string();
            let reason = drawing.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            entry.mistake(findings, format!("is no regular expression: {reason}"));
            None
        }
    }
}

/// The expression of an entry. Wanted is the group that `group` says, else the one called `name`, else the first.
pub(crate) fn pattern(entry: &Entry<'_>, group: Option<&Entry<'_>>, name: &str, findings: &mut Findings<'_>) -> Option<Pattern> {
    let regex = regex(entry, findings)?;
    let group = match group {
        Some(group) => group_of(&regex, group, findings)?,
        None => {
            let named = regex.capture_names().position(|group| group == Some(name));
            if named.is_none() && regex.captures_len() < 2 {
                entry.mistake(findings, "has no group: put what is wanted into parentheses, as in `id=([0-9]+)`");
                return None;
            }
            named.unwrap_or(1)
        }
    };
    Some(Pattern { regex, group })
}

/// The number of the group that an entry names, by number or by name.
pub(crate) fn group_of(regex: &Regex, entry: &Entry<'_>, findings: &mut Findings<'_>) -> Option<usize> {
    if entry.is_string() {
        let name = entry.string(findings)?;
        let number = regex.capture_names().position(|group| group == Some(name));
        if number.is_none() {
            entry.mistake(findings, format!("no group of that name in `{regex}`; a named group is written `(?<{name}>…)`"));
        }
        return number;
    }
    let number = entry.integer(findings)?;
    match usize::try_from(number) {
        Ok(number) if number < regex.captures_len() => Some(number),
        _ => {
            entry.mistake(findings, format!("no group {number}: `{regex}` has {}", regex.captures_len() - 1));
            None
        }
    }
}

pub(crate) fn regexes(table: &Table<'_>, key: &str, findings: &mut Findings<'_>) -> Vec<Regex> {
    let Some(entries) = table.get(key).and_then(|entry| entry.array(findings)) else { return Vec::new() };
    entries.iter().filter_map(|entry| regex(entry, findings)).collect()
}

pub(crate) fn selector(entry: &Entry<'_>, findings: &mut Findings<'_>) -> Option<Selector> {
    let text = entry.string(findings)?;
    match Selector::parse(text) {
        Ok(selector) => Some(selector),
        Err(error) => {
            entry.mistake(findings, format!("`{text}` is no CSS selector: {error}"));
            None
        }
    }
}
