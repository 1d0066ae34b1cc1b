//! What was asked for, when and from where: the record that tests of a crawler read.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::request::Request;

/// One request that came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// Counts all arrivals of the site from 1, also those that are not kept.
    pub number: u64,
    /// When its head had been read, in milliseconds since the site was made.
    pub at_ms: u64,
    /// When its answer had been written or given up (the client left, the server stopped), on the same clock. `None`:
    /// not yet; always `None` in the file of [`Site::log_arrivals_to`](crate::Site::log_arrivals_to).
    pub ended_ms: Option<u64>,
    /// In capitals: `GET`.
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
    /// The `Host` header.
    pub host: String,
    /// The `User-Agent` header; empty without one.
    #[serde(default)]
    pub user_agent: String,
    /// The client's port, which tells connections apart.
    pub source_port: u16,
}

/// The arrivals since the site was made or they were last reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrivals {
    /// In the order in which they came, up to the limit of the site.
    pub list: Vec<Arrival>,
    /// How many came after the limit was reached, so are missing from the list; 0 when it is whole.
    pub dropped: u64,
}

#[derive(Debug)]
pub(crate) struct ArrivalLog {
    started: Instant,
    limit: usize,
    record: Mutex<Record>,
    file: Mutex<Option<File>>,
    /// The number of the last arrival.
    last: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Record {
    kept: VecDeque<Arrival>,
    /// The number of the first in `kept`, less one.
    before: u64,
    dropped: u64,
}

/// Marks the end of the answer when it goes out of scope, however that comes about, unless it was marked before.
#[derive(Debug)]
pub(crate) struct Recording<'a> {
    log: &'a ArrivalLog,
    number: u64,
}

impl ArrivalLog {
    pub(crate) fn new(limit: usize) -> Self {
        Self { started: Instant::now(), limit, record: Mutex::default(), file: Mutex::new(None), last: watch::Sender::new(0) }
    }

    pub(crate) fn log_to(&self, file: File) {
        *lock(&self.file) = Some(file);
    }

    pub(crate) fn record(&self, request: &Request, source_port: u16) -> Recording<'_> {
        let mut arrival = Arrival {
            number: 0,
            at_ms: self.now_ms(),
            ended_ms: None,
            method: request.method.clone(),
            path: request.target.clone(),
            host: request.host.clone(),
            user_agent: request.header("user-agent").unwrap_or_default().to_owned(),
            source_port,
        };
        let mut record = lock(&self.record);
        arrival.number = record.before + record.kept.len() as u64 + record.dropped + 1;
        let number = arrival.number;
        let has_room = record.kept.len() < self.limit;
        let mut file = lock(&self.file);
        if file.is_some() {
            self.write(&mut file, &arrival);
        }
        drop(file);
        if has_room {
            record.kept.push_back(arrival);
        } else {
            record.dropped += 1;
        }
        // Within the lock too, so that the numbers only grow.
        self.last.send_replace(number);
        drop(record);
        Recording { log: self, number }
    }

    /// Writes within the lock of the record, so the file has the same order. Short lines to a local file: not worth a task.
    fn write(&self, file: &mut Option<File>, arrival: &Arrival) {
        let Some(open) = file else { return };
        let mut line = serde_json::to_string(arrival).expect("an arrival is plain data");
        line.push('\n');
        if let Err(error) = open.write_all(line.as_bytes()) {
            tracing::error!(%error, "cannot write the arrival log, no more is written to it");
            *file = None;
        }
    }

    pub(crate) fn arrivals(&self) -> Arrivals {
        let record = lock(&self.record);
        Arrivals { list: record.kept.iter().cloned().collect(), dropped: record.dropped }
    }

    pub(crate) fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// Waits until an arrival has this number.
    pub(crate) async fn reached(&self, number: u64) {
        let mut changes = self.last.subscribe();
        // The sender lives in `self`, so the channel cannot close meanwhile.
        let _last = changes.wait_for(|last| *last >= number).await;
    }

    pub(crate) fn reset(&self) {
        let mut record = lock(&self.record);
        record.before += record.kept.len() as u64 + record.dropped;
        record.kept.clear();
        record.dropped = 0;
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn end(&self, number: u64) {
        let now = self.now_ms();
        let mut record = lock(&self.record);
        // An arrival from before a reset, or one that was not kept, has no place any more.
        let place = number.checked_sub(record.before + 1).and_then(|place| usize::try_from(place).ok());
        if let Some(arrival) = place.and_then(|place| record.kept.get_mut(place)) {
            arrival.ended_ms.get_or_insert(now);
        }
    }
}

impl Recording<'_> {
    /// All of the answer is about to be sent. Its end is marked before that: who has read it may be heard of before this task runs again.
    pub(crate) fn answered(&self) {
        self.log.end(self.number);
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        self.log.end(self.number);
    }
}

impl Arrivals {
    /// One JSON object a line; a last line `{"truncated":true,"dropped":N}` when some are missing.
    #[must_use]
    pub fn to_json_lines(&self) -> String {
        let mut lines = String::with_capacity(self.list.len() * 160);
        for arrival in &self.list {
            lines.push_str(&serde_json::to_string(arrival).expect("an arrival is plain data"));
            lines.push('\n');
        }
        if self.dropped > 0 {
            lines.push_str(&format!("{{\"truncated\":true,\"dropped\":{}}}\n", self.dropped));
        }
        lines
    }
}

/// A panic elsewhere leaves these records whole: they are changed by single pushes.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Head;

    fn get(path: &str) -> Request {
        let head = format!("GET {path} HTTP/1.1\r\nHost: host\r\nUser-Agent: who\r\n\r\n");
        match Request::parse(head.as_bytes(), "") {
            Head::Whole(request, _) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_arrival_says_who_asks_for_what() {
        let log = ArrivalLog::new(1);
        drop(log.record(&get("/a"), 7));
        let Arrival { method, path, host, user_agent, source_port, .. } = log.arrivals().list.remove(0);
        assert_eq!((&*method, &*path, &*host, &*user_agent, source_port), ("GET", "/a", "host", "who", 7));
    }

    #[test]
    fn a_full_record_says_how_many_are_missing() {
        let log = ArrivalLog::new(2);
        for path in ["/a", "/b", "/c"] {
            drop(log.record(&get(path), 1));
        }
        let arrivals = log.arrivals();
        assert_eq!(arrivals.list.iter().map(|arrival| arrival.path.as_str()).collect::<Vec<_>>(), ["/a", "/b"]);
        assert_eq!(arrivals.dropped, 1);
        assert!(arrivals.to_json_lines().ends_with("{\"truncated\":true,\"dropped\":1}\n"));
    }

    #[tokio::test]
    async fn an_arrival_can_be_waited_for_by_its_number_whatever_is_kept_and_reset() {
        let log = ArrivalLog::new(1);
        drop(log.record(&get("/a"), 1));
        log.reset();
        let ((), ()) = tokio::join!(log.reached(3), async {
            drop(log.record(&get("/b"), 1));
            drop(log.record(&get("/c"), 1));
        });
        assert_eq!(log.last(), 3);
    }

    #[test]
    fn an_answer_that_ends_after_a_reset_touches_no_later_arrival() {
        let log = ArrivalLog::new(10);
        let early = log.record(&get("/early"), 1);
        log.reset();
        let late = log.record(&get("/late"), 1);
        drop(early);
        let arrivals = log.arrivals();
        assert_eq!((arrivals.list.len(), arrivals.list[0].number, arrivals.list[0].ended_ms), (1, 2, None));
        drop(late);
        assert!(log.arrivals().list[0].ended_ms.is_some());
    }
}
