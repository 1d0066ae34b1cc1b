//! A connection that is made again whenever it breaks, and does what it is told until it is done or the server says no.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::failure::Failure;
use super::keeper::{Keeper, Line};
use super::session::Session;
use super::{Access, Address};
use crate::backoff;
use crate::frontier::FrontierError;

/// Time for one statement. A commit may have to wait for a disk that is busy with a checkpoint.
const ANSWER: Duration = Duration::from_secs(30);

/// Pause after the first failure, doubled with each, and the longest.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Time for what is on its way when the crawl is left.
const FAREWELL: Duration = Duration::from_secs(3);

/// See the module. One thing at a time goes over it.
pub(super) struct Connection {
    address: Address,
    access: Access,
    line: Line,
    keeper: Keeper,
    /// How long it is tried; none: for as long as anybody waits.
    patience: Option<Duration>,
    session: Mutex<Option<Arc<Session>>>,
}

impl Connection {
    /// A connection that is made when it is needed first.
    pub(super) fn new(address: Address, access: Access, line: Line, keeper: Keeper, patience: Option<Duration>) -> Connection {
        Connection { address, access, line, keeper, patience, session: Mutex::default() }
    }

    pub(super) fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// Says what is wrong with it; none: it is well.
    pub(super) fn note(&self, trouble: Option<&str>) {
        self.keeper.note(self.line, trouble);
    }

    /// Does some work with a session. What fails and may pass is done again, with a new session where that one broke: the work must bear
    /// being done twice.
    pub(super) async fn run<T, F>(&self, work: impl Fn(Arc<Session>) -> F) -> Result<T, FrontierError>
    where
        F: Future<Output = Result<T, tokio_postgres::Error>>,
    {
        let begun = Instant::now();
        let mut failures = 0;
        loop {
            let leaving = self.keeper.leaving();
            let farewell = async {
                leaving.cancelled().await;
                tokio::time::sleep(FAREWELL).await;
            };
            let attempt = tokio::select! {
                attempt = self.attempt(&work, ANSWER) => attempt,
                () = farewell => Err(Failure::Passing("the crawl is being left".to_owned())),
            };
            let why = match attempt {
                Ok(done) => {
                    self.note(None);
                    return Ok(done);
                }
                Err(Failure::Lasting(why)) => {
                    // What is wrong may be that this engine is of the crawl no more.
                    let taken_over = self.keeper.taken_over().map(FrontierError::TakenOver);
                    return Err(taken_over.unwrap_or_else(|| self.error(&why)));
                }
                Err(Failure::Passing(why)) => why,
            };
            failures += 1;
            if leaving.is_cancelled() || self.patience.is_some_and(|patience| begun.elapsed() >= patience) {
                return Err(self.error(&why));
            }
            self.note(Some(&why));
            if let Some(taken_over) = self.keeper.taken_over() {
                return Err(FrontierError::TakenOver(taken_over));
            }
            let pause = backoff::pause(PAUSE, failures, rand::random()).min(LONGEST_PAUSE);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = leaving.cancelled() => {}
            }
        }
    }

    /// Does some work once, within a time.
    pub(super) async fn attempt<T, F>(&self, work: &impl Fn(Arc<Session>) -> F, limit: Duration) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, tokio_postgres::Error>>,
    {
        let session = self.session().await?;
        let failure = match tokio::time::timeout(limit, work(Arc::clone(&session))).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => Failure::of(&error),
            Err(_) => {
                self.forget();
                return Err(Failure::Passing(format!("no answer within {} s", limit.as_secs())));
            }
        };
        if session.client.is_closed() || !matches!(failure, Failure::Lasting(_)) {
            self.forget();
        }
        Err(failure)
    }

    async fn session(&self) -> Result<Arc<Session>, Failure> {
        if let Some(session) = self.last_session().filter(|session| !session.client.is_closed()) {
            return Ok(session);
        }
        let session = Arc::new(Session::open(&self.address, &self.access).await?);
        *self.session.lock().expect("no holder of this lock panics") = Some(Arc::clone(&session));
        Ok(session)
    }

    /// The session that is there, if there is one.
    pub(super) fn last_session(&self) -> Option<Arc<Session>> {
        self.session.lock().expect("no holder of this lock panics").clone()
    }

    /// The next attempt is made over a new session.
    fn forget(&self) {
        *self.session.lock().expect("no holder of this lock panics") = None;
    }

    fn error(&self, why: &str) -> FrontierError {
        FrontierError::Store(format!("the database {}: {why}", self.address))
    }
}
