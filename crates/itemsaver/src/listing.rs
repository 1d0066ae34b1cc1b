//! Items and counts as a person reads them.

use std::fmt::Write as _;

use model::save::StoreStats;

use crate::store::StoredItem;

/// Longest cell of a listing, in characters; longer ones end with an ellipsis. The payload, last in its line, has more.
const CELL: usize = 48;
const PAYLOAD: usize = 120;

/// A table of items with headings, a line each.
pub fn items_table(items: &[StoredItem]) -> String {
    let rows = items.iter().map(|StoredItem { item, .. }| {
        let cells =
            [(item.item_type.as_str(), CELL), (item.id.as_str(), CELL), (item.url.as_str(), CELL), (item.payload.as_str(), PAYLOAD)];
        cells.map(|(text, most)| cut(text, most))
    });
    table(["TYPE", "ID", "URL", "PAYLOAD"], rows)
}

/// A table of counts by type and their sum.
pub fn counts_table(stats: &StoreStats) -> String {
    let counts = stats.items_by_type.iter().map(|(item_type, count)| [cut(item_type, CELL), count.to_string()]);
    table(["TYPE", "ITEMS"], counts.chain([["all".to_owned(), stats.items().to_string()]]))
}

fn table<const N: usize>(headings: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = [headings.map(str::to_owned)].into_iter().chain(rows).collect();
    let widths: [usize; N] = std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default());
    let mut table = String::new();
    for row in &rows {
        let (last, cells) = row.split_last().expect("a table has columns");
        for (cell, width) in cells.iter().zip(widths) {
            write!(table, "{cell:width$}  ").expect("a string takes all that is written to it");
        }
        table.push_str(last);
        table.push('\n');
    }
    table
}

/// A text on one line, without what would steer a terminal.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    if text.chars().nth(most).is_none() {
        return text.chars().map(shown).collect();
    }
    text.chars().take(most - 1).map(shown).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::item::Source;
    use model::{CrawlName, CrawlUrl};

    #[test]
    fn items_are_lines_with_aligned_columns_and_nothing_steers_the_terminal() {
        let stored = |id: &str, payload: &str| StoredItem {
            item: serde_json::from_value(serde_json::json!({"url": "http://h/", "type": "t", "id": id, "payload": payload})).unwrap(),
            source: Source {
                crawl: CrawlName::new("c").unwrap(),
                page: CrawlUrl::parse("http://h/").unwrap(),
                fetched_at_ms: 0,
                version: 0,
                spider: None,
            },
        };
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(200));
        let table = items_table(&[stored("1\u{1b}[2J", "{}"), stored("22", &long)]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "TYPE  ID     URL        PAYLOAD");
        assert_eq!(lines[1], "t     1 [2J  http://h/  {}");
        assert_eq!(lines[2], format!("t     22     http://h/  {{\"a\":\"{}…", "x".repeat(113)));
    }

    #[test]
    fn counts_have_their_sum() {
        let stats = StoreStats { store: "s".into(), items_by_type: vec![("car".into(), 2), ("zhenai".into(), 10)] };
        assert_eq!(counts_table(&stats), "TYPE    ITEMS\ncar     2\nzhenai  10\nall     12\n");
    }
}
