//! Random trouble that can be repeated: processes of a crawl are killed, ended, frozen and started at moments that follow from a seed, and
//! the crawl must end exactly as if nothing had happened.
//!
//! A seed gives a plan ([`schedule`]), a plan is played with real processes ([`run`]), and what came of it is judged ([`verdict`]). Moments
//! are counted in requests at the site, not in time; only how long a process stays frozen is a time.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

pub mod random;

pub mod schedule;

pub mod engines;

pub mod lives;

pub mod run;

pub mod verdict;

use schedule::Plan;
use verdict::Judged;

/// What there is to say of a run that ended as it must.
#[derive(Clone, Debug)]
pub struct Told {
    /// What was to happen.
    pub plan: Plan,
    /// Steps taken before the crawl was complete.
    pub steps: usize,
    /// Starts of engines after the first of each.
    pub restarts: u64,
    /// Requests at the site that were repetitions.
    pub repeated: u64,
    /// How often a host was served by another engine than before, if there are several.
    pub handovers: Option<u64>,
    /// How long it took.
    pub took: Duration,
}

/// A run that did not.
#[derive(Debug)]
pub struct Failure {
    /// What was to happen.
    pub plan: Plan,
    /// What was wrong.
    pub why: String,
    /// Its folder, if it was to be kept: state, store, output, and what the processes said.
    pub folder: Option<PathBuf>,
}

/// Plays a plan and judges the run.
///
/// # Errors
/// What was wrong. With `keep` the run's folder is left where it is.
///
/// # Panics
/// When there is no place for temporary files.
pub fn try_plan(plan: Plan, keep: bool) -> Result<Told, Box<Failure>> {
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let began = Instant::now();
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let played = run::play(&plan, folder.path());
        let judged = verdict::judge(&plan, &played);
        (played.steps, played.starts.saturating_sub(plan.shape.engines() as u64), judged)
    }));
    match ended {
        Ok((steps, restarts, Judged { repeated, handovers })) => {
            Ok(Told { plan, steps, restarts, repeated, handovers, took: began.elapsed() })
        }
        Err(panic) => Err(Box::new(Failure { plan, why: message(panic.as_ref()), folder: keep.then(|| folder.keep()) })),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked without a word").to_owned()
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told { plan, steps, restarts, repeated, handovers, took } = self;
        let (seed, planned, pages) = (plan.seed, plan.steps.len(), plan.pages());
        write!(f, "seed {seed:5}  events {steps}/{planned}  restarts {restarts}  refetched {repeated}/{pages}  ")?;
        if let Some(handovers) = handovers {
            write!(f, "handovers {handovers:2}  ")?;
        }
        write!(f, "{:4.1} s  exact", took.as_secs_f64())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {:5}  FAILED\n{}\n{}", self.plan.seed, self.plan, self.why)?;
        match &self.folder {
            Some(folder) => write!(f, "\nkept in {}", folder.display()),
            None => Ok(()),
        }
    }
}
