//! Item after item, as lines or rows.

use std::collections::HashMap;
use std::io::{self, Write};

use model::Item;
use model::item::Source;

use super::columns::CsvColumns;
use super::flatten::flatten;
use super::instant::rfc3339;

/// Writes items to `W`, each whole with one call of [`Write::write_all`]. It buffers nothing: give it a [`std::io::BufWriter`].
#[derive(Debug)]
pub struct ItemWriter<W> {
    out: W,
    shape: Shape,
    line: Vec<u8>,
    left_out: u64,
}

#[derive(Debug)]
enum Shape {
    Jsonl,
    Csv { places: HashMap<String, usize>, extra: bool },
}

/// Whether a table begins with its headings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// It does.
    Write,
    /// They are there already: the output is continued.
    AlreadyThere,
}

impl<W: Write> ItemWriter<W> {
    /// Writes one JSON object a line.
    pub fn jsonl(out: W) -> ItemWriter<W> {
        ItemWriter { out, shape: Shape::Jsonl, line: Vec::new(), left_out: 0 }
    }

    /// Writes rows with these columns, after a row of headings if wanted.
    ///
    /// # Errors
    /// Those of the output.
    pub fn csv(out: W, columns: CsvColumns, header: Header) -> io::Result<ItemWriter<W>> {
        let shape = Shape::Csv { places: columns.places(), extra: columns.has_extra() };
        let mut writer = ItemWriter { out, shape, line: Vec::new(), left_out: 0 };
        if header == Header::Write {
            csv_line(&mut writer.line, &columns.headings())?;
            writer.out.write_all(&writer.line)?;
        }
        Ok(writer)
    }

    /// Writes one item.
    ///
    /// # Errors
    /// Those of the output; how much of the line was written is then unknown.
    pub fn write(&mut self, item: &Item, source: &Source) -> io::Result<()> {
        self.line.clear();
        match &self.shape {
            Shape::Jsonl => jsonl_line(&mut self.line, item, source)?,
            Shape::Csv { places, extra } => {
                let (row, left_out) = row(places, *extra, item, source);
                self.left_out += left_out;
                csv_line(&mut self.line, &row)?;
            }
        }
        self.out.write_all(&self.line)
    }

    /// Flushes the output.
    ///
    /// # Errors
    /// Those of the output.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Values that had no column, in a table without a column `extra`.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The output, such as to sync it or to ask its length.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// Gives the output back, unflushed.
    #[cfg(test)]
    fn into_inner(self) -> W {
        self.out
    }
}

fn jsonl_line(line: &mut Vec<u8>, item: &Item, source: &Source) -> io::Result<()> {
    let Source { crawl, page, fetched_at_ms, version, spider } = source;
    line.extend_from_slice(b"{\"url\":");
    serde_json::to_writer(&mut *line, &item.url)?;
    line.extend_from_slice(b",\"type\":");
    serde_json::to_writer(&mut *line, &item.item_type)?;
    line.extend_from_slice(b",\"id\":");
    serde_json::to_writer(&mut *line, &item.id)?;
    line.extend_from_slice(b",\"payload\":");
    // In JSON text a line break stands between tokens only: within a string it is written as an escape.
    line.extend(item.payload.as_str().bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
    line.extend_from_slice(b",\"source\":{\"crawl\":");
    serde_json::to_writer(&mut *line, crawl)?;
    line.extend_from_slice(b",\"page\":");
    serde_json::to_writer(&mut *line, page)?;
    write!(line, ",\"fetched_at\":\"{}\",\"version\":{version},\"spider\":", rfc3339(*fetched_at_ms))?;
    serde_json::to_writer(&mut *line, spider)?;
    line.extend_from_slice(b"}}\n");
    Ok(())
}

/// An item's cells, and how many of its values found no place.
fn row(places: &HashMap<String, usize>, extra: bool, item: &Item, source: &Source) -> (Vec<String>, u64) {
    let mut payload = vec![String::new(); places.len()];
    let mut others = Vec::new();
    let mut left_out = 0;
    flatten(&item.payload, |name, leaf| match places.get(name) {
        Some(place) => payload[*place] = leaf.cell(),
        None if extra => others.push(format!("{}:{}", serde_json::Value::from(name), leaf.json())),
        None => left_out += 1,
    });
    let mut row = vec![item.url.to_string(), item.item_type.clone(), item.id.to_string()];
    row.append(&mut payload);
    let spider = source.spider.as_ref().map(ToString::to_string).unwrap_or_default();
    let (fetched_at, version) = (rfc3339(source.fetched_at_ms), source.version.to_string());
    row.extend([source.crawl.to_string(), source.page.to_string(), fetched_at, version, spider]);
    if extra {
        row.push(if others.is_empty() { String::new() } else { format!("{{{}}}", others.join(",")) });
    }
    (row, left_out)
}

fn csv_line(line: &mut Vec<u8>, cells: &[String]) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().buffer_capacity(1024).from_writer(line);
    writer.write_record(cells).map_err(io::Error::from)?;
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoredItem;
    use model::schema::{FieldKind, FieldSchema, TypeSchema};
    use model::{CrawlName, CrawlUrl, SpiderHash};

    fn stored(payload: &str, spider: bool) -> StoredItem {
        let item = serde_json::json!({"url": "http://h/1", "type": "t", "id": "a,\"b\"", "payload": payload});
        let source = Source {
            crawl: CrawlName::new("c").unwrap(),
            page: CrawlUrl::parse("http://h/a").unwrap(),
            fetched_at_ms: 1_709_164_800_001,
            version: 7,
            spider: spider.then(|| SpiderHash::of(b"")),
        };
        StoredItem { item: serde_json::from_value(item).unwrap(), source }
    }

    fn written(mut writer: ItemWriter<Vec<u8>>, items: &[StoredItem]) -> String {
        for stored in items {
            writer.write(&stored.item, &stored.source).unwrap();
        }
        String::from_utf8(writer.into_inner()).unwrap()
    }

    fn columns() -> CsvColumns {
        let field = |name: &str| FieldSchema { name: name.to_owned(), kind: FieldKind::Text };
        CsvColumns::of_schemas(&[TypeSchema { item_type: "t".into(), fields: vec![field("b"), field("a")] }])
    }

    #[test]
    fn a_line_is_one_object_with_its_keys_in_order() {
        let items = [stored("{\"b\":1.50,\n \"a\":18446744073709551616}", true), stored("{}", false)];
        assert_eq!(
            written(ItemWriter::jsonl(Vec::new()), &items),
            concat!(
                r#"{"url":"http://h/1","type":"t","id":"a,\"b\"","payload":{"b":1.50,  "a":18446744073709551616},"#,
                r#""source":{"crawl":"c","page":"http://h/a","fetched_at":"2024-02-29T00:00:00.001Z","version":7,"#,
                r#""spider":"99aa06d3014798d86001c324468d497f"}}"#,
                "\n",
                r#"{"url":"http://h/1","type":"t","id":"a,\"b\"","payload":{},"#,
                r#""source":{"crawl":"c","page":"http://h/a","fetched_at":"2024-02-29T00:00:00.001Z","version":7,"#,
                r#""spider":null}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_row_has_the_columns_of_the_schemas_and_the_rest_in_extra() {
        let items = [stored(r#"{"a":"x\ny","c":{"d":[1,"2"]},"b":null,"e":"f"}"#, true), stored("{}", false)];
        assert_eq!(
            written(ItemWriter::csv(Vec::new(), columns(), Header::Write).unwrap(), &items),
            concat!(
                "url,type,id,b,a,source.crawl,source.page,source.fetched_at,source.version,source.spider,extra\n",
                "http://h/1,t,\"a,\"\"b\"\"\",,\"x\ny\",c,http://h/a,2024-02-29T00:00:00.001Z,7,99aa06d3014798d86001c324468d497f,",
                "\"{\"\"c.d\"\":[1,\"\"2\"\"],\"\"e\"\":\"\"f\"\"}\"\n",
                "http://h/1,t,\"a,\"\"b\"\"\",,,c,http://h/a,2024-02-29T00:00:00.001Z,7,,\n"
            )
        );
    }

    #[test]
    fn a_continued_table_has_no_second_header_and_counts_what_it_leaves_out() {
        let mut writer = ItemWriter::csv(Vec::new(), CsvColumns::complete(&[]), Header::AlreadyThere).unwrap();
        let StoredItem { item, source } = stored(r#"{"a":1,"b":2}"#, false);
        writer.write(&item, &source).unwrap();
        assert_eq!(writer.left_out(), 2);
        assert!(writer.into_inner().starts_with(b"http://h/1,t,"));
    }
}
