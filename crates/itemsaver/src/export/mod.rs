//! Items as files: one JSON object a line, CSV, or Parquet.
//!
//! [`ItemWriter`] and [`ParquetWriter`] write item after item, for whoever has them; [`export`] writes a whole store.
//!
//! # JSON lines
//!
//! `{"url":…,"type":…,"id":…,"payload":{…},"source":{"crawl":…,"page":…,"fetched_at":…,"version":…,"spider":…}}`, always with these
//! keys in this order. The payload is what the parser made, byte for byte, but for line breaks between its tokens, which become spaces.
//! `fetched_at` is RFC 3339 in UTC with milliseconds; `spider` is `null` when no spider read the page.
//!
//! # CSV
//!
//! A header, then `url,type,id`, the payload's columns, `source.crawl,source.page,source.fetched_at,source.version,source.spider`; see
//! [`CsvColumns`] for which columns and [`flatten`] for what is in a cell.
//!
//! # Parquet
//!
//! The columns of CSV with the types that the schemas tell; see [`TypedColumns`] for which type a column has and [`ParquetWriter`] for how
//! the file is made.

use std::io::{self, Write};

use model::schema::TypeSchema;
use thiserror::Error;

use crate::search::ItemQuery;
use crate::store::{Cursor, ItemFilter, Store, StoreError, StoredItem};

mod columns;
mod file;
mod flatten;
mod group;
mod instant;
mod kind;
mod parquet;
mod typed;
mod writer;

pub use columns::{CsvColumns, MAX_COLUMNS};
pub use file::OutputFile;
pub(crate) use flatten::Fields;
pub use flatten::{Leaf, MAX_NESTING, flatten};
pub use instant::{milliseconds, rfc3339};
pub use kind::ColumnKind;
pub use parquet::ParquetWriter;
pub use typed::{TypedColumns, Widened};
pub use writer::{Header, ItemWriter};

/// How items are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
    /// A Parquet file.
    Parquet,
}

/// Why an export is not complete.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output could not be written.
    #[error("cannot write {output}: {source}")]
    Write {
        /// What was written to.
        output: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The payloads have too many different fields for a table.
    #[error("the payloads have more than {MAX_COLUMNS} different fields: too many for a table, export as jsonl or one --type at a time")]
    TooManyColumns,
}

/// What an export wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Items written.
    pub items: u64,
    /// Values left out because their field came into the store after the columns were set, or because they came and did not fit: export
    /// again to have them. Always 0 for JSON lines, and for a store that nobody writes to.
    pub left_out: u64,
    /// Columns of a Parquet file that do not have the type told.
    pub widened: Vec<Widened>,
}

/// Writes all items that a filter lets pass and a query, if any, finds, in byte order of type, then id, in memory that does not grow with
/// the store, but for the footer of a Parquet file.
///
/// CSV and Parquet read the store twice: the first time for the columns. The output is flushed.
///
/// # Errors
/// [`ExportError`]; what was written until then stays written. `output` names it in the error.
pub async fn export(
    store: &impl Store,
    filter: &ItemFilter,
    query: Option<&ItemQuery>,
    format: ExportFormat,
    out: impl Write + Send,
    output: &str,
) -> Result<Exported, ExportError> {
    let write_error = |source| ExportError::Write { output: output.to_owned(), source };
    let mut widened = Vec::new();
    let mut writer = match format {
        ExportFormat::Jsonl => Rows::Plain(ItemWriter::jsonl(out)),
        ExportFormat::Csv => {
            let columns = csv_columns(store, filter, query).await?;
            Rows::Plain(ItemWriter::csv(out, columns, Header::Write).map_err(write_error)?)
        }
        ExportFormat::Parquet => {
            let columns = typed_columns(store, filter, query).await?;
            widened = columns.widened();
            Rows::Grouped(Box::new(ParquetWriter::new(out, &columns).map_err(write_error)?))
        }
    };
    let mut items = 0;
    each_chunk(store, filter, query, |chunk| {
        items += chunk.len() as u64;
        chunk.iter().try_for_each(|stored| writer.write(stored)).map_err(write_error)
    })
    .await?;
    let left_out = writer.finish().map_err(write_error)?;
    Ok(Exported { items, left_out, widened })
}

/// Writes rows as they come, or collects them in groups.
enum Rows<W: Write + Send> {
    Plain(ItemWriter<W>),
    Grouped(Box<ParquetWriter<W>>),
}

impl<W: Write + Send> Rows<W> {
    fn write(&mut self, stored: &StoredItem) -> io::Result<()> {
        match self {
            Rows::Plain(writer) => writer.write(&stored.item, &stored.source),
            Rows::Grouped(writer) => writer.write(&stored.item, &stored.source),
        }
    }

    /// Writes what is left, and answers how many values were left out.
    fn finish(self) -> io::Result<u64> {
        match self {
            Rows::Plain(mut writer) => writer.flush().map(|()| writer.left_out()),
            Rows::Grouped(writer) => writer.finish(),
        }
    }
}

/// The columns of all schemas that concern the wanted items, and those of further fields found in the payloads.
async fn csv_columns(store: &impl Store, filter: &ItemFilter, query: Option<&ItemQuery>) -> Result<CsvColumns, ExportError> {
    let mut columns = CsvColumns::complete(&schemas(store, filter).await?);
    each_chunk(store, filter, query, |chunk| {
        chunk.iter().for_each(|stored| columns.find(&stored.item.payload));
        if columns.len() > MAX_COLUMNS { Err(ExportError::TooManyColumns) } else { Ok(()) }
    })
    .await?;
    Ok(columns)
}

/// The same with their types.
async fn typed_columns(store: &impl Store, filter: &ItemFilter, query: Option<&ItemQuery>) -> Result<TypedColumns, ExportError> {
    let mut columns = TypedColumns::of(&schemas(store, filter).await?);
    each_chunk(store, filter, query, |chunk| {
        chunk.iter().for_each(|stored| columns.find(&stored.item));
        if columns.len() > MAX_COLUMNS { Err(ExportError::TooManyColumns) } else { Ok(()) }
    })
    .await?;
    Ok(columns)
}

/// The schemas of the wanted types.
async fn schemas(store: &impl Store, filter: &ItemFilter) -> Result<Vec<TypeSchema>, ExportError> {
    let mut schemas = store.schemas().await?;
    schemas.retain(|schema| filter.item_type.as_ref().is_none_or(|wanted| *wanted == schema.item_type));
    Ok(schemas)
}

async fn each_chunk(
    store: &impl Store,
    filter: &ItemFilter,
    query: Option<&ItemQuery>,
    mut work: impl FnMut(Vec<StoredItem>) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let mut after: Option<Cursor> = None;
    loop {
        let mut chunk = store.items(filter, after.as_ref()).await?;
        chunk.items.retain(|stored| query.is_none_or(|query| query.matches(stored)));
        work(chunk.items)?;
        after = chunk.next;
        if after.is_none() {
            return Ok(());
        }
    }
}
