//! `-o`: items as lines of a file or of standard output, in addition to the store.
//!
//! A thread of its own, so that a reader who is slow (or a terminal that is stopped) holds up the saving, and with it the fetching, but
//! never the engine loop. A page's lines are written after it is stored and before it is committed.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use itemsaver::export::{CsvColumns, Header, ItemWriter};
use model::save::ItemStatus;
use model::schema::TypeSchema;
use model::{CrawlName, Source, SpiderHash};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use crate::event::Event;
use crate::frontier::OutputMark;
use crate::saver::SavedPage;

/// Batches that wait to be written: one is written while the next is saved.
const BATCHES: usize = 2;

/// Where items go and how they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputConfig {
    /// Where.
    pub target: OutputTarget,
    /// How.
    pub format: OutputFormat,
}

/// Where items go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputTarget {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

impl fmt::Display for OutputTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OutputTarget::Stdout => f.write_str("-"),
            OutputTarget::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// How items are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// One JSON object a line.
    Jsonl,
    /// A table with the columns of the spider's item types.
    Csv,
}

/// Why nothing more can be written.
#[derive(Clone, Debug, Error)]
pub enum OutputError {
    /// The reader of standard output has left, as `head` does.
    #[error("the reader of the output has closed it")]
    Closed,
    /// The disk is full, or the like.
    #[error("cannot write the output: {0}")]
    Failed(String),
}

/// What all lines of a crawl have in common.
#[derive(Clone, Debug)]
pub struct OutputSource {
    /// The crawl.
    pub crawl: CrawlName,
    /// The spider that reads the pages.
    pub spider: Option<SpiderHash>,
}

/// Sends stored pages to the writing thread.
#[derive(Clone, Debug)]
pub struct OutputSender {
    batches: mpsc::Sender<Vec<SavedPage>>,
}

/// The writing thread.
#[derive(Debug)]
pub struct Output {
    /// Sends to it; it ends when all senders are dropped.
    pub sender: OutputSender,
    /// Dropped by the thread when it ends.
    ended: oneshot::Receiver<()>,
    crawled: Arc<AtomicBool>,
}

impl OutputSender {
    /// Writes a batch, after those before it. Answers false when the thread has ended and nothing is written any more.
    pub async fn send(&self, pages: Vec<SavedPage>) -> bool {
        self.batches.send(pages).await.is_ok()
    }
}

impl Output {
    /// Opens the target and starts the thread. It forwards what it has written to `events` as saved, or an error, which is its last word.
    /// A file is cut to `resume_at` and continued there; without, it is begun anew.
    ///
    /// # Errors
    /// When the target cannot be opened, as for a folder that does not exist.
    pub fn start(
        config: &OutputConfig,
        resume_at: Option<u64>,
        schema: &[TypeSchema],
        source: OutputSource,
        events: mpsc::Sender<Event>,
    ) -> io::Result<Output> {
        let crawled = Arc::new(AtomicBool::new(false));
        let out: Box<dyn Write + Send> = match &config.target {
            OutputTarget::Stdout => Box::new(io::stdout()),
            // What is there is replaced when there is something to replace it with: a crawl that cannot start leaves it alone.
            OutputTarget::File(path) => {
                let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
                Box::new(Replacing { file, cut_to: Some(resume_at.unwrap_or(0)), crawled: Arc::clone(&crawled) })
            }
        };
        let written = Arc::new(AtomicU64::new(resume_at.unwrap_or(0)));
        let out = BufWriter::with_capacity(256 * 1024, Counting { out, written: Arc::clone(&written) });
        let mark = match &config.target {
            OutputTarget::Stdout => None,
            OutputTarget::File(path) => Some((path.display().to_string(), written)),
        };
        let writer = match config.format {
            OutputFormat::Jsonl => ItemWriter::jsonl(out),
            OutputFormat::Csv => {
                let header = if resume_at.is_some_and(|bytes| bytes > 0) { Header::AlreadyThere } else { Header::Write };
                ItemWriter::csv(out, CsvColumns::of_schemas(schema), header)?
            }
        };
        let (batches, receiver) = mpsc::channel(BATCHES);
        let (ending, ended) = oneshot::channel::<()>();
        std::thread::Builder::new().name("output".to_owned()).spawn(move || {
            let _ending = ending;
            write_all(receiver, writer, &source, mark.as_ref(), &events);
        })?;
        Ok(Output { sender: OutputSender { batches }, ended, crawled })
    }

    /// Waits until everything sent is written, once no other sender is left. For ever, if nobody reads: give it a limit. `crawled`: whether
    /// there was a crawl at all; without one a file stays as it was.
    pub async fn finish(self, crawled: bool) {
        self.crawled.store(crawled, Ordering::Release);
        drop(self.sender);
        let _ = self.ended.await;
    }
}

/// Counts what is written through it. All of it happens on one thread; the count is shared for want of a way to the inside of a writer.
struct Counting<W> {
    out: W,
    written: Arc<AtomicU64>,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.written.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A file that is cut when the first new lines come: what a killed crawl wrote after its last commit goes then, and of a file that is
/// begun anew everything.
struct Replacing {
    file: File,
    cut_to: Option<u64>,
    /// Set when the crawl has come to its end, so that one without items leaves an empty file, and one that never began what was there.
    crawled: Arc<AtomicBool>,
}

impl Write for Replacing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.cut()?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.crawled.load(Ordering::Acquire) { self.cut() } else { Ok(()) }
    }
}

impl Replacing {
    fn cut(&mut self) -> io::Result<()> {
        if let Some(bytes) = self.cut_to.take()
            && self.file.metadata()?.is_file()
        {
            self.file.set_len(bytes)?;
            self.file.seek(SeekFrom::Start(bytes))?;
        }
        Ok(())
    }
}

/// Refuses to continue a table under the headings of another version of the spider.
///
/// # Errors
/// A sentence for the user.
pub fn refuse_other_columns(path: &Path, format: OutputFormat, schema: &[TypeSchema]) -> Result<(), String> {
    let unreadable = |error: io::Error| format!("--output {}: {error}", path.display());
    if format == OutputFormat::Jsonl {
        return Ok(());
    }
    let mut headings = Vec::new();
    ItemWriter::csv(&mut headings, CsvColumns::of_schemas(schema), Header::Write).map_err(unreadable)?;
    let mut found = vec![0; headings.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut found)).map_err(unreadable)?;
    if found == headings {
        return Ok(());
    }
    Err(format!("--output {} has the columns of another version of the spider: name another file", path.display()))
}

/// Refuses a file that holds something already: a new crawl must not write over it unasked.
///
/// # Errors
/// A sentence for the user.
pub fn refuse_taken(path: &Path) -> Result<(), String> {
    match path.metadata() {
        Ok(metadata) if metadata.is_file() && metadata.len() > 0 => {
            Err(format!("--output {} is there already and not empty: add --overwrite to replace it", path.display()))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

fn write_all<W: Write>(
    mut batches: mpsc::Receiver<Vec<SavedPage>>,
    mut writer: ItemWriter<W>,
    source: &OutputSource,
    mark: Option<&(String, Arc<AtomicU64>)>,
    events: &mpsc::Sender<Event>,
) {
    while let Some(pages) = batches.blocking_recv() {
        let event = match write(&mut writer, &pages, source) {
            Ok(()) => {
                let output = mark.map(|(file, written)| OutputMark { file: file.clone(), bytes: written.load(Ordering::Relaxed) });
                Event::Saved { pages, output }
            }
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Event::Output(OutputError::Closed),
            Err(error) => Event::Output(OutputError::Failed(error.to_string())),
        };
        let over = matches!(event, Event::Output(_));
        if events.blocking_send(event).is_err() || over {
            return;
        }
    }
    // Nobody is left to be told of an error: everything was flushed batch by batch.
    let _ = writer.flush();
}

fn write<W: Write>(writer: &mut ItemWriter<W>, pages: &[SavedPage], source: &OutputSource) -> io::Result<()> {
    for SavedPage { page, answers, .. } in pages {
        let source = Source {
            crawl: source.crawl.clone(),
            page: page.page.clone(),
            fetched_at_ms: page.fetched_at_ms,
            version: page.version,
            spider: source.spider.clone(),
        };
        for (item, answer) in page.items.iter().zip(answers) {
            match answer.status {
                ItemStatus::Created | ItemStatus::Replaced | ItemStatus::Collided => writer.write(item, &source)?,
                ItemStatus::Rejected | ItemStatus::Unknown => {}
            }
        }
    }
    writer.flush()
}
