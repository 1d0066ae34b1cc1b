//! The client pool: the right to have requests in flight on workers, handed out in turn.
//!
//! Pure state of the engine loop; [`member`] has the tasks that dial. A *lease* is the right to one request in flight on one worker. Free
//! leases stand in one queue and go back to its end, so that equal workers get equal shares and a slow one holds up nobody.
//!
//! **Invariant.** A worker's leases, free and out, never exceed the capacity it announced, however often it comes and goes. Where it
//! announces a smaller one, what is out beyond it is finished and not given out again.
//! **Invariant.** No lease of a connection that is gone is handed out.

pub mod member;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// Which worker: its place in the list the user gave.
pub type WorkerIndex = usize;

/// Refusals in a row ("busy"), each a rest after the last, after which a worker is set aside for a while.
pub const REFUSALS: u32 = 10;

/// How long a worker that keeps refusing is handed nothing.
const TIME_OUT: Duration = Duration::from_secs(30);

/// How long a lease rests after a refusal, so that a busy worker is not asked again at once.
const REST: Duration = Duration::from_millis(100);

/// Leases of one worker at most, whatever capacity it announces: as many as a crawl may have requests in flight.
const MAX_CAPACITY: u32 = 100_000;

/// The right to one request in flight on one worker. `C` is the client that makes the call.
#[derive(Clone, Debug)]
pub struct Lease<C> {
    /// Makes calls to the worker.
    pub client: C,
    /// The worker.
    pub worker: WorkerIndex,
    /// Which of its connections: leases of an earlier one are worthless.
    connection: u64,
    /// Whether the request has the worker to itself.
    pub alone: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Pool<C> {
    members: Vec<Member>,
    free: VecDeque<Lease<C>>,
    resting: BTreeMap<(Instant, u64), Lease<C>>,
    connections: u64,
    rests: u64,
    /// The worker whose returning leases are withheld, so that one request can have it alone.
    reserved: Option<WorkerIndex>,
}

/// A worker as the pool sees it.
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// As the user wrote it.
    pub name: String,
    /// The current connection and the leases it has out; none while away.
    live: Option<Live>,
    /// Whether it was told to leave.
    pub retired: bool,
    /// Outcomes that were a page, a redirect or the site's own failure.
    pub done: u64,
    /// Jobs lost or refused.
    pub failed: u64,
}

#[derive(Clone, Debug)]
struct Live {
    connection: u64,
    /// What it takes of us at a time, as it said last.
    capacity: u32,
    /// Leases there are, free, resting and out: as many as its capacity, or more while those that are too many are out.
    leases: u32,
    out: u32,
    refusals: u32,
    /// When the last refusal was counted: those of one moment are one.
    refused: Option<Instant>,
    /// Set aside until then because it kept refusing: connected, and handed nothing.
    aside: Option<Instant>,
}

impl Member {
    /// Whether it is connected and may be handed jobs.
    pub fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// Jobs it has over its current connection.
    pub fn in_flight(&self) -> u32 {
        self.live.as_ref().map_or(0, |live| live.out)
    }
}

impl<C: Clone> Pool<C> {
    /// A pool of these workers, all away.
    pub fn new(names: Vec<String>) -> Pool<C> {
        let members = names.into_iter().map(|name| Member { name, ..Member::default() }).collect();
        Pool { members, free: VecDeque::new(), resting: BTreeMap::new(), connections: 0, rests: 0, reserved: None }
    }

    /// A further worker, away.
    pub fn add(&mut self, name: String) -> WorkerIndex {
        self.members.push(Member { name, ..Member::default() });
        self.members.len() - 1
    }

    /// Hands a worker nothing more, for good; what it has it may finish.
    pub fn retire(&mut self, worker: WorkerIndex) {
        self.down(worker);
        self.members[worker].retired = true;
    }

    /// A worker has connected: its leases join the queue, interleaved with those that wait.
    pub fn up(&mut self, worker: WorkerIndex, client: C, capacity: u32) {
        self.down(worker);
        if self.members[worker].retired {
            return;
        }
        self.connections += 1;
        let connection = self.connections;
        let capacity = capacity.clamp(1, MAX_CAPACITY);
        let live = Live { connection, capacity, leases: capacity, out: 0, refusals: 0, refused: None, aside: None };
        self.members[worker].live = Some(live);
        self.add_leases(client, worker, connection, capacity);
    }

    /// A worker that is connected takes more or fewer jobs of us than before, because other engines have come or gone.
    ///
    /// More: they join the queue at once, and so does what rests, since there is room now. Fewer: those that are free go, and those that are
    /// out when they come back.
    pub fn resize(&mut self, worker: WorkerIndex, client: C, capacity: u32) {
        let Some(live) = self.members[worker].live.as_mut() else { return };
        live.capacity = capacity.clamp(1, MAX_CAPACITY);
        let connection = live.connection;
        if live.leases < live.capacity {
            let more = live.capacity - live.leases;
            (live.leases, live.refusals, live.aside) = (live.capacity, 0, None);
            let resting: Vec<_> = self.resting.iter().filter(|(_, lease)| lease.worker == worker).map(|(key, _)| *key).collect();
            self.free.extend(resting.into_iter().filter_map(|key| self.resting.remove(&key)));
            self.add_leases(client, worker, connection, more);
        } else {
            // Those that rest are the first to go: they are what was too much for it.
            let too_many = live.leases - live.capacity;
            let mut left = too_many;
            let mut stays = |lease: &Lease<C>| {
                let goes = lease.worker == worker && left > 0;
                left -= u32::from(goes);
                !goes
            };
            self.resting.retain(|_, lease| stays(lease));
            self.free.retain(|lease| stays(lease));
            live.leases -= too_many - left;
        }
    }

    /// A worker is gone: its leases die.
    pub fn down(&mut self, worker: WorkerIndex) {
        self.members[worker].live = None;
        self.free.retain(|lease| lease.worker != worker);
        self.resting.retain(|_, lease| lease.worker != worker);
        if self.reserved == Some(worker) {
            self.reserved = None;
        }
    }

    /// Whether this is still the worker's connection.
    fn is_current(&self, worker: WorkerIndex, connection: u64) -> bool {
        self.members[worker].live.as_ref().is_some_and(|live| live.connection == connection)
    }

    /// Whether [`take`](Pool::take) would give a lease now.
    pub fn has_free(&mut self, now: Instant) -> bool {
        self.wake_rested(now);
        self.free.iter().any(|lease| Some(lease.worker) != self.reserved)
    }

    /// The next lease in turn, if one is free. Leases of a worker reserved for a request alone are not.
    pub fn take(&mut self, now: Instant) -> Option<Lease<C>> {
        self.take_preferring(None, now)
    }

    /// As [`take`](Pool::take), but a lease of this worker if it has a free one: it may still have a connection to the host.
    pub fn take_preferring(&mut self, worker: Option<WorkerIndex>, now: Instant) -> Option<Lease<C>> {
        self.wake_rested(now);
        let is_open = |lease: &Lease<C>| Some(lease.worker) != self.reserved;
        let preferred = worker.and_then(|worker| self.free.iter().position(|lease| lease.worker == worker && is_open(lease)));
        let at = preferred.or_else(|| self.free.iter().position(is_open))?;
        let lease = self.free.remove(at)?;
        self.live(&lease)?.out += 1;
        Some(lease)
    }

    /// A lease on a worker that has nothing else to do, for a request that must run alone. Reserves the least busy worker and answers
    /// none until it has finished; ask again then. One request at a time runs alone.
    pub fn take_alone(&mut self, now: Instant) -> Option<Lease<C>> {
        self.wake_rested(now);
        let out = |member: &Member| member.live.as_ref().map(|live| live.out);
        if self.reserved.is_none() {
            self.reserved = (0..self.members.len()).filter(|i| out(&self.members[*i]).is_some()).min_by_key(|i| out(&self.members[*i]));
        }
        let worker = self.reserved?;
        if out(&self.members[worker]) != Some(0) {
            return None;
        }
        let at = self.free.iter().position(|lease| lease.worker == worker)?;
        let mut lease = self.free.remove(at)?;
        self.live(&lease)?.out += 1;
        lease.alone = true;
        Some(lease)
    }

    /// The job was answered: the lease goes to the end of the queue.
    pub fn give_back(&mut self, lease: Lease<C>) {
        self.members[lease.worker].done += 1;
        self.give_back_uncounted(lease);
    }

    /// The same for a job that was no request.
    pub fn give_back_uncounted(&mut self, lease: Lease<C>) {
        if let Some(live) = self.live(&lease) {
            (live.refusals, live.aside) = (0, None);
        }
        if let Some(lease) = self.returned(lease) {
            self.free.push_back(lease);
        }
    }

    /// The job was refused: the lease rests a while. Answers whether the worker is now set aside because it has refused for
    /// [`REFUSALS`] rests in a row.
    pub fn refused(&mut self, lease: Lease<C>, now: Instant) -> bool {
        self.members[lease.worker].failed += 1;
        let worker = lease.worker;
        let Some(lease) = self.returned(lease) else { return false };
        let live = self.members[worker].live.as_mut().expect("its lease is current");
        // A hundred leases may be refused in one moment: that is one sign of a busy worker, not a hundred.
        if live.refused.is_none_or(|last| last + REST <= now) {
            live.refused = Some(now);
            live.refusals += 1;
        }
        let set_aside = live.refusals >= REFUSALS;
        if set_aside {
            live.refusals = 0;
            live.aside = Some(now + TIME_OUT);
        }
        let until = live.aside.unwrap_or(now + REST).max(now + REST);
        self.rest(lease, until);
        if set_aside {
            let (theirs, others) = std::mem::take(&mut self.free).into_iter().partition(|free| free.worker == worker);
            self.free = others;
            let theirs: VecDeque<Lease<C>> = theirs;
            theirs.into_iter().for_each(|lease| self.rest(lease, until));
        }
        set_aside
    }

    /// The job was refused by a worker that is leaving: it is handed nothing more over this connection. Answers whether that is news.
    pub fn leaving(&mut self, lease: Lease<C>) -> bool {
        self.members[lease.worker].failed += 1;
        let news = self.is_current(lease.worker, lease.connection);
        if news {
            self.down(lease.worker);
        }
        news
    }

    /// The job was not answered. `broken`: because the connection is gone, which takes the worker's other leases along; otherwise only
    /// this call ran out of time.
    pub fn lost(&mut self, lease: Lease<C>, broken: bool) {
        self.members[lease.worker].failed += 1;
        if broken && self.is_current(lease.worker, lease.connection) {
            self.down(lease.worker);
        }
        if let Some(lease) = self.returned(lease) {
            self.free.push_back(lease);
        }
    }

    /// When a resting lease is ready.
    pub fn next_wake(&self) -> Option<Instant> {
        self.resting.keys().next().map(|(time, _)| *time)
    }

    /// Workers that are connected.
    pub fn live_workers(&self) -> usize {
        self.members.iter().filter(|member| member.live.is_some()).count()
    }

    /// The workers, in the user's order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    fn live(&mut self, lease: &Lease<C>) -> Option<&mut Live> {
        self.members[lease.worker].live.as_mut().filter(|live| live.connection == lease.connection)
    }

    /// Takes a lease back; none if its connection is gone, or there is one too many.
    fn returned(&mut self, mut lease: Lease<C>) -> Option<Lease<C>> {
        if std::mem::take(&mut lease.alone) && self.reserved == Some(lease.worker) {
            self.reserved = None;
        }
        let live = self.live(&lease)?;
        live.out -= 1;
        if live.leases > live.capacity {
            live.leases -= 1;
            return None;
        }
        Some(lease)
    }

    fn add_leases(&mut self, client: C, worker: WorkerIndex, connection: u64, count: u32) {
        self.free.extend((0..count).map(|_| Lease { client: client.clone(), worker, connection, alone: false }));
        self.interleave();
    }

    fn rest(&mut self, lease: Lease<C>, until: Instant) {
        self.rests += 1;
        self.resting.insert((until, self.rests), lease);
    }

    fn wake_rested(&mut self, now: Instant) {
        while let Some(first) = self.resting.first_entry().filter(|first| first.key().0 <= now) {
            self.free.push_back(first.remove());
        }
    }

    /// One lease of each worker in turn.
    fn interleave(&mut self) {
        let mut by_worker: BTreeMap<WorkerIndex, VecDeque<Lease<C>>> = BTreeMap::new();
        for lease in self.free.drain(..) {
            by_worker.entry(lease.worker).or_default().push_back(lease);
        }
        while !by_worker.is_empty() {
            by_worker.retain(|_, leases| {
                self.free.extend(leases.pop_front());
                !leases.is_empty()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(capacities: &[u32]) -> Pool<char> {
        let mut pool = Pool::new((0..capacities.len()).map(|i| format!("w{i}")).collect());
        for (worker, capacity) in capacities.iter().enumerate() {
            pool.up(worker, char::from(b'a' + worker as u8), *capacity);
        }
        pool
    }

    fn take(pool: &mut Pool<char>) -> Lease<char> {
        pool.take(Instant::now()).unwrap()
    }

    #[test]
    fn clients_are_handed_out_round_robin() {
        let mut pool = pool(&[2, 2, 2]);
        let order: String = (0..6).map(|_| take(&mut pool).client).collect();
        assert_eq!(order, "abcabc");
        assert!(pool.take(Instant::now()).is_none());
    }

    #[test]
    fn a_worker_that_is_preferred_is_taken_out_of_turn_while_it_has_a_free_lease() {
        let mut pool = pool(&[2, 1, 1]);
        let now = Instant::now();
        let order: String = (0..3).map(|_| pool.take_preferring(Some(0), now).unwrap().client).collect();
        assert_eq!(order, "aab");
        assert!(pool.take_preferring(Some(9), now).is_some());
        assert!(pool.take_preferring(Some(0), now).is_none());
    }

    #[test]
    fn a_worker_that_is_preferred_and_reserved_for_a_request_alone_is_passed_over() {
        let mut pool = pool(&[2, 1]);
        let now = Instant::now();
        let busy = [take(&mut pool), take(&mut pool)];
        assert_eq!(busy.each_ref().map(|lease| lease.worker), [0, 1]);
        assert!(pool.take_alone(now).is_none(), "worker 0 has one job");
        assert!(pool.take_preferring(Some(0), now).is_none());
    }

    #[test]
    fn a_slow_worker_holds_up_nobody() {
        let mut pool = pool(&[1, 1]);
        let _slow = take(&mut pool);
        for _ in 0..9 {
            let quick = take(&mut pool);
            assert_eq!(quick.client, 'b');
            pool.give_back(quick);
        }
    }

    #[test]
    fn the_leases_of_a_dead_worker_die_with_it_and_a_flapping_one_never_fills_the_queue() {
        let mut pool = pool(&[3, 1]);
        let old = take(&mut pool);
        for _ in 0..9 {
            pool.down(0);
            pool.up(0, 'n', 2);
        }
        pool.give_back(old);
        let mut order: Vec<char> = std::iter::from_fn(|| pool.take(Instant::now())).map(|lease| lease.client).collect();
        order.sort_unstable();
        assert_eq!(order, ['b', 'n', 'n']);
    }

    #[test]
    fn a_worker_that_was_told_to_leave_is_handed_nothing_and_one_that_joins_has_its_share() {
        let mut pool = pool(&[2, 1]);
        let old = take(&mut pool);
        pool.retire(0);
        assert_eq!(pool.add("w2".to_owned()), 2);
        pool.up(2, 'n', 2);
        pool.up(0, 'a', 2);
        pool.give_back(old);
        let order: String = std::iter::from_fn(|| pool.take(Instant::now())).map(|lease| lease.client).collect();
        assert_eq!(order, "bnn");
        assert_eq!((pool.live_workers(), pool.members()[0].done), (2, 1));
    }

    /// All leases that are free now, by worker.
    fn take_all(pool: &mut Pool<char>) -> Vec<Lease<char>> {
        std::iter::from_fn(|| pool.take(Instant::now())).collect()
    }

    fn order(leases: &[Lease<char>]) -> String {
        leases.iter().map(|lease| lease.client).collect()
    }

    #[test]
    fn a_worker_that_takes_more_has_more_leases_at_once_among_those_of_the_others() {
        let mut pool = pool(&[1, 2]);
        let out = take(&mut pool);
        pool.resize(0, 'a', 4);
        assert_eq!(order(&take_all(&mut pool)), "ababa");
        pool.give_back(out);
        assert_eq!(order(&take_all(&mut pool)), "a");
    }

    #[test]
    fn a_worker_that_takes_less_is_handed_nothing_until_it_has_fewer_than_it_takes() {
        let mut pool = pool(&[5, 1]);
        let mut out: Vec<Lease<char>> = (0..4).map(|_| pool.take_preferring(Some(0), Instant::now()).unwrap()).collect();
        pool.resize(0, 'a', 2);
        assert_eq!((order(&take_all(&mut pool)).as_str(), pool.members()[0].in_flight()), ("b", 4));
        for (left, free) in [(3, ""), (2, ""), (1, "a")] {
            pool.give_back(out.pop().unwrap());
            assert_eq!(pool.members()[0].in_flight(), left);
            assert_eq!(order(&take_all(&mut pool)), free);
        }
        assert_eq!(pool.members()[0].done, 3);
    }

    #[test]
    fn what_is_out_when_a_worker_takes_less_and_then_more_counts_among_its_leases() {
        let mut pool = pool(&[4]);
        let out = take_all(&mut pool);
        pool.resize(0, 'a', 1);
        pool.resize(0, 'a', 3);
        pool.resize(0, 'a', 5);
        assert_eq!(order(&take_all(&mut pool)), "a");
        out.into_iter().for_each(|lease| pool.give_back(lease));
        assert_eq!(order(&take_all(&mut pool)), "aaaa");
    }

    #[test]
    fn a_lease_that_is_refused_because_a_worker_takes_less_by_now_is_given_up_and_no_sign_of_a_busy_worker() {
        let mut pool = pool(&[2]);
        let mut now = Instant::now();
        let (first, second) = (take(&mut pool), take(&mut pool));
        pool.resize(0, 'a', 1);
        assert!(!pool.refused(first, now));
        assert_eq!(pool.next_wake(), None);
        pool.give_back(second);
        for i in 1..=REFUSALS {
            let lease = pool.take(now).unwrap();
            assert!(pool.take(now).is_none());
            assert_eq!(pool.refused(lease, now), i == REFUSALS, "{i}");
            now = pool.next_wake().unwrap();
        }
    }

    #[test]
    fn what_rests_is_the_first_to_go_when_a_worker_takes_less_and_rests_no_more_when_it_takes_more() {
        let mut pool = pool(&[4]);
        let now = Instant::now();
        let [a, b, c, d] = <[_; 4]>::try_from(take_all(&mut pool)).unwrap();
        assert!(!pool.refused(a, now) && !pool.refused(b, now));
        pool.give_back(c);
        pool.give_back(d);
        pool.resize(0, 'a', 3);
        assert_eq!(pool.next_wake(), Some(now + REST));
        pool.resize(0, 'a', 2);
        assert_eq!(pool.next_wake(), None);
        let out = pool.take(now).unwrap();
        assert!(!pool.refused(out, now));
        pool.resize(0, 'a', 3);
        assert_eq!(pool.next_wake(), None);
        let free: Vec<Lease<char>> = std::iter::from_fn(|| pool.take(now)).collect();
        assert_eq!(order(&free), "aaa");
    }

    #[test]
    fn a_worker_that_was_set_aside_is_handed_jobs_again_when_it_takes_more() {
        let mut pool = pool(&[1]);
        let mut now = Instant::now();
        for _ in 0..REFUSALS {
            now = pool.next_wake().unwrap_or(now);
            let lease = pool.take(now).unwrap();
            pool.refused(lease, now);
        }
        assert!(!pool.has_free(now + REST));
        pool.resize(0, 'a', 2);
        let leases = [pool.take(now).unwrap(), pool.take(now).unwrap()];
        // And what it refuses then is counted anew.
        leases.into_iter().for_each(|lease| assert!(!pool.refused(lease, now + REST)));
        assert_eq!(pool.next_wake(), Some(now + REST + REST));
    }

    #[test]
    fn a_worker_that_is_away_or_was_told_to_leave_has_no_capacity_to_change() {
        let mut pool = pool(&[1, 1]);
        pool.down(0);
        pool.retire(1);
        pool.resize(0, 'a', 3);
        pool.resize(1, 'b', 3);
        assert!(pool.take(Instant::now()).is_none());
        pool.up(0, 'a', 2);
        assert_eq!(order(&take_all(&mut pool)), "aa");
    }

    #[test]
    fn a_request_alone_finds_its_worker_also_when_that_takes_one_job_by_now() {
        let mut pool = pool(&[3]);
        let now = Instant::now();
        let out = [take(&mut pool), take(&mut pool)];
        assert!(pool.take_alone(now).is_none());
        pool.resize(0, 'a', 1);
        let [first, second] = out;
        pool.give_back(first);
        assert!(pool.take_alone(now).is_none());
        pool.give_back(second);
        let alone = pool.take_alone(now).unwrap();
        pool.give_back(alone);
        assert_eq!(order(&take_all(&mut pool)), "a");
    }

    #[test]
    fn a_lease_that_was_refused_rests_and_ten_refusals_in_a_row_are_told() {
        let mut pool = pool(&[1]);
        let mut now = Instant::now();
        for i in 1..=REFUSALS {
            let lease = pool.take(now).unwrap();
            assert_eq!(pool.refused(lease, now), i == REFUSALS, "{i}");
            assert!(pool.take(now).is_none());
            now = pool.next_wake().unwrap();
        }
        // Set aside it is still there, and after a while it is tried again.
        assert_eq!(pool.live_workers(), 1);
        assert!(pool.take(now).is_some());
    }

    #[test]
    fn refusals_of_one_moment_are_one_and_a_worker_set_aside_is_handed_nothing() {
        let mut pool = pool(&[20, 1]);
        let now = Instant::now();
        let leases: Vec<Lease<char>> = (0..12).map(|_| take(&mut pool)).filter(|lease| lease.worker == 0).collect();
        assert!(leases.into_iter().all(|lease| !pool.refused(lease, now)));
        let mut later = now;
        for i in 2..=REFUSALS {
            later += REST;
            let lease = std::iter::from_fn(|| pool.take(later)).find(|lease| lease.worker == 0).unwrap();
            assert_eq!(pool.refused(lease, later), i == REFUSALS, "{i}");
        }
        assert!(pool.take(later + REST).is_none());
    }

    #[test]
    fn a_request_alone_waits_for_its_worker_and_the_others_go_on() {
        let mut pool = pool(&[2, 2]);
        let now = Instant::now();
        let (a, b, c) = (take(&mut pool), take(&mut pool), take(&mut pool));
        assert_eq!((a.worker, b.worker, c.worker), (0, 1, 0));
        assert!(pool.take_alone(now).is_none(), "worker 1 has one job");
        assert!(pool.take(now).is_none(), "and its free lease is withheld");
        pool.give_back(b);
        let alone = pool.take_alone(now).unwrap();
        assert_eq!((alone.worker, alone.alone), (1, true));
        assert!(pool.take(now).is_none());
        pool.give_back(a);
        assert_eq!(pool.take(now).unwrap().worker, 0);
        pool.give_back(alone);
        assert_eq!(pool.take(now).unwrap().worker, 1);
        pool.give_back(c);
    }

    #[test]
    fn a_worker_reserved_for_one_request_is_let_go_when_it_dies() {
        let mut pool = pool(&[1]);
        let now = Instant::now();
        let alone = pool.take_alone(now).unwrap();
        pool.down(0);
        pool.lost(alone, true);
        pool.up(0, 'n', 1);
        assert_eq!(pool.take(now).unwrap().client, 'n');
    }
}
