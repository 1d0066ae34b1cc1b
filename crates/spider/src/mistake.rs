//! What is wrong in a spider file, and where.

use std::fmt;

/// One mistake (or warning) with its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key as a dotted path such as `parsers.city.links[0].css`; empty for mistakes of the file as a whole.
    pub key: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Mistake {
    /// The mistake behind its line's number, ready to follow `FILE:`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.line)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// All mistakes of a spider file, at least one, in the order of their lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpiderErrors(Vec<Mistake>);

impl SpiderErrors {
    /// `None` when there are no mistakes.
    pub(crate) fn from_found(mut mistakes: Vec<Mistake>) -> Option<SpiderErrors> {
        mistakes.sort();
        mistakes.dedup();
        (!mistakes.is_empty()).then_some(SpiderErrors(mistakes))
    }

    /// The mistakes.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.0
    }

    /// One line per mistake, each beginning with the file's name: `spiders/x.toml:12: parsers.city.links[0].css: …`.
    pub fn in_file<'a>(&'a self, file: &'a str) -> impl fmt::Display + 'a {
        InFile { file, mistakes: &self.0 }
    }
}

impl fmt::Display for SpiderErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, mistake) in self.0.iter().enumerate() {
            write!(f, "{}line {mistake}", if n > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

impl std::error::Error for SpiderErrors {}

struct InFile<'a> {
    file: &'a str,
    mistakes: &'a [Mistake],
}

impl fmt::Display for InFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, mistake) in self.mistakes.iter().enumerate() {
            write!(f, "{}{}:{mistake}", if n > 0 { "\n" } else { "" }, self.file)?;
        }
        Ok(())
    }
}
