use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use model::{CrawlName, RunId, Secret};
use rcgen::{CertificateParams, KeyPair};
use services::postgres::{self, PASSWORD};

use super::*;
use crate::frontier::tables::{Batch, CrawlRecord, Durability, Opening, OutputMark, Tables};
use crate::frontier::testing::{Desk, database, holder};
use crate::frontier::{Entrance, Frontier, FrontierThread, Home, Notes, Order};
use crate::scope::Scope;

fn crawl(desk: &Desk) -> CrawlName {
    match desk {
        Desk::Database(crawl) => crawl.clone(),
        Desk::Disk(_) => panic!("these tests are about databases"),
    }
}

fn lease(desk: &Desk, place: &str) -> Result<Arc<Shared>, FrontierError> {
    database().take(crawl(desk), 2, &holder(place))
}

/// The shards of a crawl, taken by an engine.
fn taken(shared: &Arc<Shared>, place: &str) -> Vec<Line> {
    let crawl = shared.stand().unwrap().number;
    shared.make_shards(crawl, 2).unwrap();
    let engine = shared.join(crawl, &holder(place)).unwrap();
    let lines = shared.shards(crawl).unwrap();
    shared.take_shards(crawl, engine, &lines).unwrap()
}

fn tables(shared: &Arc<Shared>, line: Line) -> PostgresTables {
    PostgresTables::of_shard(Arc::clone(shared), line)
}

fn open(home: &dyn Home) -> Box<dyn Frontier> {
    let new = CrawlRecord::new(CrawlName::new("c").unwrap(), RunId(1), None);
    let opening = Opening { new, is_parser: &|_| true, parsing: Vec::new(), rescan: false };
    match home.open(opening).unwrap() {
        Entrance::Alone(frontier, _) | Entrance::Among(frontier, ..) => frontier,
        Entrance::Complete { .. } => panic!("complete"),
    }
}

fn batch(rows: impl IntoIterator<Item = (u32, &'static str)>) -> Batch {
    let mut batch = Batch::default();
    rows.into_iter().for_each(|(key, value)| batch.put(Table::Alike, key.to_be_bytes(), value));
    batch
}

fn value(tables: &PostgresTables, key: u32) -> Option<Vec<u8>> {
    tables.get(Table::Alike, &key.to_be_bytes()).unwrap()
}

#[test]
fn who_had_a_shard_that_another_engine_has_taken_writes_nothing_and_says_so() {
    let desk = Desk::database();
    let first = lease(&desk, "first").unwrap();
    let lines = taken(&first, "first");
    first.give_lease_back();
    // As others see it when it is silent for too long.
    let second = lease(&desk, "second").unwrap();
    assert_eq!(second.bury(lines[0].number - 1, "first").unwrap(), ["first"]);
    let of_second = taken(&second, "second");
    assert_eq!(of_second.iter().map(|line| line.epoch).collect::<Vec<_>>(), [2, 2]);
    let (before, after) = (tables(&first, lines[0]), tables(&second, of_second[0]));
    after.write(batch([(1, "second")]), Durability::Usual).unwrap();
    let refused = before.write(batch([(1, "first"), (2, "first")]), Durability::Usual).unwrap_err();
    assert!(matches!(refused, FrontierError::TakenOver(_)), "{refused}");
    assert!(matches!(first.tenure().lost(), Some(FrontierError::TakenOver(_))));
    assert!(!first.tenure().holds(Instant::now()) && second.tenure().holds(Instant::now()));
    assert_eq!((value(&after, 1), value(&after, 2)), (Some(b"second".to_vec()), None));
}

#[test]
fn a_group_over_several_shards_is_written_whole_or_not_at_all() {
    let desk = Desk::database();
    let first = lease(&desk, "first").unwrap();
    let lines = taken(&first, "first");
    let [a, b] = [tables(&first, lines[0]), tables(&first, lines[1])];
    let group = || Group { shards: vec![(&a, batch([(1, "a")])), (&b, batch([(1, "b")]))], ..Group::default() };
    first.write(group()).unwrap();
    assert_eq!((value(&a, 1).as_deref(), value(&b, 1).as_deref()), (Some(&b"a"[..]), Some(&b"b"[..])));
    // One of the two goes to another engine.
    first.leave_shard(lines[1]).unwrap();
    first.give_lease_back();
    let second = lease(&desk, "second").unwrap();
    let of_second = taken(&second, "second");
    assert_eq!(of_second.iter().map(|line| line.number).collect::<Vec<_>>(), [lines[1].number]);
    let group = Group { shards: vec![(&a, batch([(2, "a")])), (&b, batch([(2, "b")]))], ..Group::default() };
    assert!(matches!(first.write(group), Err(FrontierError::TakenOver(_))));
    assert_eq!((value(&a, 2), value(&b, 2)), (None, None));
    assert_eq!(second.shards(lines[0].number - 1).unwrap().iter().map(|line| line.groups).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_group_that_is_written_again_because_its_answer_was_lost_is_written_once() {
    let desk = Desk::database();
    let shared = lease(&desk, "here").unwrap();
    let line = taken(&shared, "here")[0];
    let (writer, again) = (tables(&shared, line), tables(&shared, line));
    writer.write(batch([(1, "written"), (2, "written")]), Durability::Usual).unwrap();
    // The same number once more: the server has had it, whatever is in it.
    again.write(batch([(1, "twice")]), Durability::Usual).unwrap();
    assert_eq!(value(&again, 1).as_deref(), Some(&b"written"[..]));
    again.write(batch([(3, "next")]), Durability::Usual).unwrap();
    assert!(value(&again, 3).is_some());
    // Two groups behind is no lost answer: somebody else writes.
    let behind = tables(&shared, line);
    let refused = behind.write(batch([(4, "elsewise")]), Durability::Usual).unwrap_err();
    assert!(refused.to_string().contains("somebody else has written to this crawl"), "{refused}");
    assert_eq!(value(&behind, 4), None);
}

#[test]
fn a_crawl_that_is_being_opened_is_refused_by_name_and_free_once_it_is_open() {
    let desk = Desk::database();
    let held = lease(&desk, "here").unwrap();
    let refused = lease(&desk, "elsewhere").err().unwrap();
    assert_eq!(refused.to_string(), format!("the crawl {} is in use by the engine here", crawl(&desk)));
    let line = taken(&held, "here")[0];
    let to_look_at = PostgresTables::to_look_at(database().look(crawl(&desk)), line.number);
    let written = to_look_at.write(batch([(1, "x")]), Durability::Usual).unwrap_err();
    assert!(written.to_string().contains("opened to be looked at"), "{written}");
    held.give_lease_back();
    assert!(lease(&desk, "elsewhere").is_ok());
}

#[test]
fn what_is_sent_to_a_shard_is_there_unless_it_knows_the_url_and_is_taken_out_with_a_group() {
    let desk = Desk::database();
    let shared = lease(&desk, "here").unwrap();
    let lines = taken(&shared, "here");
    let [a, b] = [tables(&shared, lines[0]), tables(&shared, lines[1])];
    let mut known = Batch::default();
    known.put(Table::Known, [7; 16], [0; 24]);
    b.write(known, Durability::Usual).unwrap();
    let sent = |url: &[u8], key: u8| Sent { shard: lines[1].number, url: url.to_vec(), key: vec![key], value: vec![key] };
    let sent = vec![sent(&[7; 16], 1), sent(&[8; 16], 2), sent(&[], 3)];
    shared.write(Group { shards: vec![(&a, batch([(1, "a")]))], sent, ..Group::default() }).unwrap();
    let inbox = |most| -> Vec<u8> {
        let letters = shared.inbox(vec![lines[0].number, lines[1].number], None, most).unwrap();
        letters.iter().map(|letter| letter.key[0]).collect()
    };
    assert_eq!((inbox(9), inbox(1)), (vec![2, 3], vec![2]));
    let first = shared.inbox(vec![lines[1].number], None, 1).unwrap();
    let next = shared.inbox(vec![lines[1].number], first.first(), 9).unwrap();
    assert_eq!(next.iter().map(|letter| letter.key[0]).collect::<Vec<_>>(), [3]);
    assert!(shared.inbox(vec![lines[1].number], next.first(), 9).unwrap().is_empty());
    assert!(!shared.is_over(lines[0].number - 1).unwrap());
    let received = vec![(lines[1].number, vec![2]), (lines[1].number, vec![3])];
    shared.write(Group { shards: vec![(&b, Batch::default())], received, ..Group::default() }).unwrap();
    assert_eq!(inbox(9), Vec::<u8>::new());
    assert!(shared.is_over(lines[0].number - 1).unwrap());
    let mut queued = Batch::default();
    queued.queued = 1;
    shared.write(Group { shards: vec![(&b, queued)], ..Group::default() }).unwrap();
    assert!(!shared.is_over(lines[0].number - 1).unwrap());
}

#[test]
fn rows_come_in_the_order_of_their_keys_however_many_are_read_at_a_time() {
    let desk = Desk::database();
    let shared = lease(&desk, "here").unwrap();
    let tables = tables(&shared, taken(&shared, "here")[0]);
    tables.write(batch((0..1000).map(|key| (key, "v"))), Durability::Usual).unwrap();
    let read = |from: u32, to: Option<u32>, most: usize| -> Vec<u32> {
        let to = to.map(|to| to.to_be_bytes());
        let rows = tables.range(Table::Alike, &from.to_be_bytes(), to.as_ref().map(|to| &to[..]), most);
        rows.map(|row| u32::from_be_bytes(row.unwrap().0.try_into().unwrap())).collect()
    };
    for most in [0, 1, 3, 1000, 100_000] {
        assert_eq!(read(0, None, most), (0..1000).collect::<Vec<_>>());
        assert_eq!(read(7, Some(500), most), (7..500).collect::<Vec<_>>());
        assert_eq!(read(7, Some(7), most), Vec::<u32>::new());
    }
    let mut seen = 0;
    let mut see = |_: &[u8], _: &[u8]| {
        seen += 1;
        Ok(if seen == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    };
    tables.each(Table::Alike, &mut see).unwrap();
    assert_eq!(seen, 10);
}

#[test]
fn a_crawl_that_is_discarded_leaves_nothing_behind_and_others_as_they_are() {
    let (desk, other) = (Desk::database(), Desk::database());
    let (here, there) = (lease(&desk, "here").unwrap(), lease(&other, "there").unwrap());
    let (before, elsewhere) = (tables(&here, taken(&here, "here")[0]), tables(&there, taken(&there, "there")[0]));
    for tables in [&before, &elsewhere] {
        tables.write(batch([(1, "x")]), Durability::Usual).unwrap();
    }
    let number = here.stand().unwrap().number;
    here.discard().unwrap();
    assert_ne!(here.stand().unwrap().number, number);
    assert!(value(&elsewhere, 1).is_some());
    // What is read by the old number is gone, and nothing can be written by it.
    assert_eq!(value(&before, 1), None);
    assert!(matches!(before.write(batch([(2, "late")]), Durability::Usual), Err(FrontierError::TakenOver(_))));
    assert_eq!(here.shards(number).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_written_while_the_crawl_was_left_is_no_end_of_a_crawl() {
    let mut server = postgres::Postgres::start();
    let access = Access { password: Some(Secret::new(PASSWORD)), authority: None };
    let reached = Database::reach(Address::parse(&server.url()).unwrap(), access, Duration::from_secs(30)).unwrap();
    let frontier = open(&reached.enter(CrawlName::new("c").unwrap(), holder("here")).unwrap());
    let (events, mut heard) = tokio::sync::mpsc::channel(1);
    let tenure = frontier.tenure();
    let thread = FrontierThread::start(frontier, events).unwrap();
    server.kill();
    // As an engine does that is told twice to end.
    heard.close();
    tenure.leave();
    let notes = Box::new(Notes { output: Some(OutputMark { file: "f".to_owned(), bytes: 1 }), ..Notes::default() });
    let scope = Arc::new(Scope::new([], vec![], vec![], None));
    thread.order(Order::Commit(crate::frontier::Group { given_up: vec![], endings: vec![], notes, scope }));
    let error = tokio::task::block_in_place(|| thread.finish()).err().unwrap();
    assert!(matches!(error, FrontierError::Store(_)), "{error}");
}

#[test]
fn tables_of_a_newer_version_are_refused_and_a_server_that_is_not_there_is_waited_for_no_longer_than_said() {
    let address = Address::parse(&postgres::database()).unwrap();
    let access = Access { password: Some(Secret::new(PASSWORD)), authority: None };
    let reached = Database::reach(address.clone(), access.clone(), Duration::ZERO).unwrap();
    let (to, with) = (address.clone(), access.clone());
    reached.background.wait(async move {
        let client = session::connect(&to, &with).await.unwrap();
        client.batch_execute("UPDATE gossamer.version SET version = 7").await.unwrap();
    });
    let refused = Database::reach(address.clone(), access, Duration::ZERO).err().unwrap();
    assert!(refused.to_string().contains("its tables are of version 7, this program knows version 2"), "{refused}");
    let refused =
        Database::reach(address, Access { password: Some(Secret::new("hidden")), authority: None }, Duration::from_secs(60)).err().unwrap();
    assert!(refused.to_string().contains("password authentication failed") && !refused.to_string().contains("hidden"), "{refused}");
    let nowhere = Address::parse("postgres://me@127.0.0.1:1/c").unwrap();
    let refused = Database::reach(nowhere, Access::default(), Duration::ZERO).err().unwrap();
    assert!(refused.to_string().contains("postgres://me@127.0.0.1:1/c") && refused.to_string().contains("refused"), "{refused}");
}

#[test]
fn over_tls_the_servers_certificate_is_checked() {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let server = postgres::Postgres::start_with_tls(&certificate.pem(), &key.serialize_pem());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, certificate.pem()).unwrap();
    let reach = |url: &str, authority| {
        let address = Address::parse(&format!("{url}?sslmode=verify-full")).unwrap();
        let access = Access { password: Some(Secret::new(PASSWORD)), authority };
        Database::reach(address.clone(), access.clone(), Duration::ZERO).map(|database| (database, address, access))
    };
    let (database, address, access) = reach(&server.url(), Some(file.clone())).unwrap();
    let is_encrypted = database.background.wait(async move {
        let client = session::connect(&address, &access).await.unwrap();
        client.query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]).await.unwrap().get::<_, bool>(0)
    });
    assert!(is_encrypted);
    let refused = reach(&server.url(), None).err().unwrap();
    assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
    let refused = reach(&server.url().replace("127.0.0.1", "localhost"), Some(file)).err().unwrap();
    assert!(refused.to_string().contains("not valid for name"), "{refused}");
    let unencrypted = postgres::Postgres::start();
    let refused = reach(&unencrypted.url(), None).err().unwrap();
    assert!(refused.to_string().contains("server does not support TLS"), "{refused}");
}

#[test]
fn a_renewal_that_comes_after_the_lease_was_given_back_renews_nothing() {
    let desk = Desk::database();
    let held = lease(&desk, "here").unwrap();
    let (name, epoch) = (crawl(&desk).to_string(), held.epoch().unwrap());
    drop(held);
    let other = database().take(CrawlName::new(format!("{name}-other")).unwrap(), 1, &holder("elsewhere")).unwrap();
    let renew = move |session: Arc<Session>| {
        let name = name.clone();
        async move { session.client.execute(statements::RENEW_LEASE, &[&name, &epoch, &10_000i64]).await }
    };
    assert_eq!(other.run(renew).unwrap(), 0);
    assert!(lease(&desk, "elsewhere").is_ok());
}
