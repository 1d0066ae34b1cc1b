//! Both scans for `benches/scan.rs`, which measures and compares them.

use super::{scan, scan_tokens};
use crate::parse::Allowance;

/// How many links the scan finds that parsers use.
pub fn links(page: &str) -> usize {
    scan(page, &Allowance::default()).map_or(0, |found| found.links.len())
}

/// The same by html5ever's tokenizer.
pub fn links_of_tokens(page: &str) -> usize {
    scan_tokens(page, &Allowance::default()).map_or(0, |found| found.links.len())
}

/// Whether both find the same, in every field.
pub fn agree(page: &str) -> bool {
    scan(page, &Allowance::default()) == scan_tokens(page, &Allowance::default())
}
