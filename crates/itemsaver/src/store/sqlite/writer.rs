//! The one connection that writes. What a page's save does to the tables is in [`super::claims`]; here is what is around it.

use std::collections::HashMap;

use model::CrawlName;
use model::save::{SaveAnswer, SaveBatch};
use model::schema::{FieldKind, TypeSchema};
use rusqlite::{Connection, params};

use super::failure::Failure;
use super::file::{DatabaseFile, FileIdentity};
use super::history::Touched;

/// Writes batches in transactions. After an error it must be dropped: that rolls back and forgets what was not committed.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) connection: Connection,
    file: DatabaseFile,
    identity: FileIdentity,
    types: HashMap<String, i64>,
    crawls: HashMap<CrawlName, i64>,
    /// Of the open transaction: the last page write's number, and by type how many items came or went.
    pub(super) sequence: i64,
    pub(super) counts: HashMap<i64, i64>,
    /// Of the open transaction, if history is kept.
    pub(super) touched: Option<Touched>,
}

impl Writer {
    /// Opens the database; creates it where there is none, unless it must be the file that was there `before`.
    pub(super) fn open(file: &DatabaseFile, before: Option<&FileIdentity>) -> Result<Writer, Failure> {
        if let Some(before) = before
            && file.identity()? != *before
        {
            return Err(Failure::Gone);
        }
        let connection = file.open_to_write()?;
        let identity = file.identity()?;
        let (types, crawls, counts) = Default::default();
        Ok(Writer { connection, file: file.clone(), identity, types, crawls, sequence: 0, counts, touched: None })
    }

    /// The same writer, which records what it changes in items if that is wanted.
    pub(super) fn with_history(self, wanted: bool) -> Writer {
        Writer { touched: wanted.then(Touched::default), ..self }
    }

    /// Which file this writes to.
    pub(super) fn identity(&self) -> &FileIdentity {
        &self.identity
    }

    /// Stores a group of batches in one synced transaction, all or none.
    pub(super) fn save(&mut self, batches: &[SaveBatch]) -> Result<Vec<SaveAnswer>, Failure> {
        self.transaction(|writer| {
            writer.sequence = writer.connection.prepare_cached("SELECT sequence FROM meta")?.query_row([], |row| row.get(0))?;
            let answers = batches.iter().map(|batch| writer.save_batch(batch)).collect::<Result<_, _>>()?;
            writer.record_changes()?;
            writer.connection.prepare_cached("UPDATE meta SET sequence = ?")?.execute([writer.sequence])?;
            let mut count = writer.connection.prepare_cached("UPDATE types SET items = items + ?2 WHERE id = ?1")?;
            for (item_type, change) in writer.counts.drain().filter(|(_, change)| *change != 0) {
                count.execute([item_type, change])?;
            }
            Ok(answers)
        })
    }

    /// Replaces the fields of each given type.
    pub(super) fn put_schema(&mut self, types: &[TypeSchema]) -> Result<(), Failure> {
        self.transaction(|writer| {
            for schema in types {
                let item_type = writer.type_id(&schema.item_type)?;
                writer.connection.prepare_cached("DELETE FROM fields WHERE type = ?")?.execute([item_type])?;
                let sql = "INSERT INTO fields (type, position, name, kind) VALUES (?, ?, ?, ?)";
                let mut insert = writer.connection.prepare_cached(sql)?;
                for (position, field) in (0_i64..).zip(&schema.fields) {
                    insert.execute(params![item_type, position, field.name, kind_name(field.kind)])?;
                }
            }
            Ok(())
        })
    }

    /// Whether the database can be written at all: commits a change that changes nothing.
    pub(super) fn probe(&mut self) -> Result<(), Failure> {
        self.transaction(|writer| {
            writer.connection.execute("UPDATE meta SET sequence = sequence", [])?;
            Ok(())
        })
    }

    pub(super) fn transaction<T>(&mut self, work: impl FnOnce(&mut Writer) -> Result<T, Failure>) -> Result<T, Failure> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let done = work(self)?;
        self.connection.execute_batch("COMMIT")?;
        // A commit to a file that has lost its name is safe from a crash but lost with the last connection.
        if self.file.identity()? == self.identity { Ok(done) } else { Err(Failure::Gone) }
    }

    fn save_batch(&mut self, batch: &SaveBatch) -> Result<SaveAnswer, Failure> {
        let crawl = self.crawl_id(&batch.crawl)?;
        let pages = batch.pages.iter().map(|page| self.save_page(crawl, batch, page)).collect::<Result<_, _>>()?;
        Ok(SaveAnswer { pages })
    }

    /// The number of a type, given one if it has none.
    pub(super) fn type_id(&mut self, name: &str) -> Result<i64, Failure> {
        if let Some(id) = self.types.get(name) {
            return Ok(*id);
        }
        let id = intern(&self.connection, "types", name)?;
        self.types.insert(name.to_owned(), id);
        Ok(id)
    }

    fn crawl_id(&mut self, name: &CrawlName) -> Result<i64, Failure> {
        if let Some(id) = self.crawls.get(name) {
            return Ok(*id);
        }
        let id = intern(&self.connection, "crawls", name.as_str())?;
        self.crawls.insert(name.clone(), id);
        Ok(id)
    }
}

fn intern(connection: &Connection, table: &str, name: &str) -> Result<i64, Failure> {
    connection.prepare_cached(&format!("INSERT INTO {table} (name) VALUES (?) ON CONFLICT DO NOTHING"))?.execute([name])?;
    Ok(connection.prepare_cached(&format!("SELECT id FROM {table} WHERE name = ?"))?.query_row([name], |row| row.get(0))?)
}

const KINDS: [(FieldKind, &str); 5] = [
    (FieldKind::Text, "text"),
    (FieldKind::Integer, "integer"),
    (FieldKind::Float, "float"),
    (FieldKind::Bool, "bool"),
    (FieldKind::TextList, "text-list"),
];

fn kind_name(kind: FieldKind) -> &'static str {
    KINDS.iter().find(|(known, _)| *known == kind).map_or("unknown", |(_, name)| name)
}

/// The kind with this name in the `fields` table.
pub(super) fn kind_named(name: &str) -> FieldKind {
    KINDS.iter().find(|(_, known)| *known == name).map_or(FieldKind::Unknown, |(kind, _)| *kind)
}
