//! The itemsaver, reached before anything is fetched.

use std::time::Duration;

use anyhow::{Context, bail};
use model::CrawlName;
use model::hello::{CrawlIdentity, Hello};
use model::schema::TypeSchema;
use rpcsupport::{ItemSaverServiceClient, Link};
use tokio::time::Instant;

use crate::config::Config;
use crate::embedded::EmbeddedSaver;
use crate::frontier::{FrontierError, TakenOver, Tenure};
use crate::limits::DIAL;
use crate::report::Places;
use crate::saver::{self, IntroduceError, SaverIdentity, SaverSource};
use crate::sources;
use crate::state::StateDir;

/// Pause between two tries to reach the itemsaver at start.
const REDIAL: Duration = Duration::from_millis(200);

/// An itemsaver that was reached, and what it leaves behind.
pub(super) struct Stored {
    pub(super) link: Link<ItemSaverServiceClient>,
    pub(super) source: SaverSource,
    pub(super) embedded: Option<EmbeddedSaver>,
    pub(super) places: Places,
}

impl Stored {
    pub(super) async fn open(config: &Config, state: &StateDir, hello: &Hello, tenure: &Tenure) -> anyhow::Result<Stored> {
        let schema = config.schema();
        let (source, embedded, places) = match &config.itemsaver {
            None => {
                let file = state.items();
                let saver = EmbeddedSaver::open(&file, config.history).await.with_context(|| format!("cannot open {}", file.display()))?;
                (saver.source(hello.clone()), Some(saver), places(state))
            }
            Some(host) => (sources::itemsaver(host, hello), None, Places { items: format!("the itemsaver at {host}"), export: None }),
        };
        let link = reach(&source, &schema, config.engine.wait_for_workers, tenure, &config.crawl).await?;
        if embedded.is_none() {
            tracing::info!(software = link.welcome.software, "Connected to {}", source.name);
        }
        let places = match config.itemsaver {
            Some(_) => Places { items: format!("{} ({})", places.items, store_of(&link).await), export: places.export },
            None => places,
        };
        Ok(Stored { link, source, embedded, places })
    }
}

/// Where the items of an embedded itemsaver are.
pub(super) fn places(state: &StateDir) -> Places {
    if !state.is_kept() {
        return Places { items: "the output alone (--state DIR keeps them too)".to_owned(), export: None };
    }
    let store = format!("sqlite:{}", state.items().display());
    Places { export: Some(format!("itemsaver export --store '{store}' --format jsonl -o items.jsonl")), items: store }
}

async fn store_of(link: &Link<ItemSaverServiceClient>) -> String {
    match link.client.stats(rpcsupport::dial::deadline(DIAL)).await {
        Ok(Ok(stats)) => stats.store,
        Ok(Err(_)) | Err(_) => "it does not say where it stores".to_owned(),
    }
}

/// Dials the itemsaver until it answers and knows what will come, or `patience` is over, or others have gone on with the crawl.
async fn reach(
    source: &SaverSource,
    schema: &[TypeSchema],
    patience: Duration,
    tenure: &Tenure,
    crawl: &CrawlName,
) -> anyhow::Result<Link<ItemSaverServiceClient>> {
    let end = Instant::now() + patience;
    let mut told = false;
    loop {
        let problem = match (source.dial)().await {
            Ok(link) => match saver::introduce(&link, schema).await {
                Ok(()) => return Ok(link),
                Err(error @ IntroduceError::Refused(_)) => bail!("{}: {error}", source.name),
                Err(IntroduceError::Gone(problem)) => problem,
            },
            Err(error) if error.is_passing() => error.to_string(),
            // Whoever opens a crawl at which others are joins them: so by then this engine was not among them any more.
            Err(error) if error.is_stale() && tenure.is_shared() => {
                return Err(FrontierError::TakenOver(TakenOver { crawl: crawl.to_string() }).into());
            }
            Err(error) => bail!("error connecting to {}: {error}", source.name),
        };
        if Instant::now() >= end {
            bail!("error connecting to {}: {problem}", source.name);
        }
        if !told {
            told = true;
            tracing::warn!("error connecting to {}: {problem}; trying for {}", source.name, humantime::format_duration(patience));
        }
        tokio::time::sleep(REDIAL).await;
    }
}

pub(super) fn saver_identity(config: &Config, hello: &Hello) -> SaverIdentity {
    let CrawlIdentity { crawl, run, .. } = hello.crawl.clone().expect("an engine says for which crawl it calls");
    SaverIdentity { crawl, run, spider: config.spider.as_ref().map(|loaded| loaded.file.hash.clone()), schema: config.schema() }
}
