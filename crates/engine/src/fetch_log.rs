//! `--fetch-log`: what was asked of whom, when and on which terms, one JSON object a line, for whoever has to prove that a crawl was polite.
//!
//! There is a record before each request is sent and one after it has ended, written by the request loop that has it. A request is sent only
//! after its record was handed to the operating system, and the engine hears of its end only after that was. So the order of the lines can
//! be trusted: what a host's clock was based on stands above what it allowed, also when the process is killed between any two lines. The
//! time of a request is never later than its sending, and that of its end never earlier than the arrival of its outcome at its request loop.
//!
//! A thread writes; each request loop waits for its own record, so no more of them are in memory than requests are in flight. A log that cannot
//! be written any more stops the crawl.

use std::borrow::Cow;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::{Outcome, RobotsAnswer, RobotsRules, Verdict};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::event::Event;
use crate::request_loop::{Dispatch, End};
use crate::scheduler::{ROBOTS_HOPS, RobotsErrand};

/// One line of the log. Times are in milliseconds since the Unix epoch; they never run back within one start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Record<'r> {
    /// A start of the crawl: what was in flight before has ended with its process.
    Start(Start<'r>),
    /// A request is about to be sent.
    Dispatch(Sent<'r>),
    /// A request has ended.
    Outcome(Came<'r>),
}

/// See [`Record::Start`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start<'r> {
    /// When the process began.
    pub at_ms: u64,
    /// The crawl.
    pub crawl: Cow<'r, str>,
    /// Which of its starts.
    pub epoch: u64,
}

/// See [`Record::Dispatch`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sent<'r> {
    /// When.
    pub at_ms: u64,
    /// Tells requests of one start apart.
    pub number: u64,
    /// The host.
    pub host: Cow<'r, str>,
    /// What is fetched.
    pub url: Cow<'r, str>,
    /// The worker that fetches it, as the user named it.
    pub worker: Cow<'r, str>,
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// The host whose robots.txt is sought, where a redirect has led from there to this one, whoever has this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub led_from: Option<Cow<'r, str>>,
    /// The pause that is in force between two requests to the host, without jitter, in whole milliseconds.
    pub delay_ms: u64,
    /// The pause that was in force since the last request under the clock that the host shares with others, where it shares one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_delay_ms: Option<u64>,
    /// Most requests in flight to the host; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<usize>,
    /// Whether robots.txt allows it; absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub robots_allow: Option<bool>,
}

/// See [`Record::Outcome`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Came<'r> {
    /// When.
    pub at_ms: u64,
    /// The request's number.
    pub number: u64,
    /// The host.
    pub host: Cow<'r, str>,
    /// What was fetched.
    pub url: Cow<'r, str>,
    /// The worker that fetched it.
    pub worker: Cow<'r, str>,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// What came of it: `page`, `redirect`, `robots`, `lost`, or the code of a failure.
    pub verdict: Cow<'r, str>,
    /// The HTTP status, if the site answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Bytes of the body.
    pub bytes: u64,
    /// The host's address that was connected to; absent where it was a proxy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The proxy that it was fetched through: scheme, host and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Cow<'r, str>>,
    /// The lease of the crawl had lapsed, or the database did not answer, when it was heard of: others may have visited the host by then, and when it
    /// ended is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// The worker fell silent and may still be fetching until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// The rules that were fetched, if it was a robots.txt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub robots: Option<FetchedRobots<'r>>,
}

/// Rules that hold from here on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FetchedRobots<'r> {
    /// The origin they are of: that of the URL, or one that a redirect has led from.
    pub of: Cow<'r, str>,
    /// The rules.
    pub rules: Cow<'r, RobotsRules>,
}

/// Records that may wait for the thread beyond those it has taken; who finds it full waits.
const LINES: usize = 256;

/// Where request loops write their records. The thread ends when this is dropped.
#[derive(Debug)]
pub struct FetchLog {
    lines: mpsc::Sender<Line>,
    clock: Clock,
    numbers: AtomicU64,
    deadline: Duration,
}

/// A record on its way.
#[derive(Debug)]
struct Line {
    text: Vec<u8>,
    written: oneshot::Sender<()>,
}

/// The log cannot be written any more; the engine knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnded;

/// What a log is begun with.
#[derive(Debug)]
pub struct LogStart<'s> {
    /// The crawl's name.
    pub crawl: &'s str,
    /// Which of its starts.
    pub epoch: u64,
    /// When this process began.
    pub started: Instant,
    /// The time of the last commit before it, in milliseconds since the Unix epoch: the log's clock does not begin earlier.
    pub least_ms: u64,
    /// How long a worker may take for a job.
    pub deadline: Duration,
}

impl FetchLog {
    /// Appends to a file, or makes it, and starts the thread that writes. `ended` resolves when everything is written and the log is dropped.
    ///
    /// # Errors
    /// When the file cannot be written or there is no thread to be had.
    pub fn start(path: &Path, start: LogStart<'_>, events: mpsc::Sender<Event>) -> io::Result<(FetchLog, oneshot::Receiver<()>)> {
        let LogStart { crawl, epoch, started, least_ms, deadline } = start;
        let mut file = open(path)?;
        let clock = Clock::begin(least_ms);
        file.write_all(&line(&Record::Start(Start { at_ms: clock.millis_by(started), crawl: crawl.into(), epoch })))?;
        let (lines, queue) = mpsc::channel(LINES);
        let (over, ended) = oneshot::channel();
        std::thread::Builder::new().name("fetch-log".to_owned()).spawn(move || {
            run(file, queue, &events);
            // Whoever no longer listens need not know.
            let _ = over.send(());
        })?;
        Ok((FetchLog { lines, clock, numbers: AtomicU64::new(0), deadline }, ended))
    }

    /// Notes a request that is about to be sent; answers its number once the record is with the operating system.
    ///
    /// # Errors
    /// When it could not be written: the request must not be sent.
    pub async fn sent(&self, dispatch: &Dispatch) -> Result<u64, LogEnded> {
        let Dispatch { request, terms, lease, robots, robots_allow, .. } = dispatch;
        let led_from = robots.as_ref().map(|errand| errand.of.host()).filter(|host| host.as_str() != request.url.host_str());
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let record = Record::Dispatch(Sent {
            at_ms: self.clock.millis_by(Instant::now()),
            number,
            host: request.url.host_str().into(),
            url: request.url.as_str().into(),
            worker: lease.client.name().into(),
            attempt: request.tries.attempts + 1,
            led_from: led_from.as_ref().map(|host| host.as_str().into()),
            delay_ms: terms.delay.as_millis() as u64,
            shared_delay_ms: terms.shared_delay.map(|delay| delay.as_millis() as u64),
            most: terms.most,
            robots_allow: *robots_allow,
        });
        self.write(line(&record)).await?;
        Ok(number)
    }

    /// Notes the end of a request; `late`: the lease does not hold any more.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn came(&self, number: u64, dispatch: &Dispatch, end: &End, late: bool) -> Result<(), LogEnded> {
        let Dispatch { request, robots, lease, since, .. } = dispatch;
        let mut came = Came {
            at_ms: self.clock.millis_by(Instant::now()),
            number,
            host: request.url.host_str().into(),
            url: request.url.as_str().into(),
            worker: lease.client.name().into(),
            attempt: request.tries.attempts + 1,
            verdict: "lost".into(),
            status: None,
            bytes: 0,
            address: None,
            proxy: None,
            late,
            until_ms: None,
            robots: None,
        };
        match end {
            End::Lost { silent, .. } => came.until_ms = silent.then(|| self.clock.millis_by(*since + self.deadline)),
            End::Answered(outcome) => {
                let Outcome { verdict, fetch } = outcome;
                came.verdict = match verdict {
                    Verdict::Page(_) => "page".into(),
                    Verdict::Redirect(_) => "redirect".into(),
                    Verdict::Robots(_) => "robots".into(),
                    Verdict::Failed(error) => error.code.as_str().into(),
                };
                came.robots = robots.as_deref().and_then(|errand| fetched(errand, outcome));
                came.proxy = fetch.proxy.as_deref().map(Cow::Borrowed);
                let address = fetch.remote.filter(|_| fetch.proxy.is_none()).map(|remote| remote.ip());
                (came.status, came.bytes, came.address) = (fetch.status, fetch.bytes, address);
            }
        }
        self.write(line(&Record::Outcome(came))).await
    }

    async fn write(&self, text: Vec<u8>) -> Result<(), LogEnded> {
        let (written, wait) = oneshot::channel();
        self.lines.send(Line { text, written }).await.map_err(|_| LogEnded)?;
        wait.await.map_err(|_| LogEnded)
    }
}

/// The rules that hold from this answer on: also where there is no robots.txt, or none any more.
fn fetched<'r>(errand: &'r RobotsErrand, outcome: &'r Outcome) -> Option<FetchedRobots<'r>> {
    let of = errand.of.as_str().into();
    if let Verdict::Robots(rules) = &outcome.verdict {
        return Some(FetchedRobots { of, rules: Cow::Borrowed(rules) });
    }
    let rules = match RobotsAnswer::of(outcome.clone()) {
        RobotsAnswer::Rules(rules) => rules,
        RobotsAnswer::Elsewhere(_) if errand.hops >= ROBOTS_HOPS => RobotsRules::allow_all(),
        RobotsAnswer::Elsewhere(_) | RobotsAnswer::Trouble(_) | RobotsAnswer::Refused(_) => return None,
    };
    Some(FetchedRobots { of, rules: Cow::Owned(rules) })
}

fn line(record: &Record<'_>) -> Vec<u8> {
    let mut text = serde_json::to_vec(record).expect("a record has a JSON form");
    text.push(b'\n');
    text
}

/// Opens a log to go on with, unless another engine writes to it: numbers and starts are of one engine. A line that a kill has cut short is ended,
/// so that the next one is whole.
fn open(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let is_file = file.metadata()?.is_file();
    // Where files cannot be locked it is up to the user.
    if is_file && matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another engine writes to it; each needs a log of its own"));
    }
    if is_file && file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

fn run(mut file: File, mut queue: mpsc::Receiver<Line>, events: &mpsc::Sender<Event>) {
    let mut waiting = Vec::new();
    while let Some(first) = queue.blocking_recv() {
        let mut text = first.text;
        waiting.push(first.written);
        while let Ok(line) = queue.try_recv() {
            text.extend(line.text);
            waiting.push(line.written);
        }
        if let Err(error) = file.write_all(&text) {
            // Dropping the receipts tells their owners.
            let _ = events.blocking_send(Event::FetchLog(error.to_string()));
            return;
        }
        for written in waiting.drain(..) {
            // A request loop that has been stopped does not wait any more.
            let _ = written.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::outcome::FetchFacts;
    use model::{CrawlUrl, Redirect, RetryClass, WireError};

    #[test]
    fn rules_that_are_gone_are_noted_as_much_as_rules_that_are_there() {
        let mut errand = RobotsErrand::to(&CrawlUrl::parse("http://h/").unwrap().origin());
        let failed = |status, class| Outcome {
            verdict: Verdict::Failed(WireError::new("x", class, "")),
            fetch: FetchFacts { status: Some(status), ..FetchFacts::default() },
        };
        let target = CrawlUrl::parse("http://h/r").unwrap();
        let redirect = Redirect { key: target.dedup_key(), target };
        let elsewhere = Outcome { verdict: Verdict::Redirect(redirect), fetch: FetchFacts::default() };
        let all = FetchedRobots { of: "http://h".into(), rules: Cow::Owned(RobotsRules::allow_all()) };
        assert_eq!(fetched(&errand, &failed(404, RetryClass::Skip)), Some(all.clone()));
        assert_eq!(fetched(&errand, &failed(503, RetryClass::Origin)), None);
        assert_eq!(fetched(&errand, &elsewhere), None);
        errand.hops = ROBOTS_HOPS;
        assert_eq!(fetched(&errand, &elsewhere), Some(all));
    }

    #[test]
    fn a_line_cut_short_by_a_kill_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "{\"event\":\"disp").unwrap();
        open(&path).unwrap().write_all(b"x\n").unwrap();
        open(&path).unwrap().write_all(b"y\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"event\":\"disp\nx\ny\n");
    }

    #[test]
    fn a_log_is_one_engines_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let first = open(&path).unwrap();
        assert_eq!(open(&path).unwrap_err().to_string(), "another engine writes to it; each needs a log of its own");
        drop(first);
        open(&path).unwrap();
    }

    #[tokio::test]
    async fn a_record_is_in_the_file_before_its_writer_goes_on_and_a_full_disk_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (events, mut heard) = mpsc::channel(1);
        let start = || LogStart { crawl: "c", epoch: 3, started: Instant::now(), least_ms: 0, deadline: Duration::from_secs(1) };
        let (log, ended) = FetchLog::start(&path, start(), events.clone()).unwrap();
        log.write(b"{}\n".to_vec()).await.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("{\"event\":\"start\",\"at_ms\":") && text.ends_with("\"crawl\":\"c\",\"epoch\":3}\n{}\n"), "{text}");
        drop(log);
        ended.await.unwrap();
        assert!(FetchLog::start(Path::new("/dev/full"), start(), events.clone()).is_err());
        let (lines, queue) = mpsc::channel(LINES);
        let full = FetchLog { lines, clock: Clock::begin(0), numbers: AtomicU64::new(0), deadline: Duration::ZERO };
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let thread = std::thread::spawn(move || run(file, queue, &events));
        assert_eq!(full.write(b"x\n".to_vec()).await, Err(LogEnded));
        assert!(matches!(heard.recv().await, Some(Event::FetchLog(_))));
        thread.join().unwrap();
    }
}
