//! The saver: brings pages to the itemsaver, many to a batch, and tells the engine when they are durable.
//!
//! A batch goes as soon as the itemsaver is idle; it never lingers for more. What waits is bounded by the page permits of the engine, so an
//! itemsaver that is slow or away stops the fetching and not the machine.

mod batch;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use model::save::{ItemAnswer, PageItems, SaveBatch};
use model::schema::TypeSchema;
use model::{CrawlName, DedupKey, RunId, SpiderHash};
use rpcsupport::dial::deadline;
use rpcsupport::{DialError, ItemSaverServiceClient, Link};
use tokio::sync::mpsc;

use crate::backoff;
use crate::event::Event;
use crate::limits::SAVE;
use crate::output::OutputSender;
use batch::{Step, Work};

/// First pause before the itemsaver is tried again; doubles up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(200);

/// Longest pause before the itemsaver is tried again: it is missed for at most this long after it came back.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Pages of one batch at most. More gain nothing once a commit's sync is shared by a few hundred.
const BATCH_PAGES: usize = 512;

/// Bytes of payloads and URLs of one batch, from which on no page is added: well below the frame limit of 20 MiB, whatever one page
/// (at most 8 MiB) adds.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// How the itemsaver is reached: over TCP, or in this process.
#[derive(Clone)]
pub struct SaverSource {
    /// As the user wrote it, or `embedded`.
    pub name: String,
    /// Dials once, hello included.
    pub dial: Arc<dyn Fn() -> BoxFuture<'static, Result<Link<ItemSaverServiceClient>, DialError>> + Send + Sync>,
}

/// Whose items are saved.
#[derive(Clone, Debug)]
pub struct SaverIdentity {
    /// The crawl that owns the pages.
    pub crawl: CrawlName,
    /// Its run.
    pub run: RunId,
    /// The spider that reads the pages.
    pub spider: Option<SpiderHash>,
    /// The fields of its item types.
    pub schema: Vec<TypeSchema>,
}

/// A page on its way to the store.
#[derive(Clone, Debug)]
pub struct PageToSave {
    /// The page's request.
    pub key: DedupKey,
    /// Its items, all of them.
    pub page: PageItems,
}

/// A page that is stored.
#[derive(Clone, Debug)]
pub struct SavedPage {
    /// The page's request.
    pub key: DedupKey,
    /// Its items, as they were sent.
    pub page: PageItems,
    /// What became of each.
    pub answers: Vec<ItemAnswer>,
}

/// Whether the itemsaver is there.
#[derive(Debug)]
pub enum SaverEvent {
    /// It is.
    Up,
    /// It is not, for this reason; it is tried again without limit.
    Away(String),
}

/// The saver's task. Ends when the engine drops the sending side of `pages` or the receiving side of `events`, and everything before is
/// saved.
pub struct Saver {
    /// Reaches the itemsaver.
    pub source: SaverSource,
    /// Whose items these are.
    pub identity: SaverIdentity,
    /// Pages to save; its length is that of the page permits.
    pub pages: mpsc::Receiver<PageToSave>,
    /// Where saved pages go first, if there is a `-o`.
    pub output: Option<OutputSender>,
    /// Where saved pages are told.
    pub events: mpsc::Sender<Event>,
}

struct EngineGone;

impl Saver {
    /// Runs the task, with a link that was made at start.
    pub async fn run(mut self, link: Link<ItemSaverServiceClient>) {
        let mut link = Some(link);
        let mut held = None;
        while let Some(batch) = self.next_batch(&mut held).await {
            match self.save(batch, &mut link).await {
                Ok(saved) => {
                    let told = match &self.output {
                        Some(output) => output.send(saved).await,
                        None => self.events.send(Event::Saved(saved)).await.is_ok(),
                    };
                    if !told {
                        return;
                    }
                }
                Err(EngineGone) => return,
            }
        }
    }

    /// All that waits, up to the limits of a batch; `held` is the page that did not fit into the last one.
    async fn next_batch(&mut self, held: &mut Option<PageToSave>) -> Option<Vec<PageToSave>> {
        let first = match held.take() {
            Some(page) => page,
            None => self.pages.recv().await?,
        };
        let mut bytes = size(&first);
        let mut batch = vec![first];
        while batch.len() < BATCH_PAGES
            && let Ok(page) = self.pages.try_recv()
        {
            if bytes + size(&page) > BATCH_BYTES {
                *held = Some(page);
                break;
            }
            bytes += size(&page);
            batch.push(page);
        }
        Some(batch)
    }

    async fn save(&self, batch: Vec<PageToSave>, link: &mut Option<Link<ItemSaverServiceClient>>) -> Result<Vec<SavedPage>, EngineGone> {
        let mut work = Work::new(batch);
        let mut failures = 0;
        while let Some(pages) = work.next() {
            let connected = match link {
                Some(connected) => connected,
                None => link.insert(self.connect().await?),
            };
            let call = connected.client.save(deadline(SAVE), self.batch(pages)).await;
            match call {
                Ok(Ok(answer)) => {
                    failures = 0;
                    work.saved(answer);
                }
                Ok(Err(error)) => {
                    // It answers, so the connection is well; what it says is about this batch or its disk.
                    self.away(format!("{}: {error}", self.source.name)).await?;
                    let answers = matches!(connected.client.stats(deadline(SAVE)).await, Ok(Ok(_)));
                    if work.failed(answers, &error.to_string()) == Step::Pause {
                        failures += 1;
                        self.pause(failures).await?;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "itemsaver lost");
                    *link = None;
                    failures += 1;
                    // A connection that breaks with this batch each time may break because of it: smaller ones will tell.
                    work.broke();
                    self.pause(failures).await?;
                }
            }
        }
        Ok(work.finish())
    }

    fn batch(&self, pages: Vec<PageItems>) -> SaveBatch {
        let SaverIdentity { crawl, run, spider, .. } = &self.identity;
        SaveBatch { crawl: crawl.clone(), run: *run, spider: spider.clone(), pages }
    }

    async fn connect(&self) -> Result<Link<ItemSaverServiceClient>, EngineGone> {
        let mut failures = 0;
        loop {
            let problem = match (self.source.dial)().await {
                Ok(link) => match introduce(&link, &self.identity.schema).await {
                    Ok(()) => {
                        self.tell(SaverEvent::Up).await?;
                        return Ok(link);
                    }
                    Err(problem) => problem,
                },
                Err(error) => error.to_string(),
            };
            failures += 1;
            self.away(format!("error connecting to {}: {problem}", self.source.name)).await?;
            self.pause(failures).await?;
        }
    }

    async fn pause(&self, failures: u32) -> Result<(), EngineGone> {
        let pause = backoff::pause(PAUSE, failures, rand::random()).min(LONGEST_PAUSE);
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.events.closed() => Err(EngineGone),
        }
    }

    async fn away(&self, problem: String) -> Result<(), EngineGone> {
        self.tell(SaverEvent::Away(problem)).await
    }

    async fn tell(&self, event: SaverEvent) -> Result<(), EngineGone> {
        self.events.send(Event::Saver(event)).await.map_err(|_| EngineGone)
    }
}

/// Tells a newly linked itemsaver the fields of the items to come.
///
/// # Errors
/// A sentence, when it refuses them or is gone again.
pub async fn introduce(link: &Link<ItemSaverServiceClient>, schema: &[TypeSchema]) -> Result<(), String> {
    match link.client.put_schema(deadline(SAVE), schema.to_vec()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("it refuses the item types: {error}")),
        Err(error) => Err(error.to_string()),
    }
}

fn size(page: &PageToSave) -> usize {
    let item = |item: &model::Item| item.payload.as_str().len() + item.url.as_str().len() + item.id.as_str().len() + item.item_type.len();
    page.page.page.as_str().len() + page.page.items.iter().map(item).sum::<usize>()
}
