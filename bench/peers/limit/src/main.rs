//! Fetches the addresses of a list and looks at none: `peer-limit LIST OUTPUT`. What a crawler could reach at most with this client.

use std::env;
use std::fs::{File, read_to_string};
use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use page::Page;
use tokio::task::JoinSet;

const IN_FLIGHT: usize = 100;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = env::args().skip(1);
    let list = read_to_string(arguments.next().context("no list")?)?;
    let mut output = BufWriter::new(File::create(arguments.next().context("no output")?)?);
    let addresses: Arc<[String]> = list.lines().map(String::from).collect();

    // Its connections are kept, and bodies are unpacked as they come.
    let client = reqwest::Client::builder().pool_max_idle_per_host(IN_FLIGHT).build()?;
    let next = Arc::new(AtomicUsize::new(0));
    let mut fetchers = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (client, addresses, next) = (client.clone(), addresses.clone(), next.clone());
        fetchers.spawn(async move {
            let mut pages = Vec::new();
            while let Some(address) = addresses.get(next.fetch_add(1, Ordering::Relaxed)) {
                let answer = client.get(address).send().await?.error_for_status()?;
                pages.push(Page::fetched(address, answer.bytes().await?.len()));
            }
            anyhow::Ok(pages)
        });
    }
    while let Some(pages) = fetchers.join_next().await {
        for page in pages?? {
            serde_json::to_writer(&mut output, &page)?;
            output.write_all(b"\n")?;
        }
    }
    output.flush()?;
    Ok(())
}
