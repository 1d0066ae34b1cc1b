//! Dead letters: the URLs and items of a crawl that were given up, with their reasons.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::frontier::{DeadLetter, Frontier, FrontierError, RejectedItem};

/// What was given up, up to a number of each kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetters {
    /// How many URLs were given up for each reason, of all reasons.
    pub urls_by_reason: BTreeMap<String, u64>,
    /// How many items were refused for each reason, of all reasons.
    pub items_by_reason: BTreeMap<String, u64>,
    /// URLs that were given up for the reason asked for.
    pub urls: Vec<DeadLetter>,
    /// Items that were refused for the reason asked for, whole.
    pub items: Vec<RejectedItem>,
    /// How many of either are listed at most.
    pub most: usize,
}

/// The dead letters of a reason, or of any, up to `most` of each kind.
///
/// # Errors
/// When the frontier cannot be read.
pub fn dead_letters(frontier: &dyn Frontier, reason: Option<&str>, most: usize) -> Result<DeadLetters, FrontierError> {
    let ledger = frontier.ledger();
    Ok(DeadLetters {
        urls_by_reason: ledger.dead_by_reason.clone(),
        items_by_reason: ledger.rejected_by_reason.clone(),
        urls: frontier.dead(reason, most)?,
        items: frontier.rejected(reason, most)?,
        most,
    })
}

impl DeadLetters {
    /// The reasons there are, for whoever named another.
    pub fn reasons(&self) -> Vec<&str> {
        let mut reasons: Vec<&str> = self.urls_by_reason.keys().chain(self.items_by_reason.keys()).map(String::as_str).collect();
        reasons.sort_unstable();
        reasons.dedup();
        reasons
    }

    /// One JSON object a line: a URL is `{"url", "reason", …}`, an item `{"page", "item", "reason", …}`.
    ///
    /// # Errors
    /// Never in practice: everything has a JSON form.
    pub fn json_lines(&self) -> serde_json::Result<String> {
        let mut lines = String::new();
        for letter in &self.urls {
            lines.push_str(&serde_json::to_string(letter)?);
            lines.push('\n');
        }
        for item in &self.items {
            lines.push_str(&serde_json::to_string(item)?);
            lines.push('\n');
        }
        Ok(lines)
    }
}

/// For a person: under each reason what was given up for it.
impl fmt::Display for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DeadLetters { urls_by_reason, items_by_reason, urls, items, most } = self;
        let mut listed: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for DeadLetter { url, reason, found_on, last_try } in urls {
            let found = found_on.as_ref().map(|page| format!("  found on {page}")).unwrap_or_default();
            let last = last_try.as_ref().filter(|last| !last.error.starts_with(reason.as_str()));
            let last = last.map(|last| format!("  ({})", last.error)).unwrap_or_default();
            listed.entry(reason).or_default().push(format!("{url}{found}{last}"));
        }
        print(f, "URLs given up", urls_by_reason, &listed, urls.len() == *most)?;
        listed.clear();
        for RejectedItem { page, item, reason, .. } in items {
            listed.entry(reason).or_default().push(format!("{} {} of {page}", item.item_type, item.id));
        }
        print(f, "items rejected", items_by_reason, &listed, items.len() == *most)
    }
}

fn print(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    by_reason: &BTreeMap<String, u64>,
    listed: &BTreeMap<&str, Vec<String>>,
    is_cut: bool,
) -> fmt::Result {
    let total: u64 = by_reason.values().sum();
    writeln!(f, "{total} {what}")?;
    for (reason, lines) in listed {
        let count = by_reason.get(*reason).copied().unwrap_or(lines.len() as u64);
        writeln!(f, "  {count} {reason}")?;
        for line in lines {
            writeln!(f, "    {line}")?;
        }
    }
    for (reason, count) in by_reason.iter().filter(|(reason, _)| !listed.contains_key(reason.as_str())) {
        writeln!(f, "  {count} {reason}")?;
    }
    if is_cut {
        writeln!(f, "  … there may be more: --limit shows them, --reason narrows them down")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use model::CrawlUrl;

    use super::*;
    use crate::request::{Cost, Try};

    #[test]
    fn letters_stand_under_their_reasons_and_reasons_without_are_counted() {
        let url = |text| CrawlUrl::parse(text).unwrap();
        let last_try = Some(Try { at_ms: 1, cost: Cost::Loss, error: "worker :9000 was lost".to_owned() });
        let letter =
            DeadLetter { url: url("http://h/a"), reason: "lost its worker".to_owned(), found_on: Some(url("http://h/")), last_try };
        let letters = DeadLetters {
            urls_by_reason: [("lost its worker".to_owned(), 1), ("redirect loop".to_owned(), 2)].into(),
            items_by_reason: BTreeMap::new(),
            urls: vec![letter],
            items: vec![],
            most: 20,
        };
        let expected = "\
3 URLs given up
  1 lost its worker
    http://h/a  found on http://h/  (worker :9000 was lost)
  2 redirect loop
0 items rejected
";
        assert_eq!(letters.to_string(), expected);
        assert_eq!(letters.reasons(), ["lost its worker", "redirect loop"]);
        assert!(letters.json_lines().unwrap().starts_with("{\"url\":\"http://h/a\",\"reason\":\"lost its worker\","));
    }
}
