//! How fast the SQLite store is on this disk: batches of 100 pages with 20 items each, stored anew, then replaced.
//!
//! `cargo run --release -p itemsaver --example throughput [FOLDER] [BATCHES]`

#![allow(clippy::print_stdout, reason = "a measurement is for the person who asked for it")]

use std::path::PathBuf;
use std::sync::Arc;

use itemsaver::store::{SqliteStore, Store};
use model::save::{PageItems, SaveBatch};
use model::{CrawlName, CrawlUrl, Item, ItemId, PayloadJson, RunId};
use tokio::task::JoinSet;
use tokio::time::Instant;

const PAGES: u64 = 100;
const ITEMS: usize = 20;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let batches: u64 = arguments.next().map_or(Ok(100), |n| n.parse())?;
    let path = folder.join(format!("throughput-{}.db", std::process::id()));
    let store = Arc::new(SqliteStore::open(&path).await?);
    for (name, version, at_once) in [("new, one at a time", 1, 1), ("replaced, one at a time", 2, 1), ("replaced, four at a time", 3, 4)] {
        let began = Instant::now();
        for group in 0..batches / at_once {
            let mut saves = JoinSet::new();
            for number in group * at_once..(group + 1) * at_once {
                let (store, batch) = (Arc::clone(&store), batch(number, version)?);
                saves.spawn(async move { store.save(batch).await });
            }
            while let Some(saved) = saves.join_next().await {
                saved??;
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        let items = (batches / at_once * at_once * PAGES * ITEMS as u64) as f64;
        println!("{name}: {items} items in {seconds:.2} s, {:.0} items/s", items / seconds);
    }
    store.close().await;
    println!("{} bytes", std::fs::metadata(&path)?.len());
    std::fs::remove_file(path)?;
    Ok(())
}

fn batch(number: u64, version: u64) -> Result<SaveBatch, Box<dyn std::error::Error>> {
    let pages = (0..PAGES).map(|n| page(number * PAGES + n, version)).collect::<Result<_, _>>()?;
    Ok(SaveBatch { crawl: CrawlName::new("throughput")?, run: RunId(1), spider: None, pages })
}

fn page(number: u64, version: u64) -> Result<PageItems, Box<dyn std::error::Error>> {
    let page = CrawlUrl::parse(&format!("http://site.example/pages/{number}"))?;
    let payload = PayloadJson::parse(format!(
        r#"{{"name":"name {number}","age":{version},"height":180,"income":"8000-12000","city":"a city","married":false,"hobbies":["a","b"]}}"#
    ))?;
    let items = (0..ITEMS).map(|ordinal| Item {
        url: page.clone(),
        item_type: "person".to_owned(),
        id: ItemId::derived(page.dedup_key(), "person", ordinal),
        payload: payload.clone(),
    });
    Ok(PageItems { items: items.collect(), page, fetched_at_ms: version, version, addition: false })
}
