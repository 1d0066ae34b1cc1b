//! The records of one or more fetch logs in the order of their times. Every log keeps its own order: that of its lines can be trusted, also where
//! two times are the same.

use std::io::{self, BufRead};
use std::sync::Arc;

use thiserror::Error;

use super::findings::Place;
use crate::fetch_log::Record;

/// Longest line: the rules of a robots.txt of 500 KiB, each with its names, and the rest.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

/// A log that cannot be audited.
#[derive(Debug, Error)]
pub enum AuditError {
    /// It cannot be read.
    #[error("{log}: cannot read the fetch log: {error}")]
    Read {
        /// Which.
        log: Arc<str>,
        /// Why.
        error: io::Error,
    },
    /// A line is none of a fetch log.
    #[error("{log}: line {line} is no record of a fetch log: {error}")]
    Malformed {
        /// Which log.
        log: Arc<str>,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        error: String,
    },
    /// There is no request in any.
    #[error("{0}: there is no request in it: nothing to prove")]
    Empty(String),
}

/// A record, and which log it is of.
pub(super) struct Logged {
    pub(super) log: usize,
    pub(super) place: Place,
    pub(super) record: Record<'static>,
}

/// See the module.
pub(super) struct Logs<R> {
    logs: Vec<Log<R>>,
}

/// One log, read up to its next record.
struct Log<R> {
    name: Arc<str>,
    read: R,
    text: Vec<u8>,
    /// The number of the line read last.
    line: u64,
    /// Whether any line was a record.
    is_log: bool,
    cut: u64,
    next: Option<Record<'static>>,
}

impl<R: BufRead> Logs<R> {
    /// Logs with their names.
    pub(super) fn open(logs: Vec<(String, R)>) -> Result<Logs<R>, AuditError> {
        let open = |(name, read): (String, R)| {
            let mut log = Log { name: name.into(), read, text: Vec::new(), line: 0, is_log: false, cut: 0, next: None };
            log.advance()?;
            Ok(log)
        };
        Ok(Logs { logs: logs.into_iter().map(open).collect::<Result<_, _>>()? })
    }

    pub(super) fn count(&self) -> usize {
        self.logs.len()
    }

    /// Their names, for a person.
    pub(super) fn names(&self) -> String {
        self.logs.iter().map(|log| &*log.name).collect::<Vec<_>>().join(", ")
    }

    /// Lines so far that a kill has cut short.
    pub(super) fn cut(&self) -> u64 {
        self.logs.iter().map(|log| log.cut).sum()
    }

    /// The next record; none: all were read.
    pub(super) fn next(&mut self) -> Result<Option<Logged>, AuditError> {
        let is_one = self.logs.len() == 1;
        let heads = self.logs.iter_mut().enumerate().filter_map(|(number, log)| Some((order(log.next.as_ref()?), number, log)));
        let Some((_, number, log)) = heads.min_by_key(|(order, number, _)| (*order, *number)) else { return Ok(None) };
        let place = Place { log: (!is_one).then(|| Arc::clone(&log.name)), line: log.line };
        let Some(record) = log.next.take() else { return Ok(None) };
        log.advance()?;
        Ok(Some(Logged { log: number, place, record }))
    }
}

/// When, and which comes first in one millisecond: of two engines, the one that ends a request before the one that sends the next.
fn order(record: &Record<'_>) -> (u64, u8) {
    match record {
        Record::Outcome(came) => (came.at_ms, 0),
        Record::Start(start) => (start.at_ms, 1),
        Record::Dispatch(sent) => (sent.at_ms, 2),
    }
}

impl<R: BufRead> Log<R> {
    /// Reads on to the next record.
    fn advance(&mut self) -> Result<(), AuditError> {
        self.next = self.read_record()?;
        self.is_log |= self.next.is_some();
        Ok(())
    }

    /// The next record; none: there are no more. A line that is none is forgiven if the process that wrote it ended there.
    fn read_record(&mut self) -> Result<Option<Record<'static>>, AuditError> {
        let mut doubtful = None;
        loop {
            self.text.clear();
            let read = io::Read::take(&mut self.read, LONGEST_LINE).read_until(b'\n', &mut self.text);
            if read.map_err(|error| AuditError::Read { log: Arc::clone(&self.name), error })? == 0 {
                return match doubtful {
                    Some(error) if !self.is_log => Err(error),
                    cut => {
                        self.cut += u64::from(cut.is_some());
                        Ok(None)
                    }
                };
            }
            self.line += 1;
            match (serde_json::from_slice(&self.text), doubtful.take()) {
                (Ok(record @ Record::Start(_)), Some(_)) => {
                    self.cut += 1;
                    return Ok(Some(record));
                }
                (_, Some(error)) => return Err(error),
                (Ok(record), None) => return Ok(Some(record)),
                (Err(error), None) => {
                    doubtful = Some(AuditError::Malformed { log: Arc::clone(&self.name), line: self.line, error: error.to_string() });
                }
            }
        }
    }
}
