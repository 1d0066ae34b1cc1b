//! Who may call, and how many calls are worked on at a time.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard};

use model::RunId;
use model::error::{RetryClass, WireError, code};
use model::hello::{CrawlIdentity, Hello, PROTOCOL, Pong, Role, SOFTWARE, Welcome};
use tarpc::context::Context;
use tokio::sync::watch;
use tokio::time::Instant;

/// Runs whose epoch is remembered. A worker serves a handful at a time; past this many the one that called least recently is
/// forgotten.
const MAX_RUNS: usize = 1024;

/// The front desk of a server process: one for all its connections. Clones are the same desk.
#[derive(Clone, Debug)]
pub struct Reception {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    role: Role,
    capacity: NonZeroU32,
    instance: u64,
    state: Mutex<State>,
    in_flight: watch::Sender<u32>,
}

#[derive(Debug, Default)]
struct State {
    draining: bool,
    epochs: HashMap<RunId, Seen>,
    hellos: u64,
}

#[derive(Debug)]
struct Seen {
    epoch: u64,
    hello: u64,
}

/// One connection's place at the desk. Clones are the same connection.
#[derive(Clone, Debug)]
pub struct Session {
    reception: Reception,
    caller: Arc<Mutex<Option<Hello>>>,
}

/// A call that was let in; counts as in flight until dropped.
#[derive(Debug)]
pub struct Entered {
    inner: Arc<Inner>,
}

impl Reception {
    /// Opens the desk of a process with this role that works on `capacity` calls at a time.
    pub fn new(role: Role, capacity: NonZeroU32) -> Reception {
        let (in_flight, _) = watch::channel(0);
        let inner = Inner { role, capacity, instance: rand::random(), state: Mutex::default(), in_flight };
        Reception { inner: Arc::new(inner) }
    }

    /// A place for a new connection.
    pub fn session(&self) -> Session {
        Session { reception: self.clone(), caller: Arc::default() }
    }

    /// The answer to a ping.
    pub fn pong(&self) -> Pong {
        // Looked at before the state is locked: `enter` takes the two in the other order.
        let in_flight = *self.inner.in_flight.borrow();
        Pong { in_flight, draining: self.state().draining }
    }

    /// Lets nobody in from now on, and returns when what was let in has left.
    pub async fn drain(&self) {
        self.state().draining = true;
        let mut in_flight = self.inner.in_flight.subscribe();
        // Errs only when the sender is gone, and this desk holds it.
        let _ = in_flight.wait_for(|n| *n == 0).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().expect("no holder of this lock panics")
    }
}

impl Session {
    /// Introduces the caller.
    ///
    /// # Errors
    /// [`code::WRONG_VERSION`] for another protocol version, [`code::STALE_EPOCH`] for an engine that another one of the same run has
    /// replaced.
    pub fn hello(&self, hello: &Hello) -> Result<Welcome, WireError> {
        let inner = &self.reception.inner;
        if hello.protocol != PROTOCOL {
            let detail =
                format!("this is {SOFTWARE} with protocol {PROTOCOL}, the caller {} with protocol {}", hello.software, hello.protocol);
            return Err(WireError::new(code::WRONG_VERSION, RetryClass::Dead, detail));
        }
        let mut state = self.reception.state();
        if let Some(crawl) = &hello.crawl {
            state.note_epoch(crawl)?;
        }
        *self.caller.lock().expect("no holder of this lock panics") = Some(hello.clone());
        Ok(Welcome {
            protocol: PROTOCOL,
            software: SOFTWARE.to_owned(),
            role: inner.role,
            capacity: inner.capacity.get(),
            instance: inner.instance,
            draining: state.draining,
        })
    }

    /// Lets a call in, to be worked on until the guard is dropped.
    ///
    /// A context whose deadline has passed means that the call waited in a buffer for a caller who has given up.
    ///
    /// # Errors
    /// All of class [`RetryClass::Peer`]: [`code::EXPIRED`], [`code::STALE_EPOCH`] (also for a caller that said no hello),
    /// [`code::DRAINING`], [`code::BUSY`].
    pub fn enter(&self, context: &Context) -> Result<Entered, WireError> {
        let refuse = |code: &str, detail: &str| Err(WireError::new(code, RetryClass::Peer, detail));
        if Instant::from_std(context.deadline) <= Instant::now() {
            return refuse(code::EXPIRED, "");
        }
        let inner = &self.reception.inner;
        let state = self.reception.state();
        self.check_caller(&state)?;
        if state.draining {
            return refuse(code::DRAINING, "");
        }
        let capacity = inner.capacity.get();
        let entered = inner.in_flight.send_if_modified(|n| {
            let room = *n < capacity;
            *n += u32::from(room);
            room
        });
        if entered { Ok(Entered { inner: Arc::clone(inner) }) } else { refuse(code::BUSY, &format!("{capacity} at work already")) }
    }

    /// Lets a call pass that takes no time and no room.
    ///
    /// # Errors
    /// [`code::STALE_EPOCH`] as [`Session::enter`].
    pub fn admit(&self) -> Result<(), WireError> {
        self.check_caller(&self.reception.state())
    }

    /// The answer to a ping.
    pub fn pong(&self) -> Pong {
        self.reception.pong()
    }

    fn check_caller(&self, state: &State) -> Result<(), WireError> {
        let stale = |detail: &str| Err(WireError::new(code::STALE_EPOCH, RetryClass::Peer, detail));
        match &*self.caller.lock().expect("no holder of this lock panics") {
            None => stale("a connection begins with hello"),
            Some(Hello { crawl: Some(crawl), .. }) if state.is_stale(crawl) => stale("another engine has taken the crawl over"),
            Some(_) => Ok(()),
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.inner.in_flight.send_modify(|n| *n -= 1);
    }
}

impl State {
    fn note_epoch(&mut self, crawl: &CrawlIdentity) -> Result<(), WireError> {
        if let Some(seen) = self.epochs.get(&crawl.run)
            && seen.epoch > crawl.epoch
        {
            let detail = format!("crawl {} is at epoch {}, the caller at {}", crawl.crawl, seen.epoch, crawl.epoch);
            return Err(WireError::new(code::STALE_EPOCH, RetryClass::Dead, detail));
        }
        self.hellos += 1;
        self.epochs.insert(crawl.run, Seen { epoch: crawl.epoch, hello: self.hellos });
        if self.epochs.len() > MAX_RUNS
            && let Some(oldest) = self.epochs.iter().min_by_key(|(_, seen)| seen.hello).map(|(run, _)| *run)
        {
            self.epochs.remove(&oldest);
        }
        Ok(())
    }

    fn is_stale(&self, crawl: &CrawlIdentity) -> bool {
        self.epochs.get(&crawl.run).is_some_and(|seen| seen.epoch > crawl.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use model::CrawlName;
    use std::time::Duration;

    fn desk(capacity: u32) -> Reception {
        Reception::new(Role::Worker, NonZeroU32::new(capacity).unwrap())
    }

    fn engine(run: u64, epoch: u64) -> Hello {
        let crawl = CrawlIdentity { crawl: CrawlName::new("c").unwrap(), run: RunId(run), epoch };
        Hello::new(Role::Engine, Some(crawl))
    }

    fn due_in(left: Duration) -> Context {
        let mut context = tarpc::context::current();
        context.deadline = (Instant::now() + left).into_std();
        context
    }

    fn soon() -> Context {
        due_in(Duration::from_secs(60))
    }

    fn refusal(result: Result<Entered, WireError>) -> String {
        result.unwrap_err().code
    }

    #[test]
    fn a_caller_of_another_protocol_is_refused_by_name() {
        let mut hello = engine(1, 1);
        hello.protocol = PROTOCOL + 1;
        hello.software = "gossamer 99".into();
        let error = desk(1).session().hello(&hello).unwrap_err();
        assert_eq!(error.code, code::WRONG_VERSION);
        assert!(error.detail.contains("gossamer 99"), "{error}");
    }

    #[test]
    fn calls_before_hello_past_their_deadline_or_past_capacity_are_refused() {
        let session = desk(1).session();
        assert_eq!(refusal(session.enter(&soon())), code::STALE_EPOCH);
        session.hello(&engine(1, 1)).unwrap();
        assert_eq!(refusal(session.enter(&due_in(Duration::ZERO))), code::EXPIRED);
        let entered = session.enter(&soon()).unwrap();
        assert_eq!(refusal(session.enter(&soon())), code::BUSY);
        drop(entered);
        assert_eq!(session.pong(), Pong { in_flight: 0, draining: false });
        session.enter(&soon()).unwrap();
    }

    #[test]
    fn a_newer_engine_of_the_run_shuts_the_older_one_out_and_no_other() {
        let desk = desk(9);
        let (old, other, new) = (desk.session(), desk.session(), desk.session());
        old.hello(&engine(1, 1)).unwrap();
        other.hello(&engine(2, 1)).unwrap();
        new.hello(&engine(1, 2)).unwrap();
        assert_eq!(refusal(old.enter(&soon())), code::STALE_EPOCH);
        assert_eq!(old.hello(&engine(1, 1)).unwrap_err().code, code::STALE_EPOCH);
        other.enter(&soon()).unwrap();
        new.enter(&soon()).unwrap();
    }

    #[test]
    fn draining_lets_nobody_in_and_ends_when_the_last_has_left() {
        let desk = desk(2);
        let session = desk.session();
        session.hello(&engine(1, 1)).unwrap();
        let entered = session.enter(&soon()).unwrap();
        let mut drained = Box::pin(desk.drain());
        assert!(drained.as_mut().now_or_never().is_none());
        assert_eq!(refusal(session.enter(&soon())), code::DRAINING);
        assert!(session.hello(&engine(1, 1)).unwrap().draining);
        drop(entered);
        assert!(drained.now_or_never().is_some());
    }

    #[test]
    fn pings_and_calls_at_the_same_time_never_block_each_other() {
        let desk = desk(8);
        let session = desk.session();
        session.hello(&engine(1, 1)).unwrap();
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| (0..50_000).for_each(|_| drop(session.enter(&soon()))));
                threads.spawn(|| (0..50_000).for_each(|_| assert!(session.pong().in_flight <= 8)));
            }
        });
        assert_eq!(desk.pong().in_flight, 0);
    }

    #[test]
    fn runs_that_called_long_ago_are_forgotten() {
        let desk = desk(1);
        for run in 0..=MAX_RUNS as u64 {
            desk.session().hello(&engine(run, 5)).unwrap();
        }
        desk.session().hello(&engine(0, 1)).unwrap();
        assert_eq!(desk.session().hello(&engine(2, 1)).unwrap_err().code, code::STALE_EPOCH);
    }
}
