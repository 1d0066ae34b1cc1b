//! The tables in the database, made by whoever opens them first. Their version is recorded beside them.
//!
//! Everything is in the schema `gossamer`: `crawls` has a line for each crawl, by name, with its number and the lease under which it is opened;
//! `engines` those that are alive, `grants` what each may take of a page budget; `shards` the parts of each crawl, and who has them. Each of the tables of a frontier has the rows of all
//! crawls, told apart by a number: a shard's own, or the crawl's for what is of no shard. `inbox` has what engines found that belongs to the
//! shards of others. A crawl that is discarded gets another number in one step, and what it leaves behind is removed afterwards.

use tokio_postgres::Client;

use crate::frontier::tables::Table;

/// Version of the schema that this program makes. Any other is refused; what no release has written need not be read.
pub(super) const VERSION: i32 = 2;

/// Most shards of a crawl: the numbers of crawls are so far apart, and one more.
const MOST_SHARDS: i32 = 1023;

/// What a database without tables lacks, or one of another version has. Read by its number.
const READ_VERSION: &str = "SELECT coalesce((SELECT version FROM gossamer.version), 0)";

/// One who makes the tables lets others wait for it. Any number that nobody else uses.
const LOCK: i64 = 0x676f_7373_616d_6572;

/// The version that is there; none: there are no tables.
pub(super) async fn version(client: &Client) -> Result<Option<i32>, tokio_postgres::Error> {
    let is_there = client.query_one("SELECT to_regclass('gossamer.version') IS NOT NULL", &[]).await?;
    if !is_there.get::<_, bool>(0) {
        return Ok(None);
    }
    Ok(Some(client.query_one(READ_VERSION, &[]).await?.get(0)))
}

/// Makes the tables. One message, and so one transaction; whoever comes second finds them made.
pub(super) async fn make(client: &Client) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(&text()).await
}

fn text() -> String {
    let tables: String = Table::ALL.into_iter().map(table).collect();
    let numbers = MOST_SHARDS + 1;
    format!(
        "
        SELECT pg_advisory_xact_lock({LOCK});
        CREATE SCHEMA IF NOT EXISTS gossamer;
        CREATE TABLE IF NOT EXISTS gossamer.version (version integer NOT NULL);
        CREATE SEQUENCE IF NOT EXISTS gossamer.numbers AS integer INCREMENT BY {numbers};
        CREATE TABLE IF NOT EXISTS gossamer.crawls (
            name text COLLATE \"C\" PRIMARY KEY,
            number integer NOT NULL DEFAULT nextval('gossamer.numbers'),
            shards integer NOT NULL CHECK (shards BETWEEN 1 AND {MOST_SHARDS}),
            suffixes text NOT NULL,
            grants bigint NOT NULL DEFAULT 0,
            epoch bigint NOT NULL DEFAULT 0,
            holder text,
            token text,
            held_until timestamptz NOT NULL DEFAULT '-infinity'
        ) WITH (fillfactor = 20);
        CREATE TABLE IF NOT EXISTS gossamer.discarded (number integer PRIMARY KEY, shards integer NOT NULL);
        CREATE SEQUENCE IF NOT EXISTS gossamer.engine_ids AS bigint;
        CREATE TABLE IF NOT EXISTS gossamer.engines (
            crawl integer NOT NULL,
            id bigint NOT NULL DEFAULT nextval('gossamer.engine_ids'),
            holder text NOT NULL,
            token text NOT NULL,
            held_until timestamptz NOT NULL,
            PRIMARY KEY (crawl, id)
        ) WITH (fillfactor = 20);
        CREATE TABLE IF NOT EXISTS gossamer.shards (
            number integer PRIMARY KEY,
            crawl integer NOT NULL,
            engine bigint NOT NULL DEFAULT 0,
            epoch bigint NOT NULL DEFAULT 0,
            groups bigint NOT NULL DEFAULT 0,
            queued bigint NOT NULL DEFAULT 0,
            pages bigint NOT NULL DEFAULT 0
        ) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.05);
        CREATE INDEX IF NOT EXISTS shards_of_crawl ON gossamer.shards (crawl, number);
        CREATE TABLE IF NOT EXISTS gossamer.grants (
            crawl integer NOT NULL,
            engine bigint NOT NULL,
            pages bigint NOT NULL,
            PRIMARY KEY (crawl, engine),
            FOREIGN KEY (crawl, engine) REFERENCES gossamer.engines ON DELETE CASCADE
        ) WITH (fillfactor = 20);
        CREATE TABLE IF NOT EXISTS gossamer.inbox (
            shard integer NOT NULL,
            key bytea NOT NULL,
            value bytea NOT NULL,
            PRIMARY KEY (shard, key)
        ) WITH (autovacuum_vacuum_scale_factor = 0.05);
        {tables}
        INSERT INTO gossamer.version (version) SELECT {VERSION} WHERE NOT EXISTS (SELECT FROM gossamer.version);
        "
    )
}

/// Rows that come and go are to be cleared away often: what is dead in a queue lies where the next request is looked for.
fn table(table: Table) -> String {
    let options = match table {
        Table::Due | Table::Later | Table::Send => "WITH (autovacuum_vacuum_scale_factor = 0.05)",
        Table::Origins | Table::Alike | Table::Crawl => "WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05)",
        Table::Known | Table::Done | Table::Dead | Table::Rejected | Table::Robots => "",
    };
    format!(
        "CREATE TABLE IF NOT EXISTS gossamer.{} (crawl integer NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (crawl, key)) {options};",
        table.name()
    )
}
