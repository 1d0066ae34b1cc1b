//! What reading one page may cost.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::ParseError;

/// Most processor time that reading a page may take: milliseconds for any ordinary page. Not time on the clock, so that a page's fate does
/// not depend on what else the machine is doing. An engine waits about 10 s beyond the fetch for the answer; half of that leaves room for
/// pages that wait for a thread.
pub(crate) const LONGEST_PARSE: Duration = Duration::from_secs(5);

/// Processor time that a page may take which is read where it was fetched, rather than handed to a thread that parses: at least so much, and
/// twice as much at most. Pings and other fetches wait as long.
const QUICK_PARSE: Duration = Duration::from_millis(2);

/// Most bytes of text that are gathered from a page's tree, over all rules: nested elements make rules read the same text again and
/// again, and 64 MiB are many times what any page within the limits has.
pub(crate) const MAX_TEXT_VISITED: u64 = 64 * 1024 * 1024;

/// How much longer one page may be read. Whoever reads in a loop asks [`Allowance::check`] in it: a thread cannot be stopped from outside.
#[derive(Debug)]
pub(crate) struct Allowance {
    time: Duration,
    /// When it began, by the clock.
    begun: Duration,
    /// From which of the thread's processor time on its time is counted; none: from when it is looked at first. One thread begins a page and
    /// reads it to the end.
    from: Cell<Option<Duration>>,
    abandoned: Arc<AtomicBool>,
    text: Cell<u64>,
}

impl Allowance {
    /// A whole allowance, from now on. It ends early when nobody waits for the result any more, which the flag says.
    pub(crate) fn begin(abandoned: Arc<AtomicBool>) -> Allowance {
        Allowance { abandoned, ..Allowance::of(LONGEST_PARSE, Some(cpu_time())) }
    }

    /// What a page may cost that is expected to be read in no time. Past it, it is read anew elsewhere.
    pub(crate) fn quick() -> Allowance {
        Allowance::of(QUICK_PARSE, None)
    }

    fn of(time: Duration, from: Option<Duration>) -> Allowance {
        Allowance { time, begun: now(ClockId::Monotonic), from: Cell::new(from), abandoned: Arc::default(), text: Cell::new(0) }
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// [`ParseError::TooComplex`] past its time; [`ParseError::Failed`], which nobody reads, when the caller is gone.
    pub(crate) fn check(&self) -> Result<(), ParseError> {
        if self.abandoned.load(Ordering::Relaxed) {
            return Err(ParseError::Failed("nobody waits for the page any more".to_owned()));
        }
        if self.is_over() {
            return Err(ParseError::TooComplex(format!("takes longer than {} s to read", LONGEST_PARSE.as_secs())));
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        // A thread has had no more of the processor than has passed on the clock, which is many times cheaper to read.
        if now(ClockId::Monotonic) < self.begun + self.time {
            return false;
        }
        let cpu = cpu_time();
        let from = self.from.get().unwrap_or(cpu);
        self.from.set(Some(from));
        cpu >= from + self.time
    }

    /// Counts text that is gathered.
    ///
    /// # Errors
    /// [`ParseError::TooComplex`] past [`MAX_TEXT_VISITED`].
    pub(crate) fn visit(&self, text: &str) -> Result<(), ParseError> {
        self.text.set(self.text.get() + text.len() as u64);
        if self.text.get() > MAX_TEXT_VISITED {
            let mebibytes = MAX_TEXT_VISITED / (1024 * 1024);
            return Err(ParseError::TooComplex(format!("its rules read more than {mebibytes} MiB of text")));
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn spent() -> Allowance {
        Allowance::of(Duration::ZERO, None)
    }

    /// For tests of what is not a matter of time: time without end, and so much text.
    #[cfg(test)]
    pub(crate) fn unhurried(text: u64) -> Allowance {
        let text = Cell::new(MAX_TEXT_VISITED - text);
        Allowance { text, ..Allowance::of(Duration::from_secs(3600), None) }
    }

    #[cfg(test)]
    pub(crate) fn visited(&self) -> u64 {
        self.text.get()
    }
}

/// Processor time this thread has had.
pub(crate) fn cpu_time() -> Duration {
    now(ClockId::ThreadCPUTime)
}

fn now(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

impl Default for Allowance {
    fn default() -> Allowance {
        Allowance::begin(Arc::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_ends_with_its_time_its_text_and_its_caller() {
        let allowance = Allowance::default();
        assert_eq!(allowance.check(), Ok(()));
        allowance.abandoned.store(true, Ordering::Relaxed);
        assert!(matches!(allowance.check(), Err(ParseError::Failed(_))));
        assert!(matches!(Allowance::spent().check(), Err(ParseError::TooComplex(_))));
        assert_eq!(Allowance::quick().check(), Ok(()));
        let mebibyte = "x".repeat(1024 * 1024);
        let visits = (0..100).take_while(|_| allowance.visit(&mebibyte).is_ok()).count();
        assert_eq!((visits, allowance.visited()), (64, 65 * 1024 * 1024));
    }

    #[test]
    fn a_quick_page_gets_its_time_of_the_processor_at_least_once_and_not_for_ever() {
        let before = cpu_time();
        let quick = Allowance::quick();
        while quick.check().is_ok() {
            assert!(cpu_time() - before < Duration::from_secs(5), "it ends");
        }
        assert!(cpu_time() - before >= QUICK_PARSE);
    }

    #[test]
    fn time_that_passes_on_the_clock_alone_ends_nothing() {
        let long_ago = Duration::ZERO;
        let whole = Allowance { begun: long_ago, ..Allowance::begin(Arc::default()) };
        let quick = Allowance { begun: long_ago, time: Duration::from_secs(5), ..Allowance::quick() };
        assert_eq!([whole.check(), quick.check(), quick.check()], [Ok(()), Ok(()), Ok(())]);
    }
}
