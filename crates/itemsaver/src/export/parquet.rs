//! Items as a Parquet file: columns with types, row group after row group.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use model::Item;
use model::item::Source;
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};

use super::columns::{AFTER, BEFORE};
use super::flatten::flatten;
use super::group::{GroupBounds, RowGroup};
use super::kind::{ColumnKind, Value};
use super::typed::TypedColumns;

/// A row group is what has to be in memory at once: as values until it is full, then a column at a time, encoded, beside what is left of
/// them. 32 MiB keep an export under 100 MB, and give a reader blocks that are large beside what the footer says about them. A reader
/// hands whole groups to its threads, which is why small rows are not collected without end either: 262,144 of them.
const BOUNDS: GroupBounds = GroupBounds { bytes: 32 * 1024 * 1024, rows: 262_144 };

/// Writes items to `W` as rows of a Parquet file.
///
/// The columns are `url`, `type` and `id` (text), those of the payload, then `source.crawl` and `source.page` (text), `source.fetched_at`
/// (a timestamp in UTC, of milliseconds), `source.version` (64 bits without sign) and `source.spider` (text, which may be missing). Payload
/// columns are optional: what an item does not have is null, and so is `null`. Lists are lists of text.
///
/// Nothing of a row is written before its group is full, and without [`ParquetWriter::finish`] what was written is no Parquet file. What
/// grows with the output is what the footer will say: about 600 bytes for each column of a group.
#[derive(Debug)]
pub struct ParquetWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    group: RowGroup,
    /// Where each payload field goes, and what it holds there.
    places: HashMap<String, (usize, ColumnKind)>,
    left_out: u64,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// Begins a file with these columns.
    ///
    /// # Errors
    /// Those of the output.
    pub fn new(out: W, columns: &TypedColumns) -> io::Result<ParquetWriter<W>> {
        ParquetWriter::bounded(out, columns, BOUNDS)
    }

    fn bounded(out: W, columns: &TypedColumns, bounds: GroupBounds) -> io::Result<ParquetWriter<W>> {
        let payload = columns.payload();
        let kinds: Vec<ColumnKind> = payload.iter().map(|(_, kind)| *kind).collect();
        let places = columns.places().into_iter().map(|(name, place)| (name, (BEFORE.len() + place, kinds[place]))).collect();
        let before = [ColumnKind::Text; BEFORE.len()];
        let after: [ColumnKind; AFTER.len()] =
            [ColumnKind::Text, ColumnKind::Text, ColumnKind::Integer, ColumnKind::Integer, ColumnKind::Text];
        let group = RowGroup::new(bounds, &[&before, kinds.as_slice(), &after].concat());
        let file = schema(payload).and_then(|schema| SerializedFileWriter::new(out, schema, Arc::new(properties())));
        Ok(ParquetWriter { file: file.map_err(io_error)?, group, places, left_out: 0 })
    }

    /// Adds a row for an item.
    ///
    /// # Errors
    /// Those of the output.
    pub fn write(&mut self, item: &Item, source: &Source) -> io::Result<()> {
        let Source { crawl, page, fetched_at_ms, version, spider } = source;
        let mut payload = HashMap::new();
        flatten(&item.payload, |name, leaf| match self.places.get(name) {
            // Of two fields with one name the later one is in the cell, as in CSV.
            Some((place, kind)) => drop(payload.insert(*place, (*kind, leaf))),
            None => self.left_out += 1,
        });
        let text = |text: &str| Value::Text(text.to_owned());
        for (column, value) in [item.url.as_str(), item.item_type.as_str(), item.id.as_str()].into_iter().enumerate() {
            self.group.put(column, text(value));
        }
        for (place, (kind, leaf)) in payload.into_iter().filter(|(_, (_, leaf))| !leaf.is_null()) {
            match kind.read(leaf) {
                Some(value) => self.group.put(place, value),
                None => self.left_out += 1,
            }
        }
        // Milliseconds past the year 292 million are its last one.
        let fetched_at = i64::try_from(*fetched_at_ms).unwrap_or(i64::MAX);
        let after = [text(crawl.as_str()), text(page.as_str()), Value::Integer(fetched_at), Value::Integer(version.cast_signed())];
        let spider = spider.as_ref().map(|spider| Value::Text(spider.to_string()));
        for (column, value) in (BEFORE.len() + self.places.len()..).zip(after.into_iter().chain(spider)) {
            self.group.put(column, value);
        }
        if self.group.end_row() { self.group.write(&mut self.file).map_err(io_error) } else { Ok(()) }
    }

    /// Writes what is left and the footer, flushes the output, and answers how many values were left out: those that had no column or did
    /// not fit into it, since they were not among what [`TypedColumns::find`] was shown.
    ///
    /// # Errors
    /// Those of the output.
    pub fn finish(mut self) -> io::Result<u64> {
        self.group.write(&mut self.file).map_err(io_error)?;
        self.file.close().map_err(io_error)?;
        Ok(self.left_out)
    }
}

/// How the file is written. Every reader of today knows zstd, which makes of text seven tenths of what snappy makes of it, and it is in this
/// program already, for HTTP. Each column of a group has its least and greatest value; an index of the pages within would grow with the file
/// too, and stay in memory until the end.
fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .build()
}

fn schema(payload: Vec<(String, ColumnKind)>) -> Result<TypePtr> {
    let mut fields = Vec::with_capacity(BEFORE.len() + payload.len() + AFTER.len());
    for name in BEFORE {
        fields.push(field(name, ColumnKind::Text, Repetition::REQUIRED)?);
    }
    for (name, kind) in payload {
        fields.push(field(&name, kind, Repetition::OPTIONAL)?);
    }
    let [crawl, page, fetched_at, version, spider] = AFTER;
    fields.push(field(crawl, ColumnKind::Text, Repetition::REQUIRED)?);
    fields.push(field(page, ColumnKind::Text, Repetition::REQUIRED)?);
    fields.push(primitive(fetched_at, Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS)), Repetition::REQUIRED)?);
    fields.push(primitive(version, Physical::INT64, Some(LogicalType::integer(64, false)), Repetition::REQUIRED)?);
    fields.push(field(spider, ColumnKind::Text, Repetition::OPTIONAL)?);
    Ok(Arc::new(Type::group_type_builder("items").with_fields(fields).build()?))
}

fn field(name: &str, kind: ColumnKind, repetition: Repetition) -> Result<TypePtr> {
    match kind {
        ColumnKind::Text => primitive(name, Physical::BYTE_ARRAY, Some(LogicalType::String), repetition),
        ColumnKind::Integer => primitive(name, Physical::INT64, None, repetition),
        ColumnKind::Float => primitive(name, Physical::DOUBLE, None, repetition),
        ColumnKind::Bool => primitive(name, Physical::BOOLEAN, None, repetition),
        ColumnKind::TextList => {
            // The three levels and their names are those of the format's rule for lists.
            let element = field("element", ColumnKind::Text, Repetition::REQUIRED)?;
            let list = Type::group_type_builder("list").with_repetition(Repetition::REPEATED).with_fields(vec![element]).build()?;
            let outer = Type::group_type_builder(name).with_repetition(repetition).with_logical_type(Some(LogicalType::List));
            Ok(Arc::new(outer.with_fields(vec![Arc::new(list)]).build()?))
        }
    }
}

fn primitive(name: &str, physical: Physical, logical: Option<LogicalType>, repetition: Repetition) -> Result<TypePtr> {
    let builder = Type::primitive_type_builder(name, physical).with_logical_type(logical).with_repetition(repetition);
    Ok(Arc::new(builder.build()?))
}

/// The output's own error, such as that its reader has left, out of the one around it.
fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => source.downcast().map_or_else(io::Error::other, |error| *error),
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests;
