//! A practice site: what it serves, and what it remembers of those who came.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Mutex, PoisonError};

use crate::address::{CAR_LIST, CITY_LIST};
use crate::arrivals::{ArrivalLog, Arrivals};
use crate::cars::Cars;
use crate::config::{ConfigError, SiteConfig};
use crate::gates::Gates;
use crate::hold::Hold;
use crate::people::People;
use crate::truth::{self, Truth};

/// More names than any test needs; keeps a crawler lost in made-up names from filling memory.
const MOST_FLAKY_NAMES: usize = 10_000;

/// One practice site. Serve it with [`run`](crate::run); steer and inspect it from here while it is served.
#[derive(Debug)]
pub struct Site {
    config: SiteConfig,
    pub(crate) people: People,
    pub(crate) cars: Cars,
    pub(crate) arrivals: ArrivalLog,
    pub(crate) gates: Gates,
    pub(crate) hold: Hold,
    failures: Mutex<HashMap<String, u64>>,
}

impl Site {
    /// Makes the site; its clock for arrivals starts now.
    ///
    /// # Errors
    ///
    /// When a field of the config is out of range.
    pub fn new(config: SiteConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            people: People::new(&config),
            cars: Cars::new(&config),
            arrivals: ArrivalLog::new(config.recorded_arrivals),
            gates: Gates::default(),
            hold: Hold::default(),
            failures: Mutex::default(),
            config,
        })
    }

    /// What the site was made from.
    #[must_use]
    pub fn config(&self) -> &SiteConfig {
        &self.config
    }

    /// The two seeds, people and cars, for a site reached at `base` (`http://127.0.0.1:8080`).
    #[must_use]
    pub fn seeds(&self, base: &str) -> [String; 2] {
        let base = base.trim_end_matches('/');
        [format!("{base}{CITY_LIST}"), format!("{base}{CAR_LIST}")]
    }

    /// Which pages can be reached from the seeds, and all items on them, for a site reached at `base`
    /// (`http://127.0.0.1:8080`). An endless site has a truth about its cars only. Takes about a microsecond an item.
    #[must_use]
    pub fn truth(&self, base: &str) -> Truth {
        truth::truth(base, &self.people, &self.cars, self.config.robots_by_host)
    }

    /// The requests so far, but for those that steer the site.
    #[must_use]
    pub fn arrivals(&self) -> Arrivals {
        self.arrivals.arrivals()
    }

    /// The number of the last arrival, 0 before the first; also counts those that are not kept.
    #[must_use]
    pub fn last_arrival(&self) -> u64 {
        self.arrivals.last()
    }

    /// Waits until an arrival has this number. Without limit: put it under a timeout.
    pub async fn arrival_reached(&self, number: u64) {
        self.arrivals.reached(number).await;
    }

    /// Forgets all arrivals; their numbers go on.
    pub fn reset_arrivals(&self) {
        self.arrivals.reset();
    }

    /// Appends each arrival from now on to this file too, one JSON line each, written before it is answered and without
    /// limit. If writing fails, that is logged and no more is written.
    pub fn log_arrivals_to(&self, file: File) {
        self.arrivals.log_to(file);
    }

    /// Lets go all requests that wait at `/gate/NAME`, and all later ones. A gate is closed until then; a request waits
    /// at most 60 s and is then answered 504. Returns false, having done nothing, if there are 1,024 other gates.
    pub fn open_gate(&self, name: &str) -> bool {
        self.gates.open(name)
    }

    /// Waits until at least so many requests wait at `/gate/NAME`. Without limit: put it under a timeout. Returns false at
    /// once if there are 1,024 other gates.
    pub async fn gate_reached(&self, name: &str, waiting: usize) -> bool {
        self.gates.reached(name, waiting).await
    }

    /// Lets the next `after` practice pages (those under `/mock/`) pass, then makes every further one wait until
    /// [`release`](Self::release), or its client leaves, or 10 minutes are over (then it is answered 504). Counts from
    /// now; replaces an earlier hold, but does not let go who waits already.
    pub fn hold(&self, after: u64) {
        self.hold.hold(after);
    }

    /// Ends the hold and lets go every page that waits.
    pub fn release(&self) {
        self.hold.release();
    }

    /// Waits until at least so many practice pages are held. Without limit: put it under a timeout.
    pub async fn hold_reached(&self, waiting: usize) {
        self.hold.reached(waiting).await;
    }

    /// Counts one failure of a flaky route if it has any left of `fails`. False when there are none left, or too many
    /// names to keep count of.
    pub(crate) fn fails_again(&self, name: &str, fails: u64) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if !failures.contains_key(name) && failures.len() >= MOST_FLAKY_NAMES {
            return false;
        }
        let failed = failures.entry(name.to_owned()).or_default();
        if *failed >= fails {
            return false;
        }
        *failed += 1;
        true
    }
}
