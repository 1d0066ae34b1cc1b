//! A frontier in memory: as long-lived as its process.
//!
//! A known URL costs its key, its state and a parser's hash (21 bytes, about 40 in the table); one that waits also costs its request.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use model::{CrawlUrl, DedupKey, Origin, ParserRef};
use tokio::time::Instant;

use super::{Committed, DeadLetter, Ending, Fate, Frontier, FrontierError, Taken};
use crate::ledger::{Ledger, count};
use crate::request::Request;
use crate::scope::Scope;

/// See the module.
#[derive(Debug, Default)]
pub struct MemoryFrontier {
    known: HashMap<DedupKey, Known>,
    queues: HashMap<Origin, Queue>,
    given_up: HashMap<Origin, String>,
    ledger: Ledger,
}

#[derive(Debug)]
struct Known {
    state: State,
    parser: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    InFlight,
    Done,
    Dead,
    Skipped,
}

/// What waits for one origin.
#[derive(Debug, Default)]
struct Queue {
    due: BTreeMap<Reverse<i32>, VecDeque<Request>>,
    /// Requests that wait for a time; the second part of the key keeps equal times apart, in order.
    later: BTreeMap<(Instant, u64), Request>,
    delayed: u64,
}

impl MemoryFrontier {
    /// An empty frontier.
    pub fn new() -> MemoryFrontier {
        MemoryFrontier::default()
    }

    fn end(&mut self, ending: Ending, scope: &Scope, answer: &mut Answer) {
        let Some(known) = self.known.get_mut(&ending.key).filter(|known| known.state == State::InFlight) else {
            answer.committed.stale += 1;
            return;
        };
        match ending.fate {
            Fate::Page { links, items, refused } => {
                known.state = State::Done;
                self.ledger.urls.done += 1;
                self.ledger.urls.queued -= 1;
                self.ledger.pages += 1;
                self.ledger.items.add(items);
                for (reason, links) in refused {
                    self.ledger.refuse(reason, links);
                }
                for link in links {
                    self.enter(link, Some(scope), answer);
                }
            }
            Fate::Redirected { target, revisit } => {
                if !(revisit && target.key == ending.key) {
                    known.state = State::Done;
                    self.ledger.urls.done += 1;
                    self.ledger.urls.queued -= 1;
                }
                if revisit { self.reopen(*target, answer) } else { self.enter(*target, None, answer) }
            }
            Fate::Skipped { reason } => {
                known.state = State::Skipped;
                self.ledger.urls.skipped += 1;
                self.ledger.urls.queued -= 1;
                count(&mut self.ledger.skipped_by_reason, &reason, 1);
            }
            Fate::Dead { reason } => {
                self.ledger.urls.queued -= 1;
                self.die(ending.key, ending.url, &reason, answer);
            }
            Fate::Again { request, not_before } => self.queue_again(*request, not_before, answer),
        }
    }

    /// Enters a request whose key is not known; `scope` is asked only then.
    fn enter(&mut self, request: Request, scope: Option<&Scope>, answer: &mut Answer) {
        let parser = hash(&request.parser);
        if let Some(known) = self.known.get(&request.key) {
            self.ledger.parser_conflicts += u64::from(known.parser != parser);
            return;
        }
        if let Some(Err(refusal)) = scope.map(|scope| scope.judge(&request.url, request.depth)) {
            self.ledger.refuse(refusal.code(), 1);
            return;
        }
        self.ledger.urls.discovered += 1;
        self.known.insert(request.key, Known { state: State::Waiting, parser });
        if let Some(reason) = self.given_up.get(&request.url.origin()).cloned() {
            self.die(request.key, request.url, &reason, answer);
        } else {
            self.ledger.urls.queued += 1;
            self.wait(request, None, answer);
        }
    }

    /// Queues a request of a redirect chain once more, whatever became of it. One that waits or is in flight is left to that.
    fn reopen(&mut self, request: Request, answer: &mut Answer) {
        let state = self.known.get(&request.key).map(|known| known.state);
        match state {
            None => return self.enter(request, None, answer),
            Some(State::Waiting) => return,
            // The only one in flight here is the one that redirected to itself: another would be a second request of one key.
            Some(State::InFlight) => {}
            Some(State::Done) => {
                self.ledger.urls.done -= 1;
                self.ledger.urls.queued += 1;
            }
            Some(State::Dead | State::Skipped) => return,
        }
        self.queue_again(request, None, answer);
    }

    /// Queues a request that is counted as queued already, unless its origin was given up meanwhile.
    fn queue_again(&mut self, request: Request, not_before: Option<Instant>, answer: &mut Answer) {
        match self.given_up.get(&request.url.origin()).cloned() {
            Some(reason) => {
                self.ledger.urls.queued -= 1;
                self.die(request.key, request.url, &reason, answer);
            }
            None => self.wait(request, not_before, answer),
        }
    }

    fn wait(&mut self, request: Request, not_before: Option<Instant>, answer: &mut Answer) {
        let origin = request.url.origin();
        self.set(request.key, State::Waiting);
        let queue = self.queues.entry(origin.clone()).or_default();
        match not_before {
            Some(time) => {
                queue.delayed += 1;
                queue.later.insert((time, queue.delayed), request);
            }
            None => queue.due.entry(Reverse(request.priority)).or_default().push_back(request),
        }
        answer.woken.insert(origin);
    }

    /// Marks a request dead that is counted as discovered and, by now, no longer as queued.
    fn die(&mut self, key: DedupKey, url: CrawlUrl, reason: &str, answer: &mut Answer) {
        self.set(key, State::Dead);
        self.ledger.urls.dead += 1;
        count(&mut self.ledger.dead_by_reason, reason, 1);
        answer.committed.dead.push(DeadLetter { url, reason: reason.to_owned() });
    }

    fn set(&mut self, key: DedupKey, state: State) {
        self.known.get_mut(&key).expect("every request was entered").state = state;
    }
}

/// A commit's answer while it is made.
#[derive(Default)]
struct Answer {
    committed: Committed,
    woken: HashSet<Origin>,
}

impl Answer {
    fn finish(mut self) -> Committed {
        self.committed.woken = self.woken.into_iter().collect();
        // A stated order, so that the same crawl takes the same course.
        self.committed.woken.sort();
        self.committed
    }
}

impl Frontier for MemoryFrontier {
    fn commit(&mut self, group: Vec<Ending>, scope: &Scope) -> Result<Committed, FrontierError> {
        let mut answer = Answer::default();
        for ending in group {
            self.end(ending, scope, &mut answer);
        }
        Ok(answer.finish())
    }

    fn seed(&mut self, seeds: Vec<Request>) -> Result<Committed, FrontierError> {
        let mut answer = Answer::default();
        for seed in seeds {
            self.enter(seed, None, &mut answer);
        }
        Ok(answer.finish())
    }

    fn take(&mut self, origin: &Origin, most: usize, now: Instant) -> Result<Taken, FrontierError> {
        let Some(queue) = self.queues.get_mut(origin) else { return Ok(Taken::default()) };
        while let Some(first) = queue.later.first_entry().filter(|first| first.key().0 <= now) {
            let request = first.remove();
            queue.due.entry(Reverse(request.priority)).or_default().push_back(request);
        }
        let mut requests = Vec::new();
        while requests.len() < most
            && let Some(mut first) = queue.due.first_entry()
        {
            let room = most - requests.len();
            let level = first.get_mut();
            requests.extend(level.drain(..room.min(level.len())));
            if level.is_empty() {
                first.remove();
            }
        }
        let taken = Taken { requests, more: !queue.due.is_empty(), later: queue.later.keys().next().map(|(time, _)| *time) };
        if !taken.more && taken.later.is_none() {
            self.queues.remove(origin);
        }
        for request in &taken.requests {
            self.set(request.key, State::InFlight);
        }
        Ok(taken)
    }

    fn give_up(&mut self, origin: &Origin, reason: &str) -> Result<Committed, FrontierError> {
        self.given_up.insert(origin.clone(), reason.to_owned());
        let mut answer = Answer::default();
        if let Some(queue) = self.queues.remove(origin) {
            for request in queue.due.into_values().flatten().chain(queue.later.into_values()) {
                self.ledger.urls.queued -= 1;
                self.die(request.key, request.url, reason, &mut answer);
            }
        }
        Ok(answer.finish())
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

fn hash(parser: &ParserRef) -> u32 {
    let mut hasher = DefaultHasher::new();
    parser.name.hash(&mut hasher);
    parser.args.hash(&mut hasher);
    hasher.finish() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{ItemCounts, UrlCounts};
    use crate::scope::Site;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use std::time::Duration;

    fn request(path: &str) -> Request {
        Request::seed(CrawlUrl::parse(&format!("http://h/{path}")).unwrap(), Arc::new(ParserRef::named("page")))
    }

    fn scope() -> Scope {
        Scope::new([Site::of(&request("").url)], vec![], vec![], None)
    }

    fn page(of: &str, links: &[&str]) -> Ending {
        let links = links.iter().map(|path| request(path)).collect();
        Ending { key: request(of).key, url: request(of).url, fate: Fate::Page { links, items: ItemCounts::default(), refused: vec![] } }
    }

    fn take(frontier: &mut MemoryFrontier, most: usize, now: Instant) -> Vec<String> {
        let taken = frontier.take(&request("").url.origin(), most, now).unwrap();
        taken.requests.iter().map(|request| request.url.path_and_query()[1..].to_owned()).collect()
    }

    #[test]
    fn a_url_is_handed_out_once_in_order_of_priority_then_discovery() {
        let mut frontier = MemoryFrontier::new();
        let mut first = request("first");
        first.priority = 1;
        frontier.seed(vec![request("a"), request("b"), request("a"), first]).unwrap();
        let now = Instant::now();
        assert_eq!(take(&mut frontier, 2, now), ["first", "a"]);
        frontier.commit(vec![page("a", &["b", "c", "a"]), page("first", &["c", "d"])], &scope()).unwrap();
        assert_eq!(take(&mut frontier, 9, now), ["b", "c", "d"]);
        assert_eq!(take(&mut frontier, 9, now), Vec::<String>::new());
    }

    #[test]
    fn a_second_ending_changes_nothing() {
        let mut frontier = MemoryFrontier::new();
        frontier.seed(vec![request("a")]).unwrap();
        take(&mut frontier, 1, Instant::now());
        assert_eq!(frontier.commit(vec![page("a", &["b"])], &scope()).unwrap().stale, 0);
        let before = frontier.ledger().clone();
        assert_eq!(frontier.commit(vec![page("a", &["c"])], &scope()).unwrap().stale, 1);
        assert_eq!(*frontier.ledger(), before);
    }

    #[test]
    fn what_scope_refuses_is_counted_by_reason_and_asked_only_for_the_unknown() {
        let mut frontier = MemoryFrontier::new();
        let mut other = request("x");
        other.url = CrawlUrl::parse("http://other/").unwrap();
        other.key = other.url.dedup_key();
        frontier.seed(vec![request("a")]).unwrap();
        take(&mut frontier, 1, Instant::now());
        let fate =
            Fate::Page { links: vec![other.clone(), other, request("a")], items: ItemCounts::default(), refused: vec![("mailto", 3)] };
        frontier.commit(vec![Ending { key: request("a").key, url: request("a").url, fate }], &scope()).unwrap();
        let refused: Vec<(&str, u64)> = frontier.ledger().links_refused.iter().map(|(reason, n)| (reason.as_str(), *n)).collect();
        assert_eq!(refused, [("mailto", 3), ("other site", 2)]);
        assert_eq!(frontier.ledger().urls.discovered, 1);
    }

    #[test]
    fn a_retry_waits_for_its_time() {
        let mut frontier = MemoryFrontier::new();
        frontier.seed(vec![request("a")]).unwrap();
        let now = Instant::now();
        take(&mut frontier, 1, now);
        let later = now + Duration::from_secs(5);
        let fate = Fate::Again { request: Box::new(request("a")), not_before: Some(later) };
        frontier.commit(vec![Ending { key: request("a").key, url: request("a").url, fate }], &scope()).unwrap();
        let taken = frontier.take(&request("").url.origin(), 9, now).unwrap();
        assert_eq!((taken.requests.len(), taken.more, taken.later), (0, false, Some(later)));
        assert_eq!(take(&mut frontier, 9, later), ["a"]);
    }

    #[test]
    fn an_origin_given_up_takes_its_queue_and_its_future_along() {
        let mut frontier = MemoryFrontier::new();
        frontier.seed(vec![request("a"), request("b"), request("c")]).unwrap();
        take(&mut frontier, 1, Instant::now());
        frontier.give_up(&request("").url.origin(), "origin dead").unwrap();
        let answer = frontier.commit(vec![page("a", &["d"])], &scope()).unwrap();
        assert_eq!(answer.dead.len(), 1);
        assert_eq!(frontier.ledger().urls, UrlCounts { discovered: 4, done: 1, dead: 3, skipped: 0, queued: 0 });
        assert!(frontier.ledger().is_balanced());
    }

    #[test]
    fn a_redirect_to_itself_is_the_same_request_and_one_back_reopens_its_source() {
        let mut frontier = MemoryFrontier::new();
        frontier.seed(vec![request("a")]).unwrap();
        let now = Instant::now();
        take(&mut frontier, 1, now);
        let redirected = |of: &str, to: &str, revisit| Ending {
            key: request(of).key,
            url: request(of).url,
            fate: Fate::Redirected { target: Box::new(request(to)), revisit },
        };
        frontier.commit(vec![redirected("a", "a", true)], &scope()).unwrap();
        assert_eq!(take(&mut frontier, 9, now), ["a"]);
        frontier.commit(vec![redirected("a", "b", false)], &scope()).unwrap();
        assert_eq!(take(&mut frontier, 9, now), ["b"]);
        frontier.commit(vec![redirected("b", "a", true)], &scope()).unwrap();
        assert_eq!(frontier.ledger().urls, UrlCounts { discovered: 2, done: 1, dead: 0, skipped: 0, queued: 1 });
        assert_eq!(take(&mut frontier, 9, now), ["a"]);
        frontier.commit(vec![page("a", &[])], &scope()).unwrap();
        assert_eq!(frontier.ledger().urls, UrlCounts { discovered: 2, done: 2, dead: 0, skipped: 0, queued: 0 });
    }

    #[test]
    fn nothing_is_queued_again_for_an_origin_that_was_given_up() {
        let mut frontier = MemoryFrontier::new();
        frontier.seed(vec![request("a"), request("b")]).unwrap();
        take(&mut frontier, 2, Instant::now());
        frontier.give_up(&request("").url.origin(), "origin dead").unwrap();
        let again = |path: &str, fate| Ending { key: request(path).key, url: request(path).url, fate };
        let target = Box::new(request("a"));
        let group = vec![
            again("a", Fate::Redirected { target, revisit: true }),
            again("b", Fate::Again { request: Box::new(request("b")), not_before: None }),
        ];
        assert_eq!(frontier.commit(group, &scope()).unwrap().dead.len(), 2);
        assert_eq!(frontier.ledger().urls, UrlCounts { discovered: 2, done: 0, dead: 2, skipped: 0, queued: 0 });
    }

    #[test]
    fn another_parser_for_a_known_url_is_counted() {
        let mut frontier = MemoryFrontier::new();
        let mut other = request("a");
        other.parser = Arc::new(ParserRef::named("other"));
        frontier.seed(vec![request("a"), other]).unwrap();
        assert_eq!(frontier.ledger().parser_conflicts, 1);
    }

    proptest! {
        /// Any order of takes and endings hands every reachable URL out exactly once per life and keeps the ledger balanced.
        #[test]
        fn any_crawl_of_any_graph_visits_what_a_walk_visits(
            graph in proptest::collection::vec(proptest::collection::vec(0usize..12, 0..5), 12),
            choices in proptest::collection::vec((0usize..3, 0usize..4), 1..80),
        ) {
            let mut reachable = BTreeSet::from([0]);
            let mut open = vec![0];
            while let Some(node) = open.pop() {
                for next in &graph[node] {
                    if reachable.insert(*next) { open.push(*next); }
                }
            }
            let mut frontier = MemoryFrontier::new();
            frontier.seed(vec![request("0")]).unwrap();
            let now = Instant::now();
            let mut in_flight: VecDeque<String> = VecDeque::new();
            let mut fetched: Vec<usize> = Vec::new();
            let mut failed = BTreeSet::new();
            let mut choices = choices.into_iter().cycle();
            while frontier.ledger().urls.queued > 0 {
                let (most, fate) = choices.next().unwrap();
                in_flight.extend(take(&mut frontier, most + 1, now));
                let Some(path) = in_flight.pop_front() else { continue };
                let node: usize = path.parse().unwrap();
                if fate == 0 && failed.insert(node) {
                    let fate = Fate::Again { request: Box::new(request(&path)), not_before: None };
                    frontier.commit(vec![Ending { key: request(&path).key, url: request(&path).url, fate }], &scope()).unwrap();
                } else {
                    fetched.push(node);
                    let links: Vec<String> = graph[node].iter().map(ToString::to_string).collect();
                    let links: Vec<&str> = links.iter().map(String::as_str).collect();
                    frontier.commit(vec![page(&path, &links)], &scope()).unwrap();
                }
                prop_assert!(frontier.ledger().is_balanced());
            }
            fetched.sort_unstable();
            prop_assert_eq!(fetched, reachable.into_iter().collect::<Vec<_>>());
        }
    }
}
