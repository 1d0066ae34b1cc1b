//! What the connections that only read are asked.

use model::item::Source;
use model::save::StoreStats;
use model::schema::{FieldSchema, TypeSchema};
use model::{CrawlName, CrawlUrl, Item, ItemId, PayloadJson, SpiderHash};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::failure::Failure;
use super::writer::kind_named;
use crate::store::{Cursor, ItemChunk, ItemFilter, StoredItem};

/// Most items of a chunk: enough that the query costs little beside the rows.
const CHUNK_ITEMS: usize = 1000;

/// Payload bytes after which a chunk ends early: what bounds the memory of a listing.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

pub(super) fn stats(connection: &Connection, store: &str) -> Result<StoreStats, Failure> {
    let mut select = connection.prepare_cached("SELECT name, items FROM types WHERE items > 0 ORDER BY name")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
    Ok(StoreStats { store: store.to_owned(), items_by_type: rows.collect::<Result<_, _>>()? })
}

pub(super) fn schemas(connection: &Connection) -> Result<Vec<TypeSchema>, Failure> {
    let mut select = connection.prepare_cached(
        "SELECT types.name, fields.name, fields.kind FROM fields JOIN types ON types.id = fields.type ORDER BY types.name, position",
    )?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let mut schemas: Vec<TypeSchema> = Vec::new();
    for row in rows {
        let (item_type, name, kind): (String, String, String) = row?;
        let field = FieldSchema { name, kind: kind_named(&kind) };
        match schemas.last_mut().filter(|last| last.item_type == item_type) {
            Some(last) => last.fields.push(field),
            None => schemas.push(TypeSchema { item_type, fields: vec![field] }),
        }
    }
    Ok(schemas)
}

pub(super) fn items(connection: &Connection, filter: &ItemFilter, after: Option<&Cursor>) -> Result<ItemChunk, Failure> {
    let mut chunk = Chunk { items: Vec::new(), bytes: 0 };
    let crawl = match &filter.crawl {
        None => None,
        Some(name) => match crawl_id(connection, name)? {
            Some(id) => Some(id),
            None => return Ok(ItemChunk { items: Vec::new(), next: None }),
        },
    };
    let from = after.map_or("", |cursor| cursor.item_type.as_str());
    let mut types = connection.prepare_cached("SELECT id, name FROM types WHERE name >= ?1 AND (?2 IS NULL OR name = ?2) ORDER BY name")?;
    let mut types = types.query(params![from, filter.item_type])?;
    while let Some(row) = types.next()? {
        let (item_type, name): (i64, String) = (row.get(0)?, row.get(1)?);
        // No id is empty, so each one follows the empty text.
        let after = after.filter(|cursor| cursor.item_type == name).map_or("", |cursor| cursor.id.as_str());
        if items_of_type(connection, &mut chunk, (item_type, &name), crawl, after)? {
            let next = chunk.items.last().map(|last| Cursor { item_type: name, id: last.item.id.clone() });
            return Ok(ItemChunk { items: chunk.items, next });
        }
    }
    Ok(ItemChunk { items: chunk.items, next: None })
}

struct Chunk {
    items: Vec<StoredItem>,
    bytes: usize,
}

/// Appends items of one type in order of id; whether the chunk is full.
fn items_of_type(
    connection: &Connection,
    chunk: &mut Chunk,
    (item_type, name): (i64, &str),
    crawl: Option<i64>,
    after: &str,
) -> Result<bool, Failure> {
    // CROSS JOIN keeps SQLite from starting with the pages and sorting what it finds in memory.
    let mut select = connection.prepare_cached(
        "SELECT items.id, coalesce(items.url, pages.url), items.payload, crawls.name, pages.url, pages.fetched_at_ms, pages.version,
                pages.spider
         FROM items CROSS JOIN pages ON pages.id = items.page CROSS JOIN crawls ON crawls.id = pages.crawl
         WHERE items.type = ?1 AND items.id > ?2 AND (?3 IS NULL OR pages.crawl = ?3) ORDER BY items.id",
    )?;
    let mut rows = select.query(params![item_type, after, crawl])?;
    while let Some(row) = rows.next()? {
        let stored = stored_item(row, name)?;
        chunk.bytes += stored.item.payload.as_str().len();
        chunk.items.push(stored);
        if chunk.items.len() >= CHUNK_ITEMS || chunk.bytes >= CHUNK_BYTES {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The item of a row; `None` when there is none.
pub(super) fn item_of_row(connection: &Connection, item: i64) -> Result<Option<StoredItem>, Failure> {
    let mut select = connection.prepare_cached(
        "SELECT items.id, coalesce(items.url, pages.url), items.payload, crawls.name, pages.url, pages.fetched_at_ms, pages.version,
                pages.spider, types.name
         FROM items JOIN types ON types.id = items.type JOIN pages ON pages.id = items.page JOIN crawls ON crawls.id = pages.crawl
         WHERE items.item = ?",
    )?;
    let mut rows = select.query([item])?;
    rows.next()?.map(|row| stored_item(row, &row.get::<_, String>(8)?)).transpose()
}

fn stored_item(row: &Row<'_>, item_type: &str) -> Result<StoredItem, Failure> {
    let text = |column: usize| row.get::<_, String>(column);
    let id = text(0)?;
    let damaged = |what: &str| Failure::Refused(format!("it is damaged: item {item_type} {id} has {what}"));
    let url = |column: usize| -> Result<CrawlUrl, Failure> { CrawlUrl::try_from(text(column)?).map_err(|_| damaged("no URL")) };
    let item = Item {
        url: url(1)?,
        item_type: item_type.to_owned(),
        id: ItemId::given(id.clone()).ok_or_else(|| damaged("no id"))?,
        payload: PayloadJson::parse(text(2)?).map_err(|_| damaged("no JSON"))?,
    };
    let spider: Option<String> = row.get(7)?;
    let source = Source {
        crawl: CrawlName::new(text(3)?).map_err(|_| damaged("no crawl"))?,
        page: url(4)?,
        fetched_at_ms: row.get::<_, i64>(5)?.cast_unsigned(),
        version: row.get::<_, i64>(6)?.cast_unsigned(),
        spider: spider.map(|digits| serde_json::from_value::<SpiderHash>(digits.into()).map_err(|_| damaged("no spider"))).transpose()?,
    };
    Ok(StoredItem { item, source })
}

fn crawl_id(connection: &Connection, name: &CrawlName) -> Result<Option<i64>, Failure> {
    let mut select = connection.prepare_cached("SELECT id FROM crawls WHERE name = ?")?;
    Ok(select.query_row([name.as_str()], |row| row.get(0)).optional()?)
}
