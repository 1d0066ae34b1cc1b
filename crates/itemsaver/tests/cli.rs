//! The program as a person and an engine meet it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use model::hello::{CrawlIdentity, Hello, Role};
use model::history::HistoryRequest;
use model::save::{ItemAnswer, ItemStatus, PageItems, SaveAnswer, SaveBatch};
use model::schema::{FieldKind, FieldSchema, TypeSchema};
use model::search::SearchRequest;
use model::{CrawlName, CrawlUrl, Item, RunId, SpiderHash};
use parquet::file::reader::{FileReader, SerializedFileReader};
use rpcsupport::dial::deadline;
use rpcsupport::{ItemSaverServiceClient, Link, PeerAddress, dial_itemsaver};

/// Far longer than any call takes: reached only when something is wrong.
const LIMIT: Duration = Duration::from_secs(60);

fn itemsaver(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_itemsaver"));
    command.current_dir(folder).stdin(Stdio::null());
    for variable in
        ["PORT", "LISTEN", "STORE", "STORE_USER", "STORE_PASSWORD", "STORE_API_KEY", "STORE_CA", "GRACE", "HISTORY", "INSECURE_PLAINTEXT"]
    {
        command.env_remove(format!("GOSSAMER_ITEMSAVER_{variable}"));
    }
    command.env_remove("GOSSAMER_LOG");
    command
}

/// Exit code, standard output, standard error.
fn run(folder: &Path, line: &str) -> (i32, String, String) {
    outcome(itemsaver(folder).args(line.split_whitespace()).output().unwrap())
}

fn outcome(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A running server, killed with the test.
struct Server {
    child: Child,
    stderr: BufReader<ChildStderr>,
    address: String,
    greeting: Vec<String>,
}

impl Server {
    fn start(folder: &Path, line: &str) -> Server {
        let mut command = itemsaver(folder);
        command.args(["--listen", "127.0.0.1:0"]).args(line.split_whitespace()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut server = Server { child, stderr, address: String::new(), greeting: Vec::new() };
        while server.address.is_empty() {
            let mut line = String::new();
            assert_ne!(server.stderr.read_line(&mut line).unwrap(), 0, "ended after {:?}", server.greeting);
            match line.trim_end().strip_prefix("Listening on ") {
                Some(address) => server.address = address.to_owned(),
                None => server.greeting.push(line.trim_end().to_owned()),
            }
        }
        server
    }

    async fn dial(&self) -> Link<ItemSaverServiceClient> {
        let address: PeerAddress = self.address.parse().unwrap();
        let crawl = CrawlIdentity { crawl: CrawlName::new("c").unwrap(), run: RunId(1), epoch: 1 };
        dial_itemsaver(&address, Hello::new(Role::Engine, Some(crawl)), LIMIT).await.unwrap()
    }

    /// Asks it to end, as an operator does.
    fn signal(&self) {
        let sent = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it: exit code and the rest of what it said.
    fn terminate(self) -> (i32, String) {
        self.signal();
        self.ended()
    }

    fn ended(mut self) -> (i32, String) {
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code().unwrap(), said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn item(item_type: &str, id: &str, payload: &str) -> Item {
    let url = format!("http://h/items/{id}");
    serde_json::from_value(serde_json::json!({"url": url, "type": item_type, "id": id, "payload": payload})).unwrap()
}

fn page(name: &str, version: u64, items: Vec<Item>) -> PageItems {
    let page = CrawlUrl::parse(&format!("http://h/{name}")).unwrap();
    PageItems { page, fetched_at_ms: 1_709_164_800_000 + version, version, items, addition: false }
}

fn batch(pages: Vec<PageItems>) -> SaveBatch {
    SaveBatch { crawl: CrawlName::new("c").unwrap(), run: RunId(1), spider: Some(SpiderHash::of(b"spider")), pages }
}

async fn save(link: &Link<ItemSaverServiceClient>, batch: SaveBatch) -> SaveAnswer {
    link.client.save(deadline(LIMIT), batch).await.unwrap().unwrap()
}

/// A store in `gossamer-items.db` of the folder with a bit of everything.
async fn fill(folder: &Path) {
    let server = Server::start(folder, "");
    let link = server.dial().await;
    let field = |name: &str, kind| FieldSchema { name: name.to_owned(), kind };
    let car = vec![field("price", FieldKind::Integer), field("name", FieldKind::Text)];
    let types = vec![TypeSchema { item_type: "car".into(), fields: car }];
    link.client.put_schema(deadline(LIMIT), types).await.unwrap().unwrap();
    let cars = vec![
        item("car", "b", r#"{"name":"two, \"quoted\"","price":18446744073709551616,"id":7}"#),
        item("car", "a", "{\"price\": 1.50,\n\"name\": \"line\\nbreak\"}"),
    ];
    let others = vec![item("zhenai", "1", r#"{"name":"安静","tags":["a","b"],"home":{"city":"x","rooms":[1]},"ok":true,"no":null}"#)];
    save(&link, batch(vec![page("cars", 1, cars), page("people", 2, others)])).await;
    assert_eq!(server.terminate().0, 0);
}

#[test]
fn a_server_without_a_port_says_so_and_exits_2() {
    let folder = tempfile::tempdir().unwrap();
    for line in ["", "--port 0"] {
        let (code, stdout, stderr) = run(folder.path(), line);
        assert_eq!((code, stdout.as_str()), (2, ""));
        assert!(stderr.starts_with("itemsaver: must specify a port"), "{stderr}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was begun");
}

#[test]
fn all_mistakes_of_a_command_line_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, stderr) = run(folder.path(), "--port 70000 --grace soon --store opensearch:http://me:secret@h/i");
    assert_eq!(code, 2);
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{stderr}");
    assert!(lines[2].contains("the URL has a user or password in it"), "{stderr}");
    assert_eq!(run(folder.path(), "--no-such-flag").0, 2);
    let (code, stdout, _) = run(folder.path(), "--help");
    assert_eq!(code, 0);
    for part in
        ["Listening:", "Store:", "Ending:", "[default: 30s]", "[default: sqlite:gossamer-items.db]", "GOSSAMER_ITEMSAVER_STORE", "export"]
    {
        assert!(stdout.contains(part), "{part} is not in {stdout}");
    }
}

#[test]
fn a_store_that_cannot_be_opened_is_told_before_anyone_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let cases = [
        ("--listen 127.0.0.1:0 --store sqlite:no/items.db", format!("there is no folder {}", path("no"))),
        ("--listen 127.0.0.1:0 --store sqlite:.", "it is a folder, not a file".to_owned()),
        ("export --store sqlite:missing.db", format!("sqlite:{} cannot be used: there is no such file", path("missing.db"))),
        ("items --store sqlite:missing.db", "there is no such file".to_owned()),
    ];
    for (line, reason) in cases {
        let (code, _, stderr) = run(folder.path(), line);
        assert_eq!(code, 2, "{line}: {stderr}");
        assert!(stderr.contains(&reason) && !stderr.contains("Listening"), "{line}: {stderr}");
    }
}

#[tokio::test]
async fn an_engine_is_answered_item_by_item_and_the_end_is_orderly() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "--store sqlite:items.db -v");
    let store = format!("sqlite:{}", folder.path().join("items.db").display());
    assert_eq!(server.greeting, [format!("storing in {store}")]);
    let link = server.dial().await;
    assert_eq!((link.welcome.role, link.welcome.capacity), (Role::ItemSaver, 4));
    let items = vec![item("car", "1", "{}"), item("", "2", "{}"), item("car", "3", "{}")];
    let answer = save(&link, batch(vec![page("a", 1, items), page("b", 2, vec![]), page("c", 3, vec![item("car", "1", "{}")])])).await;
    let stored = ItemAnswer::stored;
    let first = vec![stored(ItemStatus::Created), ItemAnswer::rejected("must supply Type"), stored(ItemStatus::Created)];
    assert_eq!(answer.pages, [first, vec![], vec![stored(ItemStatus::Collided)]]);
    let stats = link.client.stats(deadline(LIMIT)).await.unwrap().unwrap();
    assert_eq!((stats.store, stats.items_by_type), (store, vec![("car".to_owned(), 2)]));
    assert_eq!(link.client.ping(deadline(LIMIT)).await.unwrap().in_flight, 0);
    let (code, said) = server.terminate();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("Got item #1: car 1 {}"), "{said}");
    assert!(!folder.path().join("items.db-wal").exists(), "the log is in the database");
}

#[tokio::test]
async fn pings_do_not_wait_for_a_save_and_the_end_does() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "");
    let link = server.dial().await;
    let lock = rusqlite::Connection::open(folder.path().join("gossamer-items.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let client = link.client.clone();
    let held_up = tokio::spawn(async move { client.save(deadline(LIMIT), batch(vec![page("a", 1, vec![item("t", "1", "{}")])])).await });
    let ping = async || link.client.ping(deadline(LIMIT)).await.unwrap();
    while ping().await.in_flight == 0 {}
    assert_eq!(link.client.stats(deadline(LIMIT)).await.unwrap().unwrap().items(), 0);
    server.signal();
    while !ping().await.draining {}
    let refused = link.client.save(deadline(LIMIT), batch(vec![])).await.unwrap().unwrap_err();
    assert_eq!(refused.code, model::error::code::DRAINING);
    lock.execute_batch("ROLLBACK").unwrap();
    assert_eq!(held_up.await.unwrap().unwrap().unwrap().pages, [[ItemAnswer::stored(ItemStatus::Created)]]);
    drop(link);
    let (code, said) = server.ended();
    assert_eq!(code, 0, "{said}");
    assert_eq!(run(folder.path(), "items --count").1, "TYPE  ITEMS\nt     1\nall   1\n");
}

#[tokio::test]
async fn killed_after_an_acknowledged_save_it_has_lost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), "");
    let link = server.dial().await;
    let nth = |n: u64| batch((0..10).map(|p| page(&format!("{n}/{p}"), n, vec![item("t", &format!("{n:02}-{p}"), "{}")])).collect());
    for n in 0..10 {
        save(&link, nth(n)).await;
    }
    let unanswered = link.client.clone();
    let pending = tokio::spawn(async move { unanswered.save(deadline(LIMIT), nth(10)).await });
    save(&link, nth(11)).await;
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let acknowledged_too = matches!(pending.await.unwrap(), Ok(Ok(_)));

    let (code, stdout, stderr) = run(folder.path(), "export");
    assert_eq!(code, 0, "{stderr}");
    let ids: Vec<String> = stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].to_string()).collect();
    let of = |n: u64| (0..10).map(move |p| format!("\"{n:02}-{p}\""));
    let tenth = ids.contains(&"\"10-0\"".to_owned());
    assert!(tenth || !acknowledged_too);
    let expected: Vec<String> = (0..10).chain(tenth.then_some(10)).chain([11]).flat_map(of).collect();
    assert_eq!(ids, expected, "a batch is there whole or not at all");
}

#[tokio::test]
async fn killed_in_the_middle_of_a_save_that_is_sent_again_it_tells_each_change_once() {
    let folder = tempfile::tempdir().unwrap();
    let pages = |version: u64| -> Vec<PageItems> {
        let each = |n: u64| page(&n.to_string(), version, vec![item("car", &n.to_string(), &format!("{{\"n\":{version}}}"))]);
        (0..300).map(each).collect()
    };
    for version in 1..=4 {
        let mut server = Server::start(folder.path(), "--history");
        assert!(server.greeting[0].ends_with(", with what changes in items"), "{:?}", server.greeting);
        let link = server.dial().await;
        // Killed before, while or after it is stored: nobody knows.
        let client = link.client.clone();
        let sent = tokio::spawn(async move { client.save(deadline(LIMIT), batch(pages(version))).await });
        for _ in 0..version * 20 {
            link.client.ping(deadline(LIMIT)).await.unwrap();
        }
        server.child.kill().unwrap();
        drop(sent.await);
        drop(server);
        let server = Server::start(folder.path(), "--history");
        let link = server.dial().await;
        save(&link, batch(pages(version))).await;
        for n in 0..300 {
            let request = HistoryRequest { item_type: "car".to_owned(), id: n.to_string() };
            let history = link.client.history(deadline(LIMIT), request).await.unwrap().unwrap();
            let versions: Vec<u64> = history.changes.iter().map(|change| change.version).collect();
            assert_eq!(versions, (2..=version).collect::<Vec<_>>(), "item {n}");
        }
        assert_eq!(server.terminate().0, 0);
    }
}

#[tokio::test]
async fn what_changed_in_an_item_is_told_to_people_and_to_programs() {
    let folder = tempfile::tempdir().unwrap();
    let changes = |n: u64| {
        format!(
            "{{\"url\":\"http://h/1\",\"type\":\"car\",\"id\":\"1\",\"payload\":{{\"price\":{n},\"name\":\"x\"}},\"source\":{{\"crawl\":\"c\",\
             \"page\":\"http://h/a{n}\",\"fetched_at\":\"2024-02-2{n}T00:00:00.000Z\",\"version\":{n},\"spider\":null}}}}\n"
        )
    };
    for n in 7..=9 {
        std::fs::write(folder.path().join("items.jsonl"), changes(n)).unwrap();
        assert_eq!(run(folder.path(), if n == 9 { "import items.jsonl" } else { "import --history items.jsonl" }).0, 0);
    }
    let (code, stdout, stderr) = run(folder.path(), "history car 1");
    let expected = "2024-02-28T00:00:00.000Z  changed  c  http://h/a8 (before: 2024-02-27T00:00:00.000Z)\n    price: 7 -> 8\n";
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, expected, ""), "what was imported without --history is not told");
    let (_, stdout, _) = run(folder.path(), "history --json car 1");
    let line: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (&line["at"], &line["fields"]),
        (&"2024-02-28T00:00:00.000Z".into(), &serde_json::json!([{"field": "price", "before": 7, "after": 8}]))
    );
    let (code, stdout, stderr) = run(folder.path(), "history car 2");
    assert_eq!((code, stdout.as_str()), (0, ""));
    assert!(stderr.starts_with("no changes of car 2 are known"), "{stderr}");
}

#[tokio::test]
async fn exports_are_the_same_bytes_for_the_same_items() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path()).await;
    for (line, golden) in [
        ("export", include_str!("golden/all.jsonl")),
        ("export --format csv", include_str!("golden/all.csv")),
        ("export --format csv --type car --crawl c -o -", include_str!("golden/car.csv")),
        ("export --crawl nobody", ""),
    ] {
        assert_eq!(run(folder.path(), line), (0, golden.to_owned(), String::new()), "{line}");
    }
    assert_eq!(run(folder.path(), "export -o out.csv"), (0, String::new(), "3 items in out.csv\n".to_owned()));
    assert_eq!(std::fs::read_to_string(folder.path().join("out.csv")).unwrap(), include_str!("golden/all.csv"));
    let (code, _, stderr) = run(folder.path(), "export -o no/out.jsonl");
    assert_eq!(code, 2);
    assert!(stderr.starts_with("itemsaver: cannot write no/out.jsonl: "), "{stderr}");
}

#[tokio::test]
async fn a_parquet_file_has_the_types_told_and_says_where_it_has_not() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path()).await;
    let told = "column price is float, not integer: car a has a value that does not fit\n";
    let (code, stdout, stderr) = run(folder.path(), "export -o out.parquet");
    assert_eq!((code, stdout, stderr), (0, String::new(), format!("3 items in out.parquet\n{told}")));
    let bytes = std::fs::read(folder.path().join("out.parquet")).unwrap();
    let piped = itemsaver(folder.path()).args(["export", "--format", "parquet"]).output().unwrap();
    assert_eq!((piped.status.code(), piped.stdout == bytes, String::from_utf8(piped.stderr).unwrap()), (Some(0), true, told.to_owned()));

    let rows = |name: &str| {
        let reader = SerializedFileReader::new(std::fs::File::open(folder.path().join(name)).unwrap()).unwrap();
        let rows = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().into_columns());
        rows.map(|row| row.into_iter().map(|(_, cell)| cell.to_string()).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    let source =
        |page: &str, n| format!("\"c\" \"http://h/{page}\" 2024-02-29 00:00:00.00{n} +00:00 {n} \"714e30e908fa18046b561231522f8c0e\"");
    let [cars, people] = [source("cars", 1), source("people", 2)];
    assert_eq!(
        rows("out.parquet"),
        [
            format!("\"http://h/items/a\" \"car\" \"a\" 1.5 \"line\nbreak\" null null null null null null {cars}"),
            format!("\"http://h/items/b\" \"car\" \"b\" 1.8446744073709552E19 \"two, \"quoted\"\" null null \"7\" null null null {cars}"),
            format!("\"http://h/items/1\" \"zhenai\" \"1\" null \"安静\" \"x\" \"[1]\" null null \"true\" \"[\"a\",\"b\"]\" {people}"),
        ]
    );
    assert_eq!(run(folder.path(), "export --query 安静 -o one.parquet").2, "1 items in one.parquet\n");
    assert_eq!(rows("one.parquet").len(), 1);
    assert_eq!(run(folder.path(), "export --crawl nobody -o none.parquet").2, "0 items in none.parquet\n");
    assert_eq!(rows("none.parquet"), [""; 0]);
}

#[test]
fn a_flag_without_a_value_is_1_or_0_in_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    for (value, needed) in [("1", false), ("0", true)] {
        let mut command = itemsaver(folder.path());
        command.args(["--listen", "0.0.0.0:0", "--grace", "x"]).env("GOSSAMER_ITEMSAVER_INSECURE_PLAINTEXT", value);
        let (code, _, stderr) = outcome(command.output().unwrap());
        let told = (code, stderr.contains("--grace"), stderr.contains("--insecure-plaintext"));
        assert_eq!(told, (2, true, needed), "{value:?}: {stderr}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn an_export_does_not_write_over_the_store_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path()).await;
    let path = |name: &str| folder.path().join(name);
    let store = "gossamer-items.db";
    let before = std::fs::read(path(store)).unwrap();
    std::fs::hard_link(path(store), path("hard")).unwrap();
    std::os::unix::fs::symlink(store, path("link")).unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    let names = || {
        let entries = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        entries.collect::<std::collections::BTreeSet<_>>()
    };
    let listed = names();
    let outputs = [store, "hard", "link", "folder/../gossamer-items.db", "gossamer-items.db-wal", "./gossamer-items.db-shm"];
    for line in outputs
        .map(|output| format!("export -o {output}"))
        .into_iter()
        .chain(["export --store sqlite:link -o gossamer-items.db-wal".into()])
    {
        let (code, stdout, stderr) = run(folder.path(), &line);
        assert_eq!((code, stdout), (2, String::new()), "{line}");
        assert!(stderr.starts_with("itemsaver: cannot write ") && stderr.contains("it is part of the store sqlite:"), "{stderr}");
        assert_eq!(names(), listed, "{line}");
    }
    assert_eq!(std::fs::read(path(store)).unwrap(), before);
    assert_eq!(run(folder.path(), "export -o folder/gossamer-items.db").0, 0);
}

#[tokio::test]
async fn items_are_listed_and_counted_also_while_a_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path()).await;
    let _server = Server::start(folder.path(), "");
    let (code, stdout, stderr) = run(folder.path(), "items --limit 2");
    assert_eq!((code, stdout.lines().count()), (0, 3), "{stdout}{stderr}");
    assert!(stdout.starts_with("TYPE  ID  URL               PAYLOAD\ncar   a   http://h/items/a  {\"price\": 1.50, \"name\""), "{stdout}");
    assert!(stderr.contains("the first 2 items"), "{stderr}");
    assert_eq!(run(folder.path(), "items --count").1, "TYPE    ITEMS\ncar     2\nzhenai  1\nall     3\n");
    assert_eq!(run(folder.path(), "items --count --type zhenai").1, "TYPE    ITEMS\nzhenai  1\nall     1\n");
    assert_eq!(run(folder.path(), "items --type none"), (0, String::new(), "no items\n".to_owned()));
    // The environment's flags for a server do not get into the way of a command.
    let output = itemsaver(folder.path()).env("GOSSAMER_ITEMSAVER_PORT", "1234").args(["items", "--count"]).output().unwrap();
    assert_eq!(outcome(output).0, 0);
}

#[tokio::test]
async fn an_index_of_a_server_is_served_listed_exported_and_moved_on() {
    let folder = tempfile::tempdir().unwrap();
    let url = services::shared(services::Server::Elasticsearch);
    let store = format!("--store elasticsearch:{url}/cli-{}", std::process::id());
    let server = Server::start(folder.path(), &store);
    assert!(server.greeting[0].starts_with("storing in elasticsearch:http://127.0.0.1:"), "{:?}", server.greeting);
    let link = server.dial().await;
    let schema = |kind| vec![TypeSchema { item_type: "car".into(), fields: vec![FieldSchema { name: "price".into(), kind }] }];
    link.client.put_schema(deadline(LIMIT), schema(FieldKind::Text)).await.unwrap().unwrap();
    let cars = vec![item("car", "b", r#"{"price":"2"}"#), item("car", "a", r#"{"price":"1"}"#)];
    save(&link, batch(vec![page("cars", 1, cars)])).await;
    let lines = run(folder.path(), &format!("export {store}")).1;
    let begins = |line: &str, id: &str| line.starts_with(&format!("{{\"url\":\"http://h/items/{id}\",\"type\":\"car\""));
    assert!(lines.lines().count() == 2 && lines.lines().zip(["a", "b"]).all(|(line, id)| begins(line, id)), "{lines}");
    let refusal = link.client.put_schema(deadline(LIMIT), schema(FieldKind::Integer)).await.unwrap().unwrap_err();
    assert!(refusal.detail.contains("run `itemsaver reindex`"), "{refusal}");
    assert_eq!(server.terminate().0, 0);
    let (code, _, stderr) = run(folder.path(), &format!("reindex {store}"));
    assert_eq!((code, stderr.contains("2 items are in cli-")), (0, true), "{stderr}");
    assert_eq!(run(folder.path(), &format!("export {store}")).1, lines);
    assert_eq!(run(folder.path(), &format!("items --count {store}")).1, "TYPE  ITEMS\ncar   2\nall   2\n");
    let told = "column price is text, not integer: car a has a value that does not fit";
    assert_eq!(run(folder.path(), &format!("export {store} -o cars.parquet")).2, format!("2 items in cars.parquet\n{told}\n"));
    std::fs::remove_file(folder.path().join("cars.parquet")).unwrap();
    let (code, _, stderr) = run(folder.path(), "reindex");
    assert_eq!((code, stderr.contains("has no index to move")), (2, true), "{stderr}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is kept here");
}

#[tokio::test]
async fn items_are_found_and_exported_by_a_query() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path()).await;
    // What was not indexed when the server ended is made up for by the next one.
    let server = Server::start(folder.path(), "");
    let link = server.dial().await;
    let request = SearchRequest { query: "price:<2".into(), limit: 10, ..SearchRequest::default() };
    let answer = link.client.search(deadline(LIMIT), request).await.unwrap().unwrap();
    assert_eq!((answer.count, answer.behind, answer.hits[0].item.id.as_str()), (1, 0, "a"));
    let (code, stdout, stderr) = run(folder.path(), "search 安静 OR quoted --json");
    assert_eq!((code, stdout.lines().count(), stderr.as_str()), (0, 2, "2 of 2 items\n"), "{stdout}");
    assert_eq!(run(folder.path(), "export --query 安静").1.lines().count(), 1);
    let (code, stdout, stderr) = run(folder.path(), "search (a");
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (2, "", "itemsaver: this parenthesis is not closed\n  (a\n  ^\n"));
    assert_eq!(run(folder.path(), "search nobody"), (0, String::new(), "0 of 0 items\n".to_owned()));
}

#[tokio::test]
async fn an_export_is_imported_into_any_store_and_comes_out_the_same() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path()).await;
    assert_eq!(run(folder.path(), "export -o items.jsonl").0, 0);
    let lines = std::fs::read_to_string(folder.path().join("items.jsonl")).unwrap();
    let index = format!("elasticsearch:{}/import-{}", services::shared(services::Server::Elasticsearch), std::process::id());
    for store in ["sqlite:other.db", &index] {
        for _ in 0..2 {
            let (code, _, stderr) = run(folder.path(), &format!("import --store {store} items.jsonl"));
            assert_eq!((code, stderr.contains("3 items in ")), (0, true), "{stderr}");
            assert_eq!(run(folder.path(), &format!("export --store {store}")).1, lines, "{store}");
        }
    }
    let mut child = itemsaver(folder.path()).args(["import", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"\n{\"url\":\"http://h/\"}\n").unwrap();
    let (code, _, stderr) = outcome(child.wait_with_output().unwrap());
    assert!(code == 1 && stderr.contains("line 2 of standard input is no item: missing field `type`"), "{stderr}");
    assert_eq!(run(folder.path(), "import none.jsonl").0, 2);
}

#[tokio::test]
async fn a_reader_that_has_enough_ends_an_export_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "");
    let link = server.dial().await;
    // More than a pipe and the writer's buffer hold.
    let payload = format!("{{\"a\":\"{}\"}}", "x".repeat(1000));
    save(&link, batch(vec![page("a", 1, (0..2000).map(|n| item("t", &n.to_string(), &payload)).collect())])).await;
    let mut child = itemsaver(folder.path()).arg("export").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(outcome(child.wait_with_output().unwrap()), (0, String::new(), String::new()));
}
