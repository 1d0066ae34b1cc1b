//! The saver: brings pages to the itemsaver, many to a batch, and tells the engine when they are durable.
//!
//! A batch goes as soon as the itemsaver is idle, but not sooner than some milliseconds after the last one, the more the larger that was. What waits is bounded by the page permits of the
//! engine, so an itemsaver that is slow or away stops the fetching and not the machine.

mod batch;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use model::save::{ItemAnswer, PageItems, SaveBatch};
use model::schema::TypeSchema;
use model::{CrawlName, DedupKey, RetryClass, RunId, SpiderHash};
use rpcsupport::dial::{deadline, within};
use rpcsupport::{DialError, ItemSaverServiceClient, Link};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::backoff;
use crate::event::Event;
use crate::limits::SAVE;
use crate::output::OutputSender;
use batch::{Step, Work};

/// First pause before the itemsaver is tried again; doubles up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(200);

/// Longest pause before the itemsaver is tried again: it is missed for at most this long after it came back.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Time after the beginning of a batch in which no other begins: so much for each of its pages, at least and at most. A batch costs the store a
/// sync however small it is, and the indices of its pages are written once for all of them; so where much is going on, from 500 pages a second
/// on, more and more is gathered. A page whose batch is the first in so long waits for nothing; pages that are found one by another, each from
/// the one before it, are two hundred a second at most.
const PACE_A_PAGE: Duration = Duration::from_millis(2);
const LEAST_PACE: Duration = Duration::from_millis(5);
const PACE: Duration = Duration::from_millis(25);

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

/// The connection to the itemsaver, and whether the engine was told that there is a problem.
struct Line {
    link: Option<Link<ItemSaverServiceClient>>,
    away: bool,
}

impl Saver {
    /// Runs the task, with a link that was made at start.
    pub async fn run(mut self, link: Link<ItemSaverServiceClient>) {
        let mut line = Line { link: Some(link), away: false };
        let (mut held, mut due) = (None, Instant::now());
        while let Some(batch) = self.next_batch(&mut held, &mut due).await {
            match self.save(batch, &mut line).await {
                Ok(saved) => {
                    let told = match &self.output {
                        Some(output) => output.send(saved).await,
                        None => self.events.send(Event::Saved { pages: saved, output: None }).await.is_ok(),
                    };
                    if !told {
                        // The engine still sends until it has heard that the output ended: its pages stay where they are.
                        self.events.closed().await;
                        return;
                    }
                }
                Err(EngineGone) => return,
            }
        }
    }

    /// All that waits once a batch is due, up to the limits of a batch; `held` is the page that did not fit into the last one.
    async fn next_batch(&mut self, held: &mut Option<PageToSave>, due: &mut Instant) -> Option<Vec<PageToSave>> {
        let first = match held.take() {
            Some(page) => page,
            None => self.pages.recv().await?,
        };
        tokio::time::sleep_until(*due).await;
        let begun = Instant::now();
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
        let pages = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        *due = begun + PACE_A_PAGE.saturating_mul(pages).clamp(LEAST_PACE, PACE);
        Some(batch)
    }

    async fn save(&self, batch: Vec<PageToSave>, line: &mut Line) -> Result<Vec<SavedPage>, EngineGone> {
        let mut work = Work::new(batch);
        let mut failures = 0;
        while let Some(pages) = work.next() {
            if line.link.is_none() {
                line.link = Some(self.connect(line).await?);
            }
            let client = &line.link.as_ref().expect("just connected").client;
            let problem = match within(SAVE, client.save(deadline(SAVE), self.batch(pages))).await {
                Some(Ok(Ok(answer))) => {
                    failures = 0;
                    work.saved(answer);
                    self.back(line).await?;
                    continue;
                }
                Some(Ok(Err(error))) => {
                    // A refusal or a passing trouble says nothing about the batch; anything else does if the itemsaver is otherwise well.
                    let about_batch = match error.retry {
                        RetryClass::Peer | RetryClass::Attempt | RetryClass::Origin => false,
                        RetryClass::Skip | RetryClass::Dead | RetryClass::Unknown => {
                            matches!(within(SAVE, client.stats(deadline(SAVE))).await, Some(Ok(Ok(_))))
                        }
                    };
                    if work.failed(about_batch, &error.to_string()) == Step::GoOn {
                        continue;
                    }
                    if error.retry == RetryClass::Peer {
                        line.link = None;
                    }
                    error.to_string()
                }
                Some(Err(error)) => {
                    line.link = None;
                    // A connection that breaks with this batch each time may break because of it: smaller ones will tell.
                    work.broke();
                    error.to_string()
                }
                None => {
                    line.link = None;
                    "no answer in time".to_owned()
                }
            };
            failures += 1;
            self.away(line, format!("{}: {problem}", self.source.name)).await?;
            self.pause(failures).await?;
        }
        Ok(work.finish())
    }

    fn batch(&self, pages: Vec<PageItems>) -> SaveBatch {
        let SaverIdentity { crawl, run, spider, .. } = &self.identity;
        SaveBatch { crawl: crawl.clone(), run: *run, spider: spider.clone(), pages }
    }

    async fn connect(&self, line: &mut Line) -> Result<Link<ItemSaverServiceClient>, EngineGone> {
        let mut failures = 0;
        loop {
            let problem = match (self.source.dial)().await {
                Ok(link) => match introduce(&link, &self.identity.schema).await {
                    Ok(()) => return Ok(link),
                    Err(problem) => problem.to_string(),
                },
                Err(error) => error.to_string(),
            };
            failures += 1;
            self.away(line, format!("error connecting to {}: {problem}", self.source.name)).await?;
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

    async fn away(&self, line: &mut Line, problem: String) -> Result<(), EngineGone> {
        line.away = true;
        self.tell(SaverEvent::Away(problem)).await
    }

    async fn back(&self, line: &mut Line) -> Result<(), EngineGone> {
        if std::mem::take(&mut line.away) { self.tell(SaverEvent::Up).await } else { Ok(()) }
    }

    async fn tell(&self, event: SaverEvent) -> Result<(), EngineGone> {
        self.events.send(Event::Saver(event)).await.map_err(|_| EngineGone)
    }
}

/// Why an itemsaver does not know the fields of the items to come.
#[derive(Debug, thiserror::Error)]
pub enum IntroduceError {
    /// It will not have them; asking again will not help.
    #[error("it refuses the item types: {0}")]
    Refused(model::WireError),
    /// It is gone again.
    #[error("{0}")]
    Gone(String),
}

/// Tells a newly linked itemsaver the fields of the items to come.
///
/// # Errors
/// [`IntroduceError`].
pub async fn introduce(link: &Link<ItemSaverServiceClient>, schema: &[TypeSchema]) -> Result<(), IntroduceError> {
    match within(SAVE, link.client.put_schema(deadline(SAVE), schema.to_vec())).await {
        Some(Ok(Ok(()))) => Ok(()),
        Some(Ok(Err(error))) => Err(IntroduceError::Refused(error)),
        Some(Err(error)) => Err(IntroduceError::Gone(error.to_string())),
        None => Err(IntroduceError::Gone("no answer in time".to_owned())),
    }
}

/// Bytes a page takes on its way: what the limit of a batch and that of waiting outcomes are about.
pub(crate) fn size(page: &PageToSave) -> usize {
    let item = |item: &model::Item| item.payload.as_str().len() + item.url.as_str().len() + item.id.as_str().len() + item.item_type.len();
    page.page.page.as_str().len() + page.page.items.iter().map(item).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use model::CrawlUrl;

    use super::*;

    fn page(n: u32) -> PageToSave {
        let page = CrawlUrl::parse(&format!("http://h/{n}")).unwrap();
        PageToSave { key: page.dedup_key(), page: PageItems { page, fetched_at_ms: 1, version: 1, items: vec![], addition: false } }
    }

    fn saver(pages: mpsc::Receiver<PageToSave>) -> Saver {
        let source = SaverSource { name: "nowhere".to_owned(), dial: Arc::new(|| unreachable!("nothing is saved here")) };
        let identity = SaverIdentity { crawl: CrawlName::new("c").unwrap(), run: RunId(1), spider: None, schema: vec![] };
        Saver { source, identity, pages, output: None, events: mpsc::channel(1).0 }
    }

    #[tokio::test(start_paused = true)]
    async fn batches_begin_the_later_the_more_pages_the_last_one_had_and_a_page_after_a_pause_waits_for_nothing() {
        const MANY: u32 = 100;
        let (sender, pages) = mpsc::channel(MANY as usize);
        let mut saver = saver(pages);
        // The clock of timers goes by milliseconds.
        let tick = Duration::from_millis(1);
        let (mut held, mut due, start) = (None, Instant::now(), Instant::now());
        for n in 0..MANY {
            sender.send(page(n)).await.unwrap();
        }
        assert_eq!(saver.next_batch(&mut held, &mut due).await.unwrap().len(), MANY as usize);
        assert_eq!(start.elapsed(), Duration::ZERO);
        let more = async {
            sender.send(page(MANY)).await.unwrap();
            tokio::time::sleep(PACE / 2).await;
            sender.send(page(MANY + 1)).await.unwrap();
        };
        let (batch, ()) = tokio::join!(saver.next_batch(&mut held, &mut due), more);
        assert_eq!(batch.unwrap().len(), 2);
        assert!((PACE..=PACE + tick).contains(&start.elapsed()), "{:?}", start.elapsed());
        let start = Instant::now();
        sender.send(page(MANY + 2)).await.unwrap();
        assert_eq!(saver.next_batch(&mut held, &mut due).await.unwrap().len(), 1);
        assert!((LEAST_PACE..=LEAST_PACE + tick).contains(&start.elapsed()), "{:?}", start.elapsed());
        tokio::time::sleep(PACE).await;
        let start = Instant::now();
        sender.send(page(MANY + 3)).await.unwrap();
        assert_eq!(saver.next_batch(&mut held, &mut due).await.unwrap().len(), 1);
        assert_eq!(start.elapsed(), Duration::ZERO);
        drop(sender);
        assert!(saver.next_batch(&mut held, &mut due).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_pages_a_second_go_forty_times_a_second_and_a_hundred_go_each_by_itself() {
        for (every, pages, batches) in [(Duration::from_millis(1), 1_000, 40..=50), (Duration::from_millis(10), 100, 100..=100)] {
            let (sender, queue) = mpsc::channel(1_000);
            let mut saver = saver(queue);
            let feed = async move {
                for n in 0..pages {
                    sender.send(page(n)).await.unwrap();
                    tokio::time::sleep(every).await;
                }
            };
            let drain = async {
                let (mut held, mut due, mut sizes) = (None, Instant::now(), Vec::new());
                while let Some(batch) = saver.next_batch(&mut held, &mut due).await {
                    sizes.push(batch.len());
                }
                sizes
            };
            let ((), sizes) = tokio::join!(feed, drain);
            assert_eq!(sizes.iter().sum::<usize>(), pages as usize);
            assert!(batches.contains(&sizes.len()), "{sizes:?}");
        }
    }
}
