//! What saving and searching costs: `cargo bench -p itemsaver --bench stores -- [ITEMS [STORE…]]`, by default 100000 items in a SQLite file
//! of a temporary folder. A store is written as for `itemsaver --store`; an index must not be there yet.
//!
//! Saves invented people, one a page, in batches of 256 pages, four at a time as a busy engine does; then waits until all can be found; then
//! searches each query 60 times. Prints items a second, and the median and the 95th percentile of a search in milliseconds with its number of
//! hits. Beside a search server's figure stands its own: the documents that it then has, sent to an index made alike by bulks and nothing else.

use elasticsearch::http::Method;
use elasticsearch::http::headers::HeaderMap;
use elasticsearch::http::transport::Transport;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use itemsaver::{AnyStore, Store, StoreSpec};
use model::save::{PageItems, SaveBatch};
use model::schema::{FieldKind, FieldSchema, TypeSchema};
use model::search::SearchRequest;
use model::{CrawlName, CrawlUrl, Item, ItemId, PayloadJson, RunId};
use tokio::time::Instant;

/// Pages of a batch.
const BATCH: usize = 256;

/// Batches under way.
const AT_ONCE: usize = 4;

/// Documents of a bulk that only measures the server, and of a search that reads them.
const BULK: usize = 1000;

/// Times that each query is asked.
const SEARCHES: usize = 60;

/// Queries: some with few hits, some with up to 10,000, some with far more.
const QUERIES: [(&str, Option<&str>); 9] = [
    ("人77777", None),
    ("Code:q7", None),
    ("Code:q7 Age:(<30)", Some("-Age")),
    ("Type:person Code:q7 House:已购房", None),
    ("已购房", None),
    ("已购房 Age:(<30) NOT Gender:男", None),
    ("Age:([20 TO 40])", None),
    ("Type:person", Some("Age")),
    ("", None),
];

fn person(n: usize) -> PageItems {
    let pick = |of: &[&str], salt: usize| of[(n / salt) % of.len()].to_owned();
    let payload = serde_json::json!({
        "Name": format!("人{n}"), "Gender": pick(&["男", "女"], 1), "Age": 18 + (n * 7) % 50, "Height": 150 + (n * 13) % 45,
        "Weight": 45 + (n * 11) % 50, "Income": pick(&["3001-5000元", "5001-8000元", "8001-10000元"], 3), "Marriage": pick(&["未婚", "离异"], 5),
        "Education": pick(&["大学本科", "硕士", "大专", "高中及以下"], 2), "Occupation": pick(&["教师", "software engineer", "人事/行政", "销售"], 7),
        "Hukou": pick(&["四川阿坝", "浙江杭州", "北京", "上海"], 4), "Xinzuo": pick(&["牡羊座", "金牛座", "双子座"], 6),
        "House": pick(&["已购房", "租房"], 3), "Car": pick(&["已购车", "未购车"], 2), "Code": format!("q{}", n % 110),
    });
    let url = CrawlUrl::parse(&format!("http://h/u/{n}")).expect("a URL");
    let item = Item {
        url: url.clone(),
        item_type: "person".to_owned(),
        id: ItemId::given(n.to_string()).expect("not empty"),
        payload: PayloadJson::of(&payload).expect("plain data"),
    };
    PageItems { page: url, fetched_at_ms: 1_700_000_000_000, version: 1, items: vec![item], addition: false }
}

#[allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]
async fn measure(spec: &StoreSpec, items: usize) {
    let store = AnyStore::open(spec).await.expect("a store");
    let field = |name: &str, kind| FieldSchema { name: name.to_owned(), kind };
    let fields = vec![field("Name", FieldKind::Text), field("Age", FieldKind::Integer), field("Height", FieldKind::Integer)];
    store.put_schema(vec![TypeSchema { item_type: "person".to_owned(), fields }]).await.expect("fields");
    let started = Instant::now();
    let saving = stream::iter((0..items).step_by(BATCH)).map(|from| {
        let pages = (from..items.min(from + BATCH)).map(person).collect();
        let batch = SaveBatch { crawl: CrawlName::new("bench").expect("a name"), run: RunId(1), spider: None, pages };
        store.save(batch)
    });
    let batches: Vec<_> = saving.buffer_unordered(AT_ONCE).try_collect().await.expect("saved");
    assert_eq!(batches.len(), items.div_ceil(BATCH));
    let saved = started.elapsed();
    let request = |query: &str, sort: Option<&str>| SearchRequest {
        query: query.to_owned(),
        sort: sort.map(str::to_owned),
        limit: 10,
        ..SearchRequest::default()
    };
    while itemsaver::search::answer(&store, &request("", None)).await.expect("an answer").behind > 0 {}
    let found = started.elapsed();
    println!(
        "{spec}: {items} items, {:.0} a second saved, all found {:.1} s later",
        items as f64 / saved.as_secs_f64(),
        (found - saved).as_secs_f64()
    );
    for (query, sort) in QUERIES {
        let (mut times, mut hits) = (Vec::new(), String::new());
        for _ in 0..SEARCHES {
            let started = Instant::now();
            let answer = itemsaver::search::answer(&store, &request(query, sort)).await.expect("an answer");
            times.push(started.elapsed().as_secs_f64() * 1000.0);
            hits = format!("{}{}", answer.count, if answer.more { "+" } else { "" });
        }
        times.sort_by(f64::total_cmp);
        println!(
            "{:>8.1} {:>8.1} ms {hits:>8} hits  {query} {}",
            times[SEARCHES / 2],
            times[SEARCHES * 95 / 100],
            sort.unwrap_or_default()
        );
    }
    store.close().await;
}

/// What a server answers.
async fn ask(server: &Transport, method: Method, path: &str, body: String) -> serde_json::Value {
    let sent = server.send(method, path, HeaderMap::new(), None::<&()>, Some(body), None).await.expect("an answer");
    let path = path.to_owned();
    assert!(sent.status_code().is_success(), "{path}: {}", sent.status_code());
    sent.json().await.expect("JSON")
}

/// Documents a second that the server of a store takes by bulks alone, one after the other.
#[allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]
async fn measure_server(store: &str) {
    let Some((url, index)) = store.split_once(':').and_then(|(kind, place)| (kind != "sqlite").then(|| place.rsplit_once('/'))?) else {
        return;
    };
    let server = Transport::single_node(url).expect("a URL");
    let indices = ask(&server, Method::Get, &format!("/{index}/_mapping"), String::new()).await;
    let mapping = &indices.as_object().expect("indices").values().next().expect("one")["mappings"];
    let made = serde_json::json!({ "settings": { "index": { "number_of_shards": 1 } }, "mappings": mapping });
    ask(&server, Method::Put, &format!("/{index}-bulks"), made.to_string()).await;
    let (mut documents, mut took, mut after) = (0, std::time::Duration::ZERO, serde_json::Value::Null);
    loop {
        let mut search = serde_json::json!({ "size": BULK, "sort": ["type", "id"], "track_total_hits": false });
        if !after.is_null() {
            search["search_after"] = after;
        }
        let answer = ask(&server, Method::Post, &format!("/{index}/_search"), search.to_string()).await;
        let hits = answer["hits"]["hits"].as_array().expect("hits");
        let Some(last) = hits.last() else { break };
        after = last["sort"].clone();
        let document = |hit: &serde_json::Value| format!("{{\"index\":{{\"_id\":{}}}}}\n{}\n", hit["_id"], hit["_source"]);
        let bulk: String = hits.iter().map(document).collect();
        let started = Instant::now();
        let answer = ask(&server, Method::Post, &format!("/{index}-bulks/_bulk"), bulk).await;
        took += started.elapsed();
        assert_eq!(answer["errors"], false);
        documents += hits.len();
    }
    println!("{store}: {documents} documents, {:.0} a second by bulks of {BULK} alone", documents as f64 / took.as_secs_f64());
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let items = arguments.next().map_or(100_000, |items| items.parse().expect("a number of items"));
    let mut stores: Vec<String> = arguments.collect();
    let folder = tempfile::tempdir().expect("a folder");
    if stores.is_empty() {
        stores.push(format!("sqlite:{}", folder.path().join("items.db").display()));
    }
    for store in &stores {
        measure(&StoreSpec::parse(store).expect("a store"), items).await;
        measure_server(store).await;
    }
}
