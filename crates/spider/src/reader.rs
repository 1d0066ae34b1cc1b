//! Reading the parsed TOML while collecting mistakes: every accessor says what is wrong itself and returns `None` for it.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::mistake::Mistake;
use crate::place::line_and_column;
use crate::suggest;

/// Collects what is wrong.
pub(crate) struct Findings<'t> {
    text: &'t str,
    pub(crate) mistakes: Vec<Mistake>,
    pub(crate) warnings: Vec<Mistake>,
}

impl<'t> Findings<'t> {
    pub(crate) fn new(text: &'t str) -> Findings<'t> {
        Findings { text, mistakes: Vec::new(), warnings: Vec::new() }
    }

    fn place(&self, span: &Range<usize>, key: &str, message: String) -> Mistake {
        let (line, column) = line_and_column(self.text, span.start);
        Mistake { line, column, key: key.to_owned(), message }
    }

    pub(crate) fn mistake(&mut self, span: &Range<usize>, key: &str, message: impl Into<String>) {
        let mistake = self.place(span, key, message.into());
        self.mistakes.push(mistake);
    }

    pub(crate) fn warning(&mut self, span: &Range<usize>, key: &str, message: impl Into<String>) {
        let warning = self.place(span, key, message.into());
        self.warnings.push(warning);
    }
}

/// A value with its place and its dotted path.
#[derive(Clone)]
pub(crate) struct Entry<'a> {
    value: &'a Spanned<DeValue<'a>>,
    pub(crate) path: String,
}

/// A table with its place and its dotted path.
#[derive(Clone)]
pub(crate) struct Table<'a> {
    table: &'a DeTable<'a>,
    pub(crate) path: String,
    pub(crate) span: Range<usize>,
}

impl<'a> Table<'a> {
    pub(crate) fn root(root: &'a Spanned<DeTable<'a>>) -> Table<'a> {
        Table { table: root.get_ref(), path: String::new(), span: root.span() }
    }

    /// Says which keys are none of these.
    pub(crate) fn only(&self, known: &[&str], findings: &mut Findings<'_>) {
        for key in self.table.keys() {
            if !known.contains(&key.get_ref().as_ref()) {
                let message = format!("unknown key; {}", suggest::hint(key.get_ref(), known.iter().copied()));
                findings.mistake(&key.span(), &join(&self.path, key.get_ref()), message);
            }
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<Entry<'a>> {
        let value = self.table.get(key)?;
        Some(Entry { value, path: join(&self.path, key) })
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// Keys with their places, and values, in the order of the file.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a str, Range<usize>, Entry<'a>)> {
        self.table.iter().map(|(key, value)| {
            let entry = Entry { value, path: join(&self.path, key.get_ref()) };
            (key.get_ref().as_ref(), key.span(), entry)
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The value of a key that must be there.
    pub(crate) fn required(&self, key: &str, what: &str, findings: &mut Findings<'_>) -> Option<Entry<'a>> {
        let entry = self.get(key);
        if entry.is_none() {
            findings.mistake(&self.span, &join(&self.path, key), format!("is missing: {what}"));
        }
        entry
    }
}

impl<'a> Entry<'a> {
    pub(crate) fn span(&self) -> Range<usize> {
        self.value.span()
    }

    pub(crate) fn mistake(&self, findings: &mut Findings<'_>, message: impl Into<String>) {
        findings.mistake(&self.span(), &self.path, message);
    }

    fn wrong_type(&self, findings: &mut Findings<'_>, expected: &str) {
        self.mistake(findings, format!("is a TOML {}, expected {expected}", self.value.get_ref().type_str()));
    }

    pub(crate) fn is_string(&self) -> bool {
        self.value.get_ref().is_str()
    }

    pub(crate) fn is_array(&self) -> bool {
        self.value.get_ref().is_array()
    }

    /// A string that is not empty.
    pub(crate) fn string(&self, findings: &mut Findings<'_>) -> Option<&'a str> {
        match self.value.get_ref().as_str() {
            Some("") => {
                self.mistake(findings, "is empty");
                None
            }
            Some(text) => Some(text),
            None => {
                self.wrong_type(findings, "a string");
                None
            }
        }
    }

    /// A string, a number or a boolean, as text. May be empty.
    pub(crate) fn scalar(&self, findings: &mut Findings<'_>) -> Option<String> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(number) => Some(number.to_string()),
            DeValue::Float(number) => Some(number.to_string()),
            DeValue::Boolean(flag) => Some(flag.to_string()),
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                self.wrong_type(findings, "a string, a number or true or false");
                None
            }
        }
    }

    pub(crate) fn boolean(&self, findings: &mut Findings<'_>) -> Option<bool> {
        let flag = self.value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_type(findings, "true or false");
        }
        flag
    }

    pub(crate) fn integer(&self, findings: &mut Findings<'_>) -> Option<i64> {
        match self.value.get_ref() {
            DeValue::Integer(number) => {
                let parsed = i64::from_str_radix(number.as_str(), number.radix()).ok();
                if parsed.is_none() {
                    self.mistake(findings, "does not fit 64 bits");
                }
                parsed
            }
            _ => {
                self.wrong_type(findings, "an integer");
                None
            }
        }
    }

    pub(crate) fn float(&self, findings: &mut Findings<'_>) -> Option<f64> {
        match self.value.get_ref() {
            DeValue::Float(number) => {
                let parsed = number.as_str().parse().ok().filter(|number: &f64| number.is_finite());
                if parsed.is_none() {
                    self.mistake(findings, "must be a finite number");
                }
                parsed
            }
            DeValue::Integer(_) => self.integer(findings).map(|number| number as f64),
            _ => {
                self.wrong_type(findings, "a number");
                None
            }
        }
    }

    pub(crate) fn table(&self, findings: &mut Findings<'_>) -> Option<Table<'a>> {
        self.table_or("a table", findings)
    }

    /// A table where something shorter could stand too.
    pub(crate) fn table_or(&self, expected: &str, findings: &mut Findings<'_>) -> Option<Table<'a>> {
        match self.value.get_ref().as_table() {
            Some(table) => Some(Table { table, path: self.path.clone(), span: self.span() }),
            None => {
                self.wrong_type(findings, expected);
                None
            }
        }
    }

    /// The elements of an array, each with its index in its path.
    pub(crate) fn array(&self, findings: &mut Findings<'_>) -> Option<Vec<Entry<'a>>> {
        match self.value.get_ref().as_array() {
            Some(array) => {
                let entry = |(n, value)| Entry { value, path: format!("{}[{n}]", self.path) };
                Some(array.iter().enumerate().map(entry).collect())
            }
            None => {
                self.wrong_type(findings, "an array");
                None
            }
        }
    }
}

/// A path and a key, quoted where TOML would need it.
pub(crate) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let dot = if path.is_empty() { "" } else { "." };
    if bare { format!("{path}{dot}{key}") } else { format!("{path}{dot}{key:?}") }
}
