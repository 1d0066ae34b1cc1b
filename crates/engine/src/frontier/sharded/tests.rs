use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use model::{CrawlName, CrawlUrl, ParserRef, RunId};

use super::home::Found;
use super::*;
use crate::frontier::testing::{Desk, SHARDS, database, holder, home};
use crate::frontier::{DiskPlace, Fate, Home, Opening, PageEnd, Peer};
use crate::scope::{Breadth, LinkRules};

fn name(desk: &Desk) -> &CrawlName {
    match desk {
        Desk::Database(crawl) => crawl,
        Desk::Disk(_) => panic!("these tests are about databases"),
    }
}

fn opening(rescan: bool) -> Opening<'static> {
    let new = CrawlRecord::new(CrawlName::new("c").unwrap(), RunId(1), None);
    Opening { new, is_parser: &|_| true, parsing: Vec::new(), rescan }
}

fn open(desk: &Desk, place: &str) -> (Box<ShardedFrontier>, CrawlRecord, Vec<Peer>) {
    open_home(&home(name(desk), place))
}

fn open_home(home: &DatabaseHome) -> (Box<ShardedFrontier>, CrawlRecord, Vec<Peer>) {
    match home.open_crawl(opening(false)).unwrap() {
        Found::Open(frontier, record, peers) => {
            frontier.shared.give_lease_back();
            (frontier, record, peers)
        }
        Found::Complete(..) => panic!("complete"),
    }
}

/// Every site is in scope.
fn anywhere() -> Scope {
    Scope::new([], vec![], vec![], None).with(LinkRules { breadth: Breadth::Any, ..LinkRules::default() })
}

fn url(host: usize, page: usize) -> CrawlUrl {
    CrawlUrl::parse(&format!("http://site{host}.example/{page}")).unwrap()
}

fn request(host: usize, page: usize) -> Request {
    Request::seed(url(host, page), Arc::new(ParserRef::named("page")))
}

fn page(request: Request, links: Vec<Request>) -> Ending {
    Ending { request: Box::new(request), fate: Fate::Page(PageEnd { links, ..PageEnd::default() }) }
}

/// What an engine has in hand.
struct Engine {
    frontier: Box<ShardedFrontier>,
    origins: BTreeSet<Origin>,
}

impl Engine {
    fn start(desk: &Desk, place: &str) -> Engine {
        Engine::start_with(desk, place, Room::of_crawl())
    }

    /// One with so much room for keys.
    fn start_with(desk: &Desk, place: &str, room: Room) -> Engine {
        let mut home = home(name(desk), place);
        home.room = room;
        Engine::start_at(&home)
    }

    fn start_at(home: &DatabaseHome) -> Engine {
        let (mut frontier, ..) = open_home(home);
        let woken = frontier.seed(vec![request(0, 0)]).unwrap().woken;
        Engine { frontier, origins: woken.into_iter().map(|(origin, _)| origin).collect() }
    }

    /// Whether it has the shard of a URL, to stay.
    fn has(&self, request: &Request) -> bool {
        self.frontier.held.get(&self.frontier.shard_of(&request.url.origin())).is_some_and(|held| !held.leaving)
    }

    /// The others are looked at with the next tending, however short it is since the last.
    fn look_again(&mut self) {
        self.frontier.looked = None;
    }

    /// Sees to the others, and leaves at once what is to be left.
    fn tend(&mut self) -> Tended {
        let tended = self.frontier.tend(&anywhere(), None).unwrap();
        self.origins.extend(tended.woken.iter().chain(&tended.restored).map(|(origin, _)| origin.clone()));
        self.origins.retain(|origin| !tended.leaving.has(origin.host().as_str()));
        self.frontier.give_back().unwrap();
        tended
    }

    /// Takes some of what is due.
    fn take(&mut self, most: usize) -> Vec<Request> {
        let mut taken = Vec::new();
        for origin in self.origins.clone() {
            let found = self.frontier.take(&origin, most - taken.len(), Instant::now()).unwrap();
            if !found.more {
                self.origins.remove(&origin);
            }
            taken.extend(found.requests);
            if taken.len() == most {
                break;
            }
        }
        taken
    }

    fn commit(&mut self, group: Vec<Ending>) {
        let committed = self.frontier.commit(group, &Notes::default(), &anywhere()).unwrap();
        assert_eq!(committed.stale, 0);
        self.origins.extend(committed.woken.into_iter().map(|(origin, _)| origin));
    }

    fn commit_late(&mut self, group: Vec<Ending>) -> Result<Committed, FrontierError> {
        self.frontier.commit(group, &Notes::default(), &anywhere())
    }
}

/// The links of a page of a web of so many hosts with so many pages each: to each host, and on.
fn links(hosts: usize, pages: usize, from: &Request) -> Vec<Request> {
    let at = from.url.path_and_query()[1..].parse::<usize>().unwrap();
    let host = from.url.host_str().trim_start_matches("site").split('.').next().unwrap().parse::<usize>().unwrap();
    let on = (at + 1 < pages).then(|| request(host, at + 1));
    (0..hosts).map(|host| request(host, at)).chain(on).collect()
}

fn bury(desk: &Desk, place: &str) {
    let shared = database().look(name(desk).clone());
    let crawl = shared.stand().unwrap().number;
    assert_eq!(shared.bury(crawl, place).unwrap(), [place]);
}

fn assert_sound(desk: &Desk) {
    let checked = home(name(desk), "check").check(false).unwrap();
    assert!(checked.is_clean(), "{:?}", checked.faults);
}

#[test]
fn one_engine_has_all_shards_and_links_between_them_are_entered_at_once() {
    let desk = Desk::database();
    let mut engine = Engine::start(&desk, "one");
    let first = engine.take(9);
    assert_eq!(first.iter().map(|request| request.url.clone()).collect::<Vec<_>>(), [url(0, 0)]);
    let group = first.into_iter().map(|request| page(request.clone(), links(20, 1, &request))).collect();
    engine.commit(group);
    assert_eq!((engine.frontier.ledger().urls.discovered, engine.frontier.ledger().urls.queued), (20, 19));
    let hosts: BTreeSet<Origin> = engine.take(99).into_iter().map(|request| request.url.origin()).collect();
    assert_eq!(hosts, (1..20).map(|host| url(host, 0).origin()).collect());
    drop(engine);
    assert_sound(&desk);
    // What was in flight is queued for the next.
    let mut again = Engine::start(&desk, "one");
    assert_eq!((again.take(99).len(), again.frontier.ledger().urls.discovered), (19, 20));
}

#[test]
fn engines_share_the_hosts_of_a_crawl_and_every_url_is_handed_out_once() {
    share_a_crawl(&Room::of_crawl);
}

#[test]
fn engines_whose_memory_holds_a_few_keys_enter_every_url_once_too() {
    share_a_crawl(&|| Room::of(7));
}

fn share_a_crawl(room: &dyn Fn() -> Room) {
    let (hosts, pages) = (30, 4);
    let desk = Desk::database();
    let mut engines = vec![Engine::start_with(&desk, "one", room())];
    let mut fetched: Vec<(usize, Request)> = Vec::new();
    let mut turns = 0;
    loop {
        turns += 1;
        if turns == 4 || turns == 8 {
            engines.push(Engine::start_with(&desk, ["two", "three"][turns / 4 - 1], room()));
        }
        for (number, engine) in engines.iter_mut().enumerate() {
            engine.look_again();
            engine.tend();
            let taken = engine.take(3);
            fetched.extend(taken.iter().map(|request| (number, request.clone())));
            engine.commit(taken.into_iter().map(|request| page(request.clone(), links(hosts, pages, &request))).collect());
        }
        if engines.iter_mut().all(|engine| engine.tend().over) {
            break;
        }
        assert!(turns < 1000, "it ends");
    }
    let all: BTreeSet<String> = fetched.iter().map(|(_, request)| request.url.to_string()).collect();
    assert_eq!((fetched.len(), all.len()), (hosts * pages, hosts * pages));
    for number in 0..3 {
        assert!(fetched.iter().any(|(by, _)| *by == number), "engine {number} has fetched");
    }
    for engine in &engines {
        assert_eq!(engine.frontier.ledger().urls.done, (hosts * pages) as u64);
        assert!(engine.frontier.ledger().is_balanced());
    }
    engines[1].frontier.complete().unwrap();
    drop(engines);
    assert_sound(&desk);
    assert!(home(name(&desk), "look").peek().unwrap().complete);
}

#[test]
fn a_group_is_told_of_every_url_it_may_enter_that_is_not_in_memory_and_of_no_other() {
    let desk = Desk::database();
    let mut home = database().enter_in(name(&desk).clone(), 1, holder("one")).unwrap();
    home.room = Room::of(5);
    let mut engine = Engine::start_at(&home);
    let first = engine.take(9).remove(0);
    let linked: Vec<Request> = (1..10).map(|host| request(host, 0)).collect();
    engine.commit(vec![page(first, linked.clone())]);
    // Of ten known URLs five are in memory; half of those that follow are new.
    let taken = engine.take(9);
    let further: Vec<Request> = (0..20).map(|host| request(host, 0)).collect();
    let group: Vec<Ending> = taken.iter().map(|taken| page(taken.clone(), further.clone())).collect();
    let scope = anywhere();
    engine.frontier.ask_ahead(ahead::of_group(&group, &Notes::default(), &scope)).unwrap();
    let told = |engine: &Engine| -> Vec<(String, bool)> {
        let told = |request: &Request| {
            let storage = engine.frontier.held[&engine.frontier.shard_of(&request.url.origin())].frontier.storage();
            storage.told(request.key).map(|parser| (request.url.to_string(), parser.is_some()))
        };
        further.iter().filter_map(told).collect()
    };
    let (known, new): (Vec<_>, Vec<_>) = told(&engine).into_iter().partition(|(_, is_known)| *is_known);
    assert_eq!((known.len(), new.len()), (5, 10));
    assert_eq!(new, (10..20).map(|host| (url(host, 0).to_string(), false)).collect::<Vec<_>>());
    engine.commit(group);
    assert_eq!(engine.frontier.ledger().urls.discovered, 20);
    assert_eq!(told(&engine), [], "what was told is out of date once the group is written");
}

#[test]
fn nothing_that_a_group_a_seed_or_a_message_names_is_asked_about_by_itself() {
    let desk = Desk::database();
    let [mut one, mut two] = ["one", "two"].map(|place| Engine::start_with(&desk, place, Room::of(0)));
    let asked_alone = |engine: &Engine| engine.frontier.held.values().map(|held| held.frontier.storage().asked_alone()).sum::<usize>();
    let first = one.take(9);
    one.commit(first.into_iter().map(|request| page(request.clone(), links(20, 2, &request))).collect());
    for _ in 0..2 {
        for engine in [&mut one, &mut two] {
            engine.look_again();
            engine.tend();
        }
    }
    assert!(held_by(&desk, &two) > 0);
    // All of it knows URLs that are in the database alone.
    for engine in [&mut one, &mut two] {
        let mut taken = engine.take(99);
        assert!(taken.len() > 2);
        let target = Box::new(request(7, 7));
        let redirected = Ending { request: Box::new(taken.remove(0)), fate: Fate::Redirected { target, revisit: false } };
        let mut group: Vec<Ending> = taken.into_iter().map(|request| page(request.clone(), links(30, 3, &request))).collect();
        group.push(redirected);
        let found = vec![request(8, 8), request(2, 0)];
        engine.frontier.commit(group, &Notes { found, ..Notes::default() }, &anywhere()).unwrap();
        engine.frontier.enter((0..40).map(|host| request(host, 0)).collect(), &Notes::default()).unwrap();
    }
    let received = [&mut one, &mut two].map(|engine| engine.frontier.ledger().urls.discovered);
    for engine in [&mut one, &mut two] {
        engine.look_again();
        engine.tend();
    }
    assert!(one.frontier.ledger().urls.discovered > received[0], "some had come by message");
    assert_eq!((asked_alone(&one), asked_alone(&two)), (0, 0));
}

#[test]
fn shards_are_levelled_when_an_engine_comes_and_all_are_taken_back_when_it_goes() {
    let desk = Desk::database();
    let mut one = Engine::start(&desk, "one");
    let held = |engine: &Engine| held_by(&desk, engine);
    assert_eq!(held(&one), usize::from(SHARDS));
    let two = Engine::start(&desk, "two");
    one.look_again();
    let leaving = one.tend();
    assert_eq!(leaving.engines, 2);
    assert_eq!(held(&one), usize::from(SHARDS) / 2);
    let mut two = two;
    two.look_again();
    two.tend();
    assert_eq!(held(&two), usize::from(SHARDS) / 2);
    drop(two);
    one.look_again();
    one.tend();
    assert_eq!(held(&one), usize::from(SHARDS));
}

/// A crawl of 20 URLs, one of them done, which two engines have left: some of the others are on their way to the second, which never read them.
fn leave_letters(desk: &Desk) {
    let mut one = Engine::start(desk, "one");
    let first = one.take(9);
    let _two = Engine::start(desk, "two");
    one.look_again();
    one.tend();
    one.commit(first.into_iter().map(|request| page(request.clone(), links(20, 1, &request))).collect());
    assert!(one.frontier.ledger().urls.discovered < 20);
}

#[test]
fn what_engines_had_sent_each_other_is_part_of_a_copy() {
    let desk = Desk::database();
    leave_letters(&desk);
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (home(name(&desk), "copy"), DiskPlace::new(folder.path().join("frontier"), Duration::from_secs(1)));
    let copied = to.copy(&from.original().unwrap()).unwrap();
    assert_eq!((copied.record.ledger.urls.discovered, copied.record.ledger.urls.queued), (20, 19));
    let inspected = to.inspect().unwrap();
    assert!((0..20).all(|host| inspected.frontier.find(request(host, 0).key).unwrap().is_some()));
    drop(from);
    assert_sound(&desk);
}

#[test]
fn a_spider_must_know_the_parsers_of_what_engines_had_sent_each_other_too() {
    let desk = Desk::database();
    leave_letters(&desk);
    let spider = Some(model::SpiderHash::of(b"another"));
    let new = CrawlRecord::new(CrawlName::new("c").unwrap(), RunId(1), spider);
    let opening = Opening { new, is_parser: &|name| name != "page", parsing: Vec::new(), rescan: false };
    let Err(FrontierError::UnknownParsers(unknown)) = home(name(&desk), "three").open_crawl(opening).map(drop) else {
        panic!("it was opened");
    };
    assert_eq!(unknown, [("page".to_owned(), 19)].into());
}

#[test]
fn seeds_on_hosts_of_other_engines_are_told_apart_from_those_that_are_known() {
    let desk = Desk::database();
    let mut one = Engine::start(&desk, "one");
    let _two = Engine::start(&desk, "two");
    one.look_again();
    one.tend();
    let seeds = |page: usize| (0..40).map(move |host| request(host, page)).collect::<Vec<_>>();
    let own = seeds(1).iter().filter(|request| one.has(request)).count() as u64;
    assert!((1..40).contains(&own));
    let mut entered_and_sent = || {
        let before = one.frontier.ledger().urls.discovered;
        let sent = one.frontier.enter(seeds(1), &Notes::default()).unwrap().sent;
        (one.frontier.ledger().urls.discovered - before, sent)
    };
    // What is sent again is found to be known where it goes.
    assert_eq!([entered_and_sent(), entered_and_sent()], [(own, 40 - own), (0, 40 - own)]);
}

#[test]
fn all_that_a_dead_engine_had_is_taken_over_some_at_a_time_without_a_pause() {
    let desk = Desk::database();
    let start = |place: &str| Engine::start_at(&database().enter_in(name(&desk).clone(), 20, holder(place)).unwrap());
    let _dead = start("dead");
    let mut other = start("other");
    bury(&desk, "dead");
    other.look_again();
    // What is committed in between does not wait for all of them.
    let steps: Vec<(bool, usize)> = std::iter::repeat_with(|| (other.tend().more, held_by(&desk, &other))).take(3).collect();
    assert_eq!(steps, [(true, 8), (true, 16), (false, 20)]);
}

#[test]
fn a_shard_is_left_only_when_nothing_of_it_is_handed_out() {
    let desk = Desk::database();
    let mut one = Engine::start(&desk, "one");
    let first = one.take(9);
    one.commit(first.into_iter().map(|request| page(request.clone(), links(40, 1, &request))).collect());
    let in_flight = one.take(99);
    assert_eq!(in_flight.len(), 39);
    let _two = Engine::start(&desk, "two");
    one.look_again();
    let leaving = one.tend().leaving;
    assert!(in_flight.iter().any(|request| leaving.has(request.url.host_str())));
    assert_eq!(held_by(&desk, &one), usize::from(SHARDS), "each has a host with a page in flight");
    one.commit(in_flight.into_iter().map(|request| page(request, vec![])).collect());
    one.tend();
    assert_eq!(held_by(&desk, &one), usize::from(SHARDS) / 2);
}

#[test]
fn an_engine_that_is_silent_is_taken_over_from_and_changes_nothing_when_it_comes_back() {
    let desk = Desk::database();
    let mut silent = Engine::start(&desk, "silent");
    let first = silent.take(9);
    silent.commit(first.into_iter().map(|request| page(request.clone(), links(20, 1, &request))).collect());
    let in_flight = silent.take(10);
    bury(&desk, "silent");
    let mut other = Engine::start(&desk, "other");
    let again = other.take(99);
    assert_eq!(again.len(), 19, "what the silent one had in flight is queued");
    let late = in_flight.into_iter().map(|request| page(request, vec![request_far_away()])).collect();
    assert!(matches!(silent.commit_late(late), Err(FrontierError::TakenOver(_))));
    other.commit(again.into_iter().map(|request| page(request, vec![])).collect());
    assert!(other.tend().over);
    assert_eq!((other.frontier.ledger().urls.done, other.frontier.ledger().urls.discovered), (20, 20));
    drop((silent, other));
    assert_sound(&desk);
}

#[test]
fn an_engine_that_opens_its_crawl_anew_is_not_taken_for_one_that_others_have_buried() {
    let desk = Desk::database();
    drop(Engine::start(&desk, "here"));
    let home = home(name(&desk), "here");
    let (stand, frontier) = home.open_whole().unwrap();
    // Longer than the first renewal of what it was takes.
    for _ in 0..300 {
        home.refuse_peers(stand.number).unwrap();
    }
    assert!(home.check(false).unwrap().is_clean());
    assert!(home.shared.tenure().lost().is_none());
    drop((home, frontier));
    let look = database().look(name(&desk).clone());
    assert_eq!(look.peers(stand.number).unwrap(), [], "it has parted");
}

fn request_far_away() -> Request {
    request(999, 999)
}

#[test]
fn a_crawl_others_are_at_is_joined_as_it_is_and_neither_discarded_nor_rescanned() {
    let desk = Desk::database();
    let mut one = Engine::start(&desk, "one");
    one.frontier.keep_scope(&anywhere()).unwrap();
    let in_use = |result: Result<(), FrontierError>| assert!(matches!(result, Err(FrontierError::InUse { .. })), "{result:?}");
    in_use(home(name(&desk), "two").discard());
    in_use(home(name(&desk), "two").check(false).map(drop));
    in_use(home(name(&desk), "two").inspect().map(drop));
    in_use(home(name(&desk), "two").open(opening(true)).map(drop));
    let other = CrawlRecord::new(CrawlName::new("c").unwrap(), RunId(2), Some(model::SpiderHash::of(b"other")));
    let opening = Opening { new: other, is_parser: &|_| true, parsing: Vec::new(), rescan: false };
    assert!(matches!(home(name(&desk), "two").open(opening), Err(FrontierError::OtherSpider(_))));
    let (mut two, record, peers) = open(&desk, "two");
    assert_eq!((record.epoch, record.run, peers.len(), peers[0].name.as_str()), (1, RunId(1), 1, "one"));
    two.keep_scope(&anywhere()).unwrap();
    let narrower = Scope::new([], vec![], vec![], Some(1));
    assert!(matches!(two.keep_scope(&narrower), Err(FrontierError::OtherScope(_))));
    let inspected = database().home(name(&desk).clone(), holder("look")).inspect().unwrap();
    assert_eq!(inspected.frontier.ledger().urls.discovered, 1);
}

#[test]
fn what_is_asked_of_one_engine_is_answered_for_the_whole_crawl() {
    let desk = Desk::database();
    let mut one = Engine::start(&desk, "one");
    let first = one.take(9);
    one.commit(first.into_iter().map(|request| page(request.clone(), links(20, 1, &request))).collect());
    let dead = one.take(99).into_iter().map(|request| Ending { request: Box::new(request), fate: Fate::Dead { reason: "why".to_owned() } });
    one.commit(dead.collect());
    let mut two = Engine::start(&desk, "two");
    for _ in 0..2 {
        for engine in [&mut one, &mut two] {
            engine.look_again();
            engine.tend();
        }
    }
    assert_eq!((held_by(&desk, &one), held_by(&desk, &two)), (4, 4));
    for engine in [&one, &two] {
        let frontier = &engine.frontier;
        assert_eq!(frontier.ledger().urls.dead, 19);
        let mut letters: Vec<String> = frontier.dead(None, 99).unwrap().iter().map(|letter| letter.url.to_string()).collect();
        letters.sort();
        let mut expected: Vec<String> = (1..20).map(|host| url(host, 0).to_string()).collect();
        expected.sort();
        assert_eq!(letters, expected);
        assert_eq!(frontier.dead(None, 7).unwrap().len(), 7);
        for host in 0..20 {
            assert!(matches!(frontier.find(request(host, 0).key).unwrap(), Some(Whereabouts::Ended(_))), "{host}");
        }
        assert_eq!(frontier.find(request_far_away().key).unwrap(), None);
    }
    // One queues again what it has, and asks the other for the rest.
    let here = one.frontier.requeue(None).unwrap();
    assert!(here.urls > 0 && here.urls < 19, "{here:?}");
    one.origins.extend(here.woken.into_iter().map(|(origin, _)| origin));
    two.tend();
    one.look_again();
    one.tend();
    assert_eq!((one.frontier.ledger().urls.queued, one.frontier.ledger().urls.dead), (19, 0));
    assert_eq!(one.take(99).len() as u64 + two.take(99).len() as u64, 19);
}

#[test]
fn what_engines_may_take_and_what_is_done_never_come_to_more_than_the_budget() {
    let desk = Desk::database();
    let mut one = Engine::start(&desk, "one");
    let first = one.take(9);
    one.commit(first.into_iter().map(|request| page(request.clone(), links(20, 1, &request))).collect());
    let mut two = Engine::start(&desk, "two");
    let may_take =
        |engine: &mut Engine, wanted| engine.frontier.tend(&anywhere(), Some(PageBudget { max: 10, wanted })).unwrap().pages_left;
    // One page is done.
    assert_eq!((may_take(&mut one, 6), may_take(&mut two, 6)), (6, 3));
    let taken = one.take(4);
    one.commit(taken.into_iter().map(|request| page(request, vec![])).collect());
    assert_eq!((may_take(&mut one, 6), may_take(&mut two, 6)), (2, 3));
    // What the one needs no more, or had when it was buried, is for the other.
    assert_eq!((may_take(&mut one, 0), may_take(&mut two, 6)), (0, 5));
    bury(&desk, "two");
    assert_eq!(may_take(&mut one, 6), 5);
    assert!(matches!(two.commit_late(vec![]), Err(FrontierError::TakenOver(_))));
}

/// Two engines that share the hosts of a crawl, of which the first has committed a page with links to all of them.
fn two_engines(desk: &Desk, hosts: usize) -> [Engine; 2] {
    let mut one = Engine::start(desk, "one");
    let first = one.take(9);
    one.commit(first.into_iter().map(|request| page(request.clone(), links(hosts, 1, &request))).collect());
    let mut two = Engine::start(desk, "two");
    for _ in 0..2 {
        for engine in [&mut one, &mut two] {
            engine.look_again();
            engine.tend();
        }
    }
    [one, two]
}

#[test]
fn a_site_that_joins_is_known_to_others_no_later_than_what_was_found_on_it() {
    let desk = Desk::database();
    let [mut one, mut two] = two_engines(&desk, 20);
    let taken = one.take(1).remove(0);
    let target = (20..).map(|host| request(host, 0)).find(|request| two.has(request)).unwrap();
    let site = crate::scope::Site::of(&target.url);
    let redirected = Ending { request: Box::new(taken), fate: Fate::Redirected { target: Box::new(target.clone()), revisit: false } };
    one.frontier.commit(vec![redirected], &Notes { sites: vec![site.clone()], ..Notes::default() }, &anywhere()).unwrap();
    // Without a look at the others, which comes less often.
    let tended = two.tend();
    assert_eq!(tended.woken.into_iter().map(|(origin, _)| origin).collect::<Vec<_>>(), [target.url.origin()]);
    assert_eq!(tended.sites, [site]);
}

#[test]
fn who_gets_shards_looks_for_items_to_send_again() {
    let desk = Desk::database();
    let [mut one, two] = two_engines(&desk, 20);
    assert!(!one.tend().items_to_send);
    drop(two);
    one.look_again();
    assert!(one.tend().items_to_send);
}

#[test]
fn a_crawl_that_was_completed_while_something_was_added_goes_on() {
    let desk = Desk::database();
    let [mut one, mut two] = two_engines(&desk, 20);
    for engine in [&mut one, &mut two] {
        let taken = engine.take(99);
        engine.commit(taken.into_iter().map(|request| page(request, vec![])).collect());
    }
    one.look_again();
    assert!(one.tend().over);
    one.frontier.complete().unwrap();
    two.frontier.enter(vec![request(0, 7)], &Notes::default()).unwrap();
    drop((one, two));
    // It was on its way to the other's shard.
    let mut again = Engine::start(&desk, "one");
    again.tend();
    assert_eq!((again.frontier.ledger().urls.queued, again.frontier.ledger().urls.done), (1, 20));
    drop(again);
    assert_sound(&desk);
}

#[test]
fn what_the_last_engine_reports_has_what_others_did_a_moment_before() {
    let desk = Desk::database();
    let [mut one, mut two] = two_engines(&desk, 20);
    for engine in [&mut one, &mut two] {
        let taken = engine.take(99);
        let dead = |request| Ending { request: Box::new(request), fate: Fate::Dead { reason: "why".to_owned() } };
        engine.commit(taken.into_iter().map(dead).collect());
    }
    // It has not looked at the others since.
    assert!(!one.tend().over);
    one.look_again();
    assert!(one.tend().over);
    assert_eq!((one.frontier.ledger().urls.dead, one.frontier.ledger().urls.queued), (19, 0));
}

#[test]
fn an_output_goes_on_where_it_is_and_nowhere_else() {
    let desk = Desk::database();
    let mark = |bytes| Some(OutputMark { file: "f".to_owned(), bytes });
    let (mut one, ..) = open(&desk, "one");
    one.begin_output(mark(0)).unwrap();
    one.commit(vec![], &Notes { output: mark(7), ..Notes::default() }, &anywhere()).unwrap();
    drop(one);
    let output = |place: &str| open(&desk, place).1.output;
    assert_eq!((output("one"), output("two")), (mark(7), None));
}

/// Shards that an engine has, by the database.
fn held_by(desk: &Desk, engine: &Engine) -> usize {
    let shared = database().look(name(desk).clone());
    let lines = shared.shards(engine.frontier.crawl).unwrap();
    lines.iter().filter(|line| line.engine == engine.frontier.engine && line.is_held).count()
}
