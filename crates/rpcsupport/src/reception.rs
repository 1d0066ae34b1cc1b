//! Who may call, how many calls are worked on at a time, and how many of them are whose.
//!
//! What a process can do is divided among the engines that are connected: each is told its share, and told again when others come and go. A
//! share bounds what an engine sends; a call is refused only when everything is taken, so that what one engine leaves is another's.

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
    /// What was said on each connection that is open, by the number of its session.
    callers: HashMap<u64, Hello>,
    sessions: u64,
}

#[derive(Debug)]
struct Seen {
    epoch: u64,
    hello: u64,
}

/// One connection's place at the desk. Clones are the same connection, whose caller is forgotten with the last of them.
#[derive(Clone, Debug)]
pub struct Session {
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    reception: Reception,
    number: u64,
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
        let mut state = self.state();
        state.sessions += 1;
        let number = state.sessions;
        Session { place: Arc::new(Place { reception: self.clone(), number }) }
    }

    /// Calls that were let in and have not left.
    pub fn in_flight(&self) -> u32 {
        *self.inner.in_flight.borrow()
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
        let Place { reception, number } = &*self.place;
        let inner = &reception.inner;
        if hello.protocol != PROTOCOL {
            let detail =
                format!("this is {SOFTWARE} with protocol {PROTOCOL}, the caller {} with protocol {}", hello.software, hello.protocol);
            return Err(WireError::new(code::WRONG_VERSION, RetryClass::Dead, detail));
        }
        let mut state = reception.state();
        if let Some(crawl) = &hello.crawl {
            state.note_epoch(crawl)?;
        }
        state.callers.insert(*number, hello.clone());
        Ok(Welcome {
            protocol: PROTOCOL,
            software: SOFTWARE.to_owned(),
            role: inner.role,
            capacity: state.share(*number, inner.capacity),
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
        let inner = &self.place.reception.inner;
        let state = self.place.reception.state();
        state.check_caller(self.place.number)?;
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
        self.place.reception.state().check_caller(self.place.number)
    }

    /// The answer to a ping.
    pub fn pong(&self) -> Pong {
        let Place { reception, number } = &*self.place;
        // Looked at before the state is locked: `enter` takes the two in the other order.
        let in_flight = reception.in_flight();
        let state = reception.state();
        Pong { in_flight, draining: state.draining, capacity: Some(state.share(*number, reception.inner.capacity)) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.reception.state().callers.remove(&self.number);
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

    fn check_caller(&self, number: u64) -> Result<(), WireError> {
        let stale = |detail: &str| Err(WireError::new(code::STALE_EPOCH, RetryClass::Peer, detail));
        match self.callers.get(&number) {
            None => stale("a connection begins with hello"),
            Some(Hello { crawl: Some(crawl), .. }) if self.is_stale(crawl) => stale("another engine has taken the crawl over"),
            Some(_) => Ok(()),
        }
    }

    /// What this caller is to have in flight at most: as much as every other engine, rounded up so that nothing lies idle; all of it for a
    /// caller that has no crawl, which is counted among nobody.
    fn share(&self, number: u64, capacity: NonZeroU32) -> u32 {
        if self.callers.get(&number).and_then(crawl_of).is_none() {
            return capacity.get();
        }
        // An engine that was taken over from may be frozen and connected for long; its successor must not go halves with it.
        let engines = self.callers.values().filter_map(crawl_of).filter(|crawl| !self.is_stale(crawl)).count();
        let engines = u32::try_from(engines).unwrap_or(u32::MAX).max(1);
        capacity.get().div_ceil(engines)
    }

    fn is_stale(&self, crawl: &CrawlIdentity) -> bool {
        self.epochs.get(&crawl.run).is_some_and(|seen| seen.epoch > crawl.epoch)
    }
}

/// The crawl of a caller that has work to give.
fn crawl_of(caller: &Hello) -> Option<&CrawlIdentity> {
    caller.crawl.as_ref().filter(|_| caller.role == Role::Engine)
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
        assert_eq!(session.pong(), Pong { in_flight: 0, draining: false, capacity: Some(1) });
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
    fn the_capacity_is_divided_among_the_engines_that_are_connected() {
        let desk = desk(10);
        let sessions: Vec<Session> = (0..3).map(|_| desk.session()).collect();
        let shares = || sessions.iter().map(|session| session.pong().capacity).collect::<Vec<_>>();
        // Of one crawl or of several: each sends for itself.
        let told = [(1, 10), (1, 5), (2, 4)];
        for (session, (run, capacity)) in sessions.iter().zip(told) {
            assert_eq!(session.hello(&engine(run, 1)).unwrap().capacity, capacity);
        }
        assert_eq!(shares(), [Some(4); 3]);
        // Who says hello again is who they were.
        assert_eq!(sessions[0].hello(&engine(1, 1)).unwrap().capacity, 4);
        let clone = sessions[0].clone();
        drop(clone);
        assert_eq!(shares(), [Some(4); 3]);
    }

    #[test]
    fn an_engine_whose_connection_has_closed_leaves_its_share_to_the_others() {
        let desk = desk(10);
        let (stays, leaves) = (desk.session(), desk.session());
        stays.hello(&engine(1, 1)).unwrap();
        leaves.hello(&engine(2, 1)).unwrap();
        let call = leaves.clone();
        drop(leaves);
        assert_eq!(stays.pong().capacity, Some(5), "one of its calls is still at work");
        drop(call);
        assert_eq!(stays.pong().capacity, Some(10));
    }

    #[test]
    fn who_only_looks_or_was_taken_over_from_has_no_share() {
        let desk = desk(10);
        let (old, looks, silent) = (desk.session(), desk.session(), desk.session());
        assert_eq!(old.hello(&engine(1, 1)).unwrap().capacity, 10);
        assert_eq!(looks.hello(&Hello::new(Role::Engine, None)).unwrap().capacity, 10);
        assert_eq!(old.pong().capacity, Some(10));
        let new = desk.session();
        assert_eq!(new.hello(&engine(1, 2)).unwrap().capacity, 10);
        assert_eq!([&old, &looks, &silent, &new].map(|session| session.pong().capacity), [Some(10); 4]);
    }

    #[test]
    fn every_engine_has_a_share_however_many_there_are() {
        let desk = desk(2);
        let sessions: Vec<Session> = (0..3).map(|_| desk.session()).collect();
        sessions.iter().for_each(|session| assert!(session.hello(&engine(1, 1)).is_ok()));
        assert_eq!(sessions.iter().map(|session| session.pong().capacity).collect::<Vec<_>>(), [Some(1); 3]);
    }

    #[test]
    fn what_one_engine_leaves_another_may_take_and_no_more_than_there_is() {
        let desk = desk(4);
        let (one, other) = (desk.session(), desk.session());
        one.hello(&engine(1, 1)).unwrap();
        other.hello(&engine(2, 1)).unwrap();
        let mut entered: Vec<Entered> = (0..4).map(|_| one.enter(&soon()).unwrap()).collect();
        assert_eq!(refusal(one.enter(&soon())), code::BUSY);
        assert_eq!(refusal(other.enter(&soon())), code::BUSY);
        entered.truncate(3);
        other.enter(&soon()).unwrap();
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
        assert_eq!(desk.in_flight(), 0);
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
