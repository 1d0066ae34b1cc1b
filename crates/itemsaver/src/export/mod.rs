//! Items as files: one JSON object a line, or CSV.
//!
//! [`ItemWriter`] writes item after item, for whoever has them; [`export`] writes a whole store.
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

use std::io::{self, Write};

use thiserror::Error;

use crate::search::ItemQuery;
use crate::store::{Cursor, ItemFilter, Store, StoreError, StoredItem};

mod columns;
mod file;
mod flatten;
mod instant;
mod writer;

pub use columns::{CsvColumns, MAX_COLUMNS};
pub use file::OutputFile;
pub(crate) use flatten::Fields;
pub use flatten::{Leaf, MAX_NESTING, flatten};
pub use instant::{milliseconds, rfc3339};
pub use writer::{Header, ItemWriter};

/// How items are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
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
    #[error("the payloads have more than {MAX_COLUMNS} different fields: too many for CSV, export as jsonl or one --type at a time")]
    TooManyColumns,
}

/// What an export wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Items written.
    pub items: u64,
    /// Values left out because their field came into the store after the columns were set: export again to have them. Always 0 for
    /// JSON lines, and for a store that nobody writes to.
    pub left_out: u64,
}

/// Writes all items that a filter lets pass and a query, if any, finds, in byte order of type, then id, in memory that does not grow with the store.
///
/// CSV reads the store twice: the first time for the columns. The output is flushed.
///
/// # Errors
/// [`ExportError`]; what was written until then stays written. `output` names it in the error.
pub async fn export(
    store: &impl Store,
    filter: &ItemFilter,
    query: Option<&ItemQuery>,
    format: ExportFormat,
    out: impl Write,
    output: &str,
) -> Result<Exported, ExportError> {
    let write_error = |source| ExportError::Write { output: output.to_owned(), source };
    let mut writer = match format {
        ExportFormat::Jsonl => ItemWriter::jsonl(out),
        ExportFormat::Csv => ItemWriter::csv(out, columns_of(store, filter, query).await?, Header::Write).map_err(write_error)?,
    };
    let mut items = 0;
    each_chunk(store, filter, query, |chunk| {
        items += chunk.len() as u64;
        chunk.iter().try_for_each(|stored| writer.write(&stored.item, &stored.source)).map_err(write_error)
    })
    .await?;
    writer.flush().map_err(write_error)?;
    Ok(Exported { items, left_out: writer.left_out() })
}

/// The columns of all schemas that concern the wanted items, and those of further fields found in the payloads.
async fn columns_of(store: &impl Store, filter: &ItemFilter, query: Option<&ItemQuery>) -> Result<CsvColumns, ExportError> {
    let wanted = |item_type: &str| filter.item_type.as_deref().is_none_or(|wanted| wanted == item_type);
    let mut schemas = store.schemas().await?;
    schemas.retain(|schema| wanted(&schema.item_type));
    let mut columns = CsvColumns::complete(&schemas);
    each_chunk(store, filter, query, |chunk| {
        chunk.iter().for_each(|stored| columns.find(&stored.item.payload));
        if columns.len() > MAX_COLUMNS { Err(ExportError::TooManyColumns) } else { Ok(()) }
    })
    .await?;
    Ok(columns)
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
