//! A frontier on a thread of its own: the engine loop orders and goes on; answers come as events. Nothing waits for the disk but what is on
//! its way there.
//!
//! **Invariant.** Orders are worked on one after the other, so that what is taken after a commit sees it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use model::Origin;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Committed, Ending, Frontier, FrontierError, ItemPlace, Notes, PageBudget, RejectedItem, Requeued, Taken, Tended};
use crate::control::{ASKS, Reply, Requeue, Seeded};
use crate::event::Event;
use crate::ledger::Ledger;
use crate::request::Request;
use crate::scheduler::{Health, KnownRobots};
use crate::scope::Scope;

/// Orders that may wait: one commit, one look for items to send again, one at the other engines, the takes that are out, and what was asked. The engine keeps within
/// [`TAKES`] and [`ASKS`] and sends the others only after the last one's answer, so there is room.
const ORDERS: usize = TAKES + ASKS + 3;

/// Takes that may be out at a time.
pub const TAKES: usize = 64;

/// What the thread is to do.
#[derive(Debug)]
pub enum Order {
    /// Give origins up, then commit a group.
    Commit(Group),
    /// Hand out.
    Take {
        /// Of this origin.
        origin: Origin,
        /// At most so many.
        most: usize,
        /// Whether its robots rules are wanted too.
        robots: bool,
    },
    /// Read items that are to be sent again.
    ToSend {
        /// Those after this one.
        after: Option<ItemPlace>,
        /// At most so many.
        most: usize,
    },
    /// See to what other engines have to do with; before it, give back what was to be left, if `left` says that nothing of that is at work.
    Tend {
        /// Judges what is found.
        scope: Arc<Scope>,
        /// Whether nothing of what was to be left is at work any more.
        left: bool,
        /// The budget of pages, if there is one.
        budget: Option<PageBudget>,
    },
    /// Let someone look at it. Answered by [`FrontierEvent::Looked`].
    Look(Look),
    /// Change what is queued. Answered by [`FrontierEvent::Changed`].
    Change(Change),
}

/// A look at the frontier. It tells whoever asked itself.
pub struct Look(pub Box<Question>);

/// What is asked of the frontier.
type Question = dyn FnOnce(&dyn Frontier) + Send;

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Look")
    }
}

/// A change from outside, with who waits for it.
#[derive(Debug)]
pub enum Change {
    /// Enter further seeds.
    Seed {
        /// The seeds.
        seeds: Vec<Request>,
        /// Their sites and permits.
        notes: Box<Notes>,
        /// Who waits.
        reply: Reply<Seeded>,
    },
    /// Queue again what was given up for this reason, or any.
    Requeue {
        /// The reason.
        reason: Option<String>,
        /// Who waits.
        reply: Reply<Requeue>,
    },
}

/// A change that is durable, with who waits for it.
#[derive(Debug)]
pub enum Changed {
    /// Seeds were entered.
    Seeded(Seeded, Reply<Seeded>),
    /// What had been given up is queued.
    Requeued(Requeue, Reply<Requeue>),
}

/// What is committed together.
#[derive(Debug)]
pub struct Group {
    /// Origins that are given up, each with the reason.
    pub given_up: Vec<(Origin, String)>,
    /// What has ended.
    pub endings: Vec<Ending>,
    /// What is noted with it.
    pub notes: Box<Notes>,
    /// Judges what is found.
    pub scope: Arc<Scope>,
}

/// What the thread has done.
#[derive(Debug)]
pub enum FrontierEvent {
    /// A group is durable.
    Committed {
        /// What it did.
        committed: Committed,
        /// The counters after it.
        ledger: Box<Ledger>,
    },
    /// Requests of an origin.
    Taken {
        /// The origin.
        origin: Origin,
        /// What was found.
        taken: Taken,
        /// Its robots rules, if they were asked for: none if they never were fetched.
        robots: Option<Option<KnownRobots>>,
    },
    /// The others were seen to.
    Tended {
        /// What that came to.
        tended: Box<Tended>,
        /// The counters after it.
        ledger: Box<Ledger>,
    },
    /// Items that are to be sent again; none: there are no more.
    ToSend(Vec<RejectedItem>),
    /// Someone has looked.
    Looked,
    /// A change is durable.
    Changed {
        /// What changed.
        changed: Changed,
        /// Origins that have requests to take, with what is known of them.
        woken: Vec<(Origin, Health)>,
        /// The counters after it.
        ledger: Box<Ledger>,
    },
    /// It cannot go on; nothing more is done.
    Failed(FrontierError),
}

/// Says so if the thread panics: nobody may wait for its answers then.
struct Alarm<'e>(&'e mpsc::Sender<Event>);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let error = FrontierError::Store("the thread of the frontier has panicked".to_owned());
            let _ = self.0.blocking_send(Event::Frontier(FrontierEvent::Failed(error)));
        }
    }
}

/// The thread.
pub struct FrontierThread {
    orders: mpsc::Sender<Order>,
    thread: JoinHandle<Result<Box<dyn Frontier>, FrontierError>>,
}

impl FrontierThread {
    /// Starts the thread; its answers go to `events`.
    ///
    /// # Errors
    /// When the operating system has no thread to give.
    pub fn start(frontier: Box<dyn Frontier>, events: mpsc::Sender<Event>) -> io::Result<FrontierThread> {
        let (orders, queue) = mpsc::channel(ORDERS);
        let thread = std::thread::Builder::new().name("frontier".to_owned()).spawn(move || run(frontier, queue, &events))?;
        Ok(FrontierThread { orders, thread })
    }

    /// Orders something. What comes after a failure is lost, as is all after the process.
    ///
    /// # Panics
    /// When more is ordered at a time than there is room for.
    pub fn order(&self, order: Order) {
        match self.orders.try_send(order) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(order)) => panic!("the frontier has room for every order within limits: {order:?}"),
        }
    }

    /// Waits for what was ordered and ends the thread. Nobody may wait for this who should receive its events.
    ///
    /// # Errors
    /// When something that was ordered failed, heard of or not: nothing may be committed after it.
    ///
    /// # Panics
    /// When the thread has panicked.
    pub fn finish(self) -> Result<Box<dyn Frontier>, FrontierError> {
        drop(self.orders);
        match self.thread.join() {
            Ok(finished) => finished,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn run(
    mut frontier: Box<dyn Frontier>,
    mut orders: mpsc::Receiver<Order>,
    events: &mpsc::Sender<Event>,
) -> Result<Box<dyn Frontier>, FrontierError> {
    let _alarm = Alarm(events);
    while let Some(order) = orders.blocking_recv() {
        let done = obey(frontier.as_mut(), order);
        let (answer, failed) = match done {
            Ok(answer) => (answer, None),
            Err(error) => (FrontierEvent::Failed(error.clone()), Some(error)),
        };
        // An engine that has ended listens no more; its last orders are carried out all the same.
        let _ = events.blocking_send(Event::Frontier(answer));
        if let Some(error) = failed {
            // A write error is never tried again: what comes after it must not be committed without it.
            return Err(error);
        }
    }
    Ok(frontier)
}

fn obey(frontier: &mut dyn Frontier, order: Order) -> Result<FrontierEvent, FrontierError> {
    match order {
        Order::Commit(Group { given_up, endings, notes, scope }) => {
            for (origin, reason) in given_up {
                frontier.give_up(&origin, &reason)?;
            }
            let committed = frontier.commit(endings, &notes, &scope)?;
            Ok(FrontierEvent::Committed { committed, ledger: Box::new(frontier.ledger().clone()) })
        }
        Order::Take { origin, most, robots } => {
            let robots = robots.then(|| frontier.robots(&origin)).transpose()?;
            let taken = frontier.take(&origin, most, Instant::now())?;
            Ok(FrontierEvent::Taken { origin, taken, robots })
        }
        Order::Tend { scope, left, budget } => {
            if left {
                frontier.give_back()?;
            }
            let tended = Box::new(frontier.tend(&scope, budget)?);
            Ok(FrontierEvent::Tended { tended, ledger: Box::new(frontier.ledger().clone()) })
        }
        Order::ToSend { after, most } => frontier.to_send(after, most).map(FrontierEvent::ToSend),
        Order::Look(Look(look)) => {
            look(frontier);
            Ok(FrontierEvent::Looked)
        }
        Order::Change(Change::Seed { seeds, notes, reply }) => {
            let (all, before) = (seeds.len() as u64, frontier.ledger().urls.discovered);
            let Committed { woken, sent, .. } = frontier.enter(seeds, &notes)?;
            let ledger = Box::new(frontier.ledger().clone());
            let entered = ledger.urls.discovered - before;
            Ok(FrontierEvent::Changed {
                changed: Changed::Seeded(Seeded { entered, known: all - entered - sent, sent }, reply),
                woken,
                ledger,
            })
        }
        Order::Change(Change::Requeue { reason, reply }) => {
            let Requeued { urls, items, woken } = frontier.requeue(reason.as_deref())?;
            let changed = Changed::Requeued(Requeue { urls, items }, reply);
            Ok(FrontierEvent::Changed { changed, woken, ledger: Box::new(frontier.ledger().clone()) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontier::MemoryFrontier;

    #[test]
    fn a_panic_is_told_to_whoever_waits_for_an_answer() {
        let (events, mut heard) = mpsc::channel(1);
        let thread = FrontierThread::start(Box::new(MemoryFrontier::in_memory()), events).unwrap();
        thread.order(Order::Look(Look(Box::new(|_| panic!("this is what the test is about")))));
        let Some(Event::Frontier(FrontierEvent::Failed(error))) = heard.blocking_recv() else { panic!("it does not say so") };
        assert_eq!(error.to_string(), FrontierError::Store("the thread of the frontier has panicked".to_owned()).to_string());
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| thread.finish())).is_err());
    }
}
