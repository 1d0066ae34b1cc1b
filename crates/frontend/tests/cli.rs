//! The page as a browser meets it, over an itemsaver with a SQLite store; and the program around it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use itemsaver::{ItemSaver, StoreSpec};
use model::save::{PageItems, SaveBatch};
use model::schema::{FieldKind, FieldSchema, TypeSchema};
use model::{CrawlName, CrawlUrl, Item, RunId};
use rpcsupport::ItemSaverHandler as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Far longer than anything takes.
const LIMIT: Duration = Duration::from_secs(60);

/// An itemsaver and a frontend over it.
struct Site {
    folder: tempfile::TempDir,
    saver: ItemSaver,
    itemsaver: std::net::SocketAddr,
    served: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    base: String,
    client: reqwest::Client,
    _frontend: JoinHandle<()>,
}

impl Site {
    async fn of(items: Vec<Item>) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let itemsaver = listener.local_addr().unwrap();
        let saver = ItemSaver::open_with_history(&StoreSpec::sqlite(folder.path().join("items.db")).unwrap()).await.unwrap();
        let field = |name: &str, kind| FieldSchema { name: name.to_owned(), kind };
        let schema =
            TypeSchema { item_type: "zhenai".to_owned(), fields: vec![field("Age", FieldKind::Integer), field("Name", FieldKind::Text)] };
        saver.put_schema(vec![schema]).await.unwrap();
        let pages: Vec<PageItems> = items.into_iter().enumerate().map(|(at, item)| page(at, item)).collect();
        for pages in pages.chunks(200) {
            let batch = SaveBatch { crawl: CrawlName::new("c").unwrap(), run: RunId(1), spider: None, pages: pages.to_vec() };
            saver.save(batch).await.unwrap();
        }
        let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", front.local_addr().unwrap());
        let address = format!(":{}", itemsaver.port()).parse().unwrap();
        let frontend = tokio::spawn(frontend::run(front, address, std::future::pending()));
        let client = reqwest::Client::builder().no_proxy().timeout(LIMIT).build().unwrap();
        let mut site = Site { folder, saver, itemsaver, served: None, base, client, _frontend: frontend };
        site.serve(listener);
        // All that was saved can be found.
        while site.json("/api/search").await["behind"] != 0 {}
        site
    }

    fn serve(&mut self, listener: TcpListener) {
        let (stop, stopped) = oneshot::channel::<()>();
        let saver = self.saver.clone();
        let reception = saver.reception();
        let served = tokio::spawn(async move {
            let shutdown = async { drop(stopped.await) };
            rpcsupport::serve_itemsaver(listener, reception, Arc::new(saver), shutdown, Duration::ZERO).await;
        });
        self.served = Some((stop, served));
    }

    async fn stop_itemsaver(&mut self) {
        let (stop, served) = self.served.take().unwrap();
        drop(stop);
        served.await.unwrap();
    }

    async fn get(&self, path: &str) -> (u16, String) {
        self.get_in("en", path).await
    }

    async fn get_in(&self, language: &str, path: &str) -> (u16, String) {
        let response = self.client.get(format!("{}{path}", self.base)).header("Accept-Language", language).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).await.1).unwrap()
    }
}

fn page(at: usize, item: Item) -> PageItems {
    let page = CrawlUrl::parse(&format!("http://h/{at}")).unwrap();
    PageItems { page, fetched_at_ms: 1_709_164_800_000, version: 1, items: vec![item], addition: false }
}

fn item(item_type: &str, id: &str, payload: &Value) -> Item {
    let item = json!({"url": format!("http://h/items/{id}"), "type": item_type, "id": id, "payload": payload.to_string()});
    serde_json::from_value(item).unwrap()
}

fn person(at: usize) -> Item {
    item("zhenai", &at.to_string(), &json!({"Name": format!("人{at}"), "Age": at, "Height": 170, "Marriage": "未婚", "House": "已购房"}))
}

fn count(text: &str, what: &str) -> usize {
    text.matches(what).count()
}

#[tokio::test]
async fn ten_a_page_with_previous_and_next_exact_at_both_ends() {
    let site = Site::of((0..25).map(person).collect()).await;
    for (from, cards, links) in
        [("", 10, (0, 1)), ("&from=10", 10, (1, 1)), ("&from=20", 5, (1, 0)), ("&from=x", 10, (0, 1)), ("&from=-10", 10, (0, 1))]
    {
        let (status, html) = site.get(&format!("/search?q=%20已购房%20{from}")).await;
        assert_eq!((status, count(&html, "<article class=\"person\">")), (200, cards), "{from}");
        assert_eq!((count(&html, "rel=\"prev\""), count(&html, "rel=\"next\"")), links, "{from}");
        assert!(html.contains("25 items") && html.contains("<mark>已购房</mark>"), "{html}");
    }
    let exactly = site.get("/search?q=Age:(<20)&from=10").await.1;
    assert_eq!((count(&exactly, "<article"), count(&exactly, "rel=\"next\"")), (10, 0), "twenty are two pages");
    let sorted = site.json("/api/search?q=Age:(<20)&sort=-Age&limit=3").await;
    assert_eq!(sorted["hits"][0]["payload"]["Age"], 19);
    let after = sorted["next"].as_str().unwrap();
    let next = site.json(&format!("/api/search?q=Age:(<20)&sort=-Age&limit=3&after={after}")).await;
    assert_eq!(next["hits"][0]["payload"]["Age"], 16);
}

#[tokio::test]
async fn types_have_their_cards_and_facets_and_items_their_page_and_json() {
    let car = item("car", "m\"1", &json!({"Name": "Audi", "MaxSpeed": 240.5, "Displacement": 2.0}));
    let thing = item("gadget", "g", &json!({"anything": {"deep": [1, 2]}, "big": 18_446_744_073_709_551_615_u64}));
    let other = item("page", "p", &json!({"status": 200, "title": "A title", "description": "and more"}));
    let site = Site::of(vec![person(1), car, thing, other]).await;
    let (status, html) = site.get("/search").await;
    assert_eq!(status, 200);
    for class in ["person", "car", "page", "thing"] {
        assert_eq!(count(&html, &format!("<article class=\"{class}\">")), 1, "{class}");
    }
    let (_, narrowed) = site.get("/search?q=(Audi) Type:\"car\"").await;
    assert_eq!(count(&narrowed, "<article"), 1);
    assert!(html.contains("Type%3A%22gadget%22"), "a facet for each type");
    let (status, html) = site.get("/item?type=car&id=m%221").await;
    assert!(status == 200 && html.contains("240.5") && html.contains("car m&quot;1"), "{html}");
    let json = site.json("/item.json?type=gadget&id=g").await;
    assert_eq!(
        (json["payload"]["big"].as_u64(), json["source"]["fetched_at"].as_str()),
        (Some(u64::MAX), Some("2024-02-29T00:00:00.000Z"))
    );
    assert_eq!(site.get("/item?type=car&id=none").await.0, 404);
    assert_eq!(site.get("/item.json?type=car&id=none").await.0, 404);
}

#[tokio::test]
async fn what_changed_in_an_item_is_on_its_page_in_both_languages_and_as_json() {
    let site = Site::of(vec![person(1), item("t", "2", &json!({}))]).await;
    let mut changed = page(0, item("zhenai", "1", &json!({"Name": "<b>人", "Age": 31, "Height": 170, "Marriage": "未婚", "new": [1]})));
    changed.version += 1;
    changed.fetched_at_ms += 60_000;
    let batch = SaveBatch { crawl: CrawlName::new("c").unwrap(), run: RunId(2), spider: None, pages: vec![changed] };
    site.saver.save(batch).await.unwrap();
    while site.json("/api/search").await["behind"] != 0 {}
    let (status, html) = site.get("/item?type=zhenai&id=1").await;
    assert_eq!(status, 200);
    for part in [
        "<h3>What changed</h3><ol><li><b>2024-02-29T00:01:00.000Z</b> changed c ",
        "<span class=\"note\">(before: 2024-02-29T00:00:00.000Z)</span>",
        "<dt>Age</dt><dd><del>1</del> <ins>31</ins></dd>",
        "<dt>Name</dt><dd><del>人1</del> <ins>&lt;b&gt;人</ins></dd>",
        "<dt>House</dt><dd><del>已购房</del> </dd>",
        "<dt>new</dt><dd> <ins>[1]</ins></dd>",
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    let chinese = site.get_in("zh", "/item?type=zhenai&id=1").await.1;
    assert!(chinese.contains("<h3>变更记录</h3>") && chinese.contains("<dt>年龄</dt><dd><del>1</del> <ins>31</ins></dd>"), "{chinese}");
    let json = site.json("/api/history?type=zhenai&id=1").await;
    assert_eq!(json["changes"][0]["fields"].as_array().unwrap().len(), 4);
    assert_eq!((&json["changes"][0]["change"], &json["changes"][0]["before_at"]), (&json!("changed"), &json!("2024-02-29T00:00:00.000Z")));
    let unchanged = site.get("/item?type=t&id=2").await.1;
    assert!(!unchanged.contains("What changed"), "{unchanged}");
    assert_eq!(site.json("/api/history?type=t&id=2").await, json!({"changes": []}));
}

#[tokio::test]
async fn a_mistake_is_a_400_at_its_place_and_an_injection_is_text() {
    let site = Site::of(vec![person(1)]).await;
    let (status, html) = site.get("/search?q=Age:(<x)").await;
    assert_eq!(status, 400);
    assert!(html.contains("Age:(&lt;<mark class=\"place\">x</mark>)") && html.contains("a number is missing here"), "{html}");
    let (status, json) = site.get("/api/search?q=%28a").await;
    assert_eq!((status, json.as_str()), (400, r#"{"error":{"message":"this parenthesis is not closed","at":0}}"#));
    assert_eq!(site.get("/download?q=%28a").await.0, 400);
    assert_eq!(site.get("/download?format=xml").await.0, 400);
    for (query, status) in
        [("'; DROP TABLE items; --", 200), ("{\"match_all\":{}}", 200), ("* OR 1=1", 200), ("\u{0}", 200), ("a) OR (b", 400)]
    {
        let query: String = url_encoded(query);
        assert_eq!(site.get(&format!("/search?q={query}")).await.0, status, "{query}");
    }
    assert_eq!(site.json("/api/search").await["count"], 1);
}

fn url_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn what_is_in_items_is_shown_as_text_and_no_page_runs_or_loads_anything() {
    let evil = json!({"Name": "<script>alert(1)</script>", "link": "javascript:alert(1)", "<img src=x onerror=alert(1)>": "\"><b>"});
    let site = Site::of(vec![item("<b>", "<i>", &evil)]).await;
    for path in ["/search", "/search?q=%3Cscript%3Ealert(1)%3C/script%3E", "/item?type=%3Cb%3E&id=%3Ci%3E"] {
        let response = site.client.get(format!("{}{path}", site.base)).send().await.unwrap();
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; style-src 'self'"), "{policy}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let html = response.text().await.unwrap();
        for bad in ["<script", "<img", "onerror=alert(1)>", "<b>", "<i>", "href=\"javascript"] {
            assert!(!html.contains(bad), "{bad} is in {path}: {html}");
        }
        assert!(html.contains("&lt;script&gt;"), "{html}");
        assert_eq!(count(&html, "href=\"http"), count(&html, "rel=\"noopener noreferrer nofollow\""), "only sources lead elsewhere");
    }
}

#[tokio::test]
async fn an_itemsaver_that_is_away_is_a_503_until_it_is_back() {
    let mut site = Site::of(vec![person(1)]).await;
    site.stop_itemsaver().await;
    let (status, html) = site.get("/search?q=x").await;
    assert_eq!(status, 503);
    assert!(html.contains("The items cannot be searched at present") && html.contains("connection refused"), "{html}");
    assert_eq!(site.get("/api/search").await.0, 503);
    assert_eq!(site.get("/download").await.0, 503);
    let listener = TcpListener::bind(site.itemsaver).await.unwrap();
    site.serve(listener);
    assert_eq!(site.get("/search").await.0, 200);
    site.saver.close().await;
    let (status, html) = site.get("/search").await;
    assert!(status == 503 && html.contains("is closed"), "{html}");
    assert!(site.folder.path().exists());
}

#[tokio::test]
async fn a_result_is_downloaded_whole_as_lines_and_as_a_table() {
    let site = Site::of((0..1_203).map(person).collect()).await;
    let (status, lines) = site.get("/download?q=Age:>=3").await;
    assert_eq!((status, lines.lines().count()), (200, 1_200));
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((first["type"].as_str(), first["payload"]["Age"].as_u64()), (Some("zhenai"), Some(1_202)));
    let (status, table) = site.get("/download?format=csv&q=Age:<3").await;
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!((status, rows.len()), (200, 4));
    assert!(rows[0].starts_with("url,type,id,Age,Height,House,Marriage,Name,source.crawl"), "{}", rows[0]);
    assert!(rows[1].starts_with("http://h/items/2,zhenai,2,2,170,已购房,未婚,人2,c,http://h/2,"), "{}", rows[1]);
}

#[tokio::test]
async fn a_result_of_too_many_fields_is_no_table_and_is_still_lines() {
    let many: serde_json::Map<String, Value> = (0..3_000).map(|n| (format!("f{n}"), json!(n))).collect();
    let site = Site::of(vec![item("t", "1", &Value::Object(many))]).await;
    let (status, answer) = site.get("/download?format=csv").await;
    assert_eq!(status, 400);
    assert!(answer.contains("more than 2000 different fields are too many for a table"), "{answer}");
    let (status, lines) = site.get("/download").await;
    assert_eq!((status, lines.lines().count()), (200, 1));
}

#[tokio::test]
async fn the_page_speaks_the_browsers_language() {
    let site = Site::of(vec![person(30)]).await;
    let chinese = site.get_in("zh-CN,zh;q=0.9", "/search").await.1;
    assert!(
        chinese.contains("<html lang=\"zh-CN\">") && chinese.contains("1 条结果") && chinese.contains("<dt>年龄</dt><dd>30</dd>"),
        "{chinese}"
    );
    let english = site.get("/search").await.1;
    assert!(english.contains("<html lang=\"en\">") && english.contains("<dt>Age</dt><dd>30</dd>"), "{english}");
}

/// A page as Chromium has it in its tree once it is loaded, for a person who reads this language.
async fn in_chromium(url: String, language: &'static str) -> String {
    let opened = tokio::task::spawn_blocking(move || {
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Command::new("timeout");
        browser.arg(LIMIT.as_secs().to_string()).args(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"]);
        // Nothing but the page is to be asked for.
        browser.args(["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        browser.arg(format!("--user-data-dir={}", profile.path().display())).arg(format!("--accept-lang={language}"));
        browser.args(["--dump-dom", &url]).stdin(Stdio::null()).output()
    });
    let output = opened.await.unwrap().expect("`timeout` is part of every Debian");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "Chromium ended with {}; is it installed (apt-get install chromium)? It said: {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn chromium_shows_what_is_in_items_as_text_runs_none_of_it_and_reads_the_language_it_asks_for() {
    let script = "<script>document.title = 'ran'</script>";
    let image = "<img src=x onerror=\"document.title = 'ran'\">";
    let evil = json!({"Name": script, "link": "javascript:document.title = 'ran'", "html": image, "已": "已购房"});
    let site = Site::of(vec![item("zhenai", "1", &evil)]).await;
    for (path, language, found) in
        [("/search?q=已购房", "en", "1 item"), ("/search?q=已购房", "zh-CN", "1 条结果"), ("/item?type=zhenai&id=1", "en", "")]
    {
        let tree = in_chromium(format!("{}{path}", site.base), language).await;
        assert!(tree.contains(&format!("<html lang=\"{language}\">")) && tree.contains(found), "{tree}");
        assert!(tree.contains("&lt;script&gt;document.title = 'ran'&lt;/script&gt;"), "{tree}");
        for element in ["<script", "<img", "href=\"javascript:", "<title>ran"] {
            assert!(!tree.contains(element), "{element} is in {tree}");
        }
    }
    let marked = in_chromium(format!("{}/search?q=已购房", site.base), "en").await;
    assert_eq!((count(&marked, "<mark>已购房</mark>"), count(&marked, "<article")), (1, 1), "{marked}");
}

#[test]
fn the_program_says_where_it_listens_and_what_is_wrong_with_its_flags() {
    let run = |line: &str| Command::new(env!("CARGO_BIN_EXE_frontend")).args(line.split_whitespace()).output().unwrap();
    let output = run("--port x --itemsaver_host nowhere");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 2), "{said}");
    let mut child = Command::new(env!("CARGO_BIN_EXE_frontend"))
        .args(["--listen", "127.0.0.1:0", "--itemsaver-host", ":1"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let said = lines.find(|line| line.starts_with("Listening on 127.0.0.1:")).unwrap();
    assert!(said.ends_with("/search"), "{said}");
    let sent = Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
