use std::cell::RefCell;
use std::path::PathBuf;

use model::search::SearchRequest;

use super::*;
use crate::search::{answer, understood};
use crate::store::conformance::{Place, all, batch, conformance, item, page, save};

/// A database in a folder of its own, removed with it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("items.db")
    }

    fn file(&self) -> DatabaseFile {
        DatabaseFile { path: self.path(), busy_timeout: Duration::from_millis(50) }
    }
}

impl Place for Folder {
    type Store = SqliteStore;

    async fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path()).await.unwrap()
    }

    async fn open_with_history(&self) -> SqliteStore {
        SqliteStore::open_with_history(&self.path()).await.unwrap()
    }
}

conformance!(Folder::new());

fn one_item(name: &str) -> SaveBatch {
    batch("c", 1, &[page(name, 1, &[item("t", name, "{}")])])
}

async fn refusal(path: &Path) -> StoreError {
    SqliteStore::open(path).await.unwrap_err()
}

#[tokio::test]
async fn a_place_that_cannot_be_a_store_is_refused_with_the_reason() {
    let folder = Folder::new();
    let reason = |error: StoreError| match error {
        StoreError::Unusable { reason, .. } => reason,
        other => panic!("{other}"),
    };
    assert_eq!(reason(refusal(folder.0.path()).await), "it is a folder, not a file");
    let nowhere = folder.0.path().join("no/items.db");
    assert_eq!(reason(refusal(&nowhere).await), format!("there is no folder {}", folder.0.path().join("no").display()));
    assert_eq!(reason(SqliteStore::open_to_read(&folder.path()).await.unwrap_err()), "there is no such file");
    std::fs::write(folder.path(), "not a database, but long enough to look at its first bytes: ".repeat(20)).unwrap();
    assert_eq!(reason(refusal(&folder.path()).await), "it is not a SQLite database");
}

#[tokio::test]
async fn a_damaged_database_is_refused_and_not_retryable() {
    let folder = Folder::new();
    let store = folder.open().await;
    save(&store, one_item("a")).await;
    store.close().await;
    let mut bytes = std::fs::read(folder.path()).unwrap();
    bytes[200..].fill(0x5a);
    std::fs::write(folder.path(), bytes).unwrap();
    let error = refusal(&folder.path()).await;
    assert!(error.to_string().contains("it is damaged"), "{error}");
    assert!(!error.is_retryable());
}

#[test]
fn a_full_disk_stores_nothing_of_the_group_and_the_next_try_works() {
    let folder = Folder::new();
    let mut writer = Writer::open(&folder.file(), None).unwrap();
    writer.save(&[one_item("a")]).unwrap();
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
    let large = batch("c", 1, &[page("b", 1, &[item("t", "b", &large)])]);
    let pages: i64 = writer.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    writer.connection.execute_batch(&format!("PRAGMA max_page_count = {}", pages + 8)).unwrap();
    let error = writer.save(&[one_item("c"), large.clone()]).unwrap_err().told("s");
    assert_eq!(error, StoreError::Unavailable { store: "s".into(), reason: "the disk is full".into() });
    drop(writer);
    let mut writer = Writer::open(&folder.file(), None).unwrap();
    assert_eq!(reader::stats(&writer.connection, "s").unwrap().items_by_type, [("t".to_owned(), 1)]);
    writer.save(&[one_item("c"), large]).unwrap();
    assert_eq!(reader::stats(&writer.connection, "s").unwrap().items_by_type, [("t".to_owned(), 3)]);
}

#[test]
fn a_transaction_that_fails_tells_nothing_and_the_next_try_tells_once() {
    let folder = Folder::new();
    let mut writer = Writer::open(&folder.file(), None).unwrap().with_history(true);
    let says = |version: u64, text: &str| batch("c", 1, &[page("a", version, &[item("t", "1", &format!("{{\"a\":\"{text}\"}}"))])]);
    let large = says(2, &"x".repeat(1 << 19));
    writer.save(&[says(1, "x")]).unwrap();
    let pages: i64 = writer.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    writer.connection.execute_batch(&format!("PRAGMA max_page_count = {}", pages + 150)).unwrap();
    assert!(writer.save(std::slice::from_ref(&large)).is_err(), "the item fits, what is told of it does not");
    drop(writer);
    let mut writer = Writer::open(&folder.file(), None).unwrap().with_history(true);
    assert_eq!(history::history(&writer.connection, "t", "1").unwrap(), []);
    for _ in 0..2 {
        writer.save(std::slice::from_ref(&large)).unwrap();
        assert_eq!(history::history(&writer.connection, "t", "1").unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_store_of_the_second_layout_is_brought_up_to_date_and_keeps_its_items() {
    let folder = Folder::new();
    let store = folder.open().await;
    save(&store, one_item("a")).await;
    store.close().await;
    let old = Connection::open(folder.path()).unwrap();
    old.execute_batch("DROP VIEW history_with_type; DROP TABLE history; PRAGMA user_version = 2").unwrap();
    drop(old);
    let store = folder.open_with_history().await;
    save(&store, batch("c", 1, &[page("a", 2, &[item("t", "a", "{\"n\":1}")])])).await;
    assert_eq!(store.history("t", "a").await.unwrap().len(), 1);
}

#[test]
fn a_read_only_database_is_unavailable() {
    let folder = Folder::new();
    let mut writer = Writer::open(&folder.file(), None).unwrap();
    writer.connection.execute_batch("PRAGMA query_only = 1").unwrap();
    let error = writer.save(&[one_item("a")]).unwrap_err().told("s");
    assert_eq!(error, StoreError::Unavailable { store: "s".into(), reason: "it is read-only".into() });
}

#[tokio::test]
async fn a_locked_database_is_retryable_and_statistics_say_so_until_it_can_be_written() {
    let folder = Folder::new();
    let store = SqliteStore::open_with(&folder.path(), Duration::from_millis(20), false).await.unwrap();
    save(&store, one_item("a")).await;
    let other = Connection::open(folder.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.save(one_item("b")).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert_eq!(store.stats().await.unwrap_err(), error);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(store.stats().await.unwrap().items(), 1);
    save(&store, one_item("b")).await;
    assert_eq!(store.stats().await.unwrap().items(), 2);
}

#[tokio::test]
async fn a_file_that_was_removed_or_replaced_acknowledges_nothing() {
    let folder = Folder::new();
    let store = folder.open().await;
    save(&store, one_item("a")).await;
    std::fs::remove_file(folder.path()).unwrap();
    let error = store.save(one_item("b")).await.unwrap_err();
    assert!(error.to_string().contains("removed or replaced"), "{error}");
    std::fs::write(folder.path(), "").unwrap();
    assert_eq!(store.save(one_item("b")).await.unwrap_err(), error);
    assert_eq!(std::fs::read(folder.path()).unwrap(), b"", "the file that is there now is left alone");
}

#[tokio::test]
async fn others_read_and_write_while_a_server_has_the_store_open() {
    let folder = Folder::new();
    let server = folder.open().await;
    save(&server, one_item("a")).await;
    let reader = SqliteStore::open_to_read(&folder.path()).await.unwrap();
    let second = folder.open().await;
    save(&second, one_item("b")).await;
    save(&server, one_item("c")).await;
    assert_eq!(all(&reader, &ItemFilter::default()).await.len(), 3);
    assert!(matches!(reader.save(one_item("d")).await, Err(StoreError::Unusable { .. })));
}

#[tokio::test]
async fn a_bystander_with_a_shell_finds_readable_rows() {
    let folder = Folder::new();
    let store = folder.open().await;
    save(&store, one_item("a")).await;
    let row: (String, String, String, String, String) = Connection::open(folder.path())
        .unwrap()
        .query_row("SELECT type, id, url, crawl, page FROM items_with_source", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })
        .unwrap();
    let expected = ["t", "a", "http://h/items/a", "c", "http://h/a"].map(str::to_owned);
    assert_eq!([row.0, row.1, row.2, row.3, row.4], expected);
}

fn request(query: &str, limit: u32) -> SearchRequest {
    SearchRequest { query: query.to_owned(), limit, ..SearchRequest::default() }
}

/// Ids of what the index finds as it is.
fn found(connection: &Connection, query: &str) -> Vec<String> {
    let search = understood(&request(query, 10), &[]).unwrap();
    search::search(connection, &search).unwrap().items.iter().map(|(stored, _)| stored.item.id.to_string()).collect()
}

#[test]
fn an_item_that_another_process_changes_at_that_moment_is_indexed_as_it_is() {
    thread_local! {
        static OTHER: RefCell<Option<Connection>> = const { RefCell::new(None) };
    }
    let folder = Folder::new();
    let mut writer = Writer::open(&folder.file(), None).unwrap();
    writer.save(&[batch("c", 1, &[page("a", 1, &[item("t", "a", "{\"Name\":\"old\"}")])])]).unwrap();
    let other = Connection::open(folder.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE items SET payload = '{\"Name\":\"new\"}'").unwrap();
    OTHER.set(Some(other));
    // Called when the lock is found taken: whatever is read before that is outdated.
    let commit = |_| OTHER.take().is_some_and(|other| other.execute_batch("COMMIT").is_ok());
    writer.connection.busy_handler(Some(commit)).unwrap();
    while writer.index_some().unwrap() {}
    assert_eq!(found(&writer.connection, "new"), ["a"]);
    assert_eq!(found(&writer.connection, "old"), [""; 0]);
}

#[tokio::test]
async fn of_large_hits_no_more_are_read_than_an_answer_may_have_and_the_cursor_goes_on_there() {
    let folder = Folder::new();
    let mut writer = Writer::open(&folder.file(), None).unwrap();
    let payload = format!("{{\"Name\":\"same\",\"blob\":\"{}\"}}", "x".repeat(3 * 1024 * 1024));
    let pages = ["a", "b", "c", "d", "e"].map(|name| page(name, 1, &[item("t", name, &payload)]));
    writer.save(&[batch("c", 1, &pages)]).unwrap();
    while writer.index_some().unwrap() {}
    let search = understood(&request("same", 5), &[]).unwrap();
    let found = search::search(&writer.connection, &search).unwrap();
    assert_eq!((found.items.len(), found.next.is_some()), (3, true), "the third goes beyond the bound");
    let store = SqliteStore::open_to_read(&folder.path()).await.unwrap();
    let (mut request, mut ids) = (request("same", 5), Vec::new());
    loop {
        let answer = answer(&store, &request).await.unwrap();
        ids.push(answer.hits.into_iter().map(|hit| hit.item.id.to_string()).collect::<String>());
        if answer.next.is_none() {
            break;
        }
        request.after = answer.next;
    }
    assert_eq!(ids, ["ed", "cb", "a"]);
}

#[tokio::test]
async fn a_cursor_goes_on_past_items_that_are_gone_and_still_in_the_index() {
    let folder = Folder::new();
    let mut writer = Writer::open(&folder.file(), None).unwrap();
    let pages = ["a", "b", "c", "d"].map(|name| page(name, 1, &[item("t", name, "{\"Name\":\"same\"}")]));
    writer.save(&[batch("c", 1, &pages)]).unwrap();
    while writer.index_some().unwrap() {}
    writer.save(&[batch("c", 1, &[page("c", 2, &[]), page("d", 2, &[])])]).unwrap();
    // One that reads leaves the index as it is.
    let store = SqliteStore::open_to_read(&folder.path()).await.unwrap();
    let (mut request, mut ids) = (request("same", 2), Vec::new());
    loop {
        let answer = answer(&store, &request).await.unwrap();
        ids.extend(answer.hits.into_iter().map(|hit| hit.item.id.to_string()));
        if answer.next.is_none() {
            break;
        }
        request.after = answer.next;
    }
    assert_eq!(ids, ["b", "a"]);
}
