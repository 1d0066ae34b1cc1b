use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use model::{CrawlName, RunId, Secret};
use services::postgres::{self, PASSWORD};

use super::*;
use crate::frontier::tables::{Batch, CrawlRecord, Durability, Opened, Opening, TableFrontier};
use crate::frontier::testing::{Desk, database, holder};
use crate::frontier::{Frontier, FrontierThread, Group, Notes, Order};
use crate::scope::Scope;

fn crawl(desk: &Desk) -> CrawlName {
    match desk {
        Desk::Database(crawl) => crawl.clone(),
        Desk::Disk(_) => panic!("these tests are about databases"),
    }
}

fn place(desk: &Desk) -> PostgresPlace {
    database().take(crawl(desk), holder("here")).unwrap()
}

fn tables(place: &PostgresPlace) -> PostgresTables {
    PostgresTables::new(Arc::clone(&place.shared), &place.stand().unwrap().unwrap())
}

fn open(desk: &Desk) -> Box<TableFrontier> {
    let new = CrawlRecord::new(CrawlName::new("c").unwrap(), RunId(1), None);
    let opening = Opening { new, is_parser: &|_| true, parsing: Vec::new(), rescan: false };
    match TableFrontier::open(&*desk.place(), opening).unwrap() {
        Opened::Ready(frontier, _) => frontier,
        Opened::Complete(_) => panic!("complete"),
    }
}

fn batch(rows: impl IntoIterator<Item = (u32, &'static str)>) -> Batch {
    let mut batch = Batch::default();
    rows.into_iter().for_each(|(key, value)| batch.put(Table::Alike, key.to_be_bytes(), value));
    batch
}

fn nothing() -> Scope {
    Scope::new([], vec![], vec![], None)
}

#[test]
fn an_engine_that_was_taken_over_from_writes_nothing_and_says_so() {
    let desk = Desk::database();
    let mut first = open(&desk);
    // A start in the same place need not wait for the lease to lapse.
    let mut second = open(&desk);
    let notes = |versions| Notes { versions, ..Notes::default() };
    second.commit(vec![], &notes(2), &nothing()).unwrap();
    let refused = first.commit(vec![], &notes(9), &nothing()).unwrap_err();
    let expected = format!("another engine has taken over this crawl: here ({}, epoch 2)", crawl(&desk));
    assert!(refused.to_string().starts_with(&expected), "{refused}");
    assert!(matches!(first.tenure().lost(), Some(FrontierError::TakenOver(_))));
    assert!(!first.tenure().holds(Instant::now()) && second.tenure().holds(Instant::now()));
    drop((first, second));
    assert_eq!(TableFrontier::peek(&*desk.place()).unwrap().versions, 2);
}

#[test]
fn a_group_that_is_written_again_because_its_answer_was_lost_is_written_once() {
    let desk = Desk::database();
    let place = place(&desk);
    let (writer, again) = (tables(&place), tables(&place));
    writer.write(batch([(1, "written"), (2, "written")]), Durability::Usual).unwrap();
    // The same number once more: the server has had it, whatever is in it.
    again.write(batch([(1, "twice")]), Durability::Usual).unwrap();
    assert_eq!(again.get(Table::Alike, &1u32.to_be_bytes()).unwrap().as_deref(), Some(&b"written"[..]));
    again.write(batch([(3, "next")]), Durability::Usual).unwrap();
    assert!(again.get(Table::Alike, &3u32.to_be_bytes()).unwrap().is_some());
    // Two groups behind is no lost answer: somebody else writes.
    let behind = PostgresTables::new(Arc::clone(&place.shared), &Stand { groups: 0, ..place.stand().unwrap().unwrap() });
    let refused = behind.write(batch([(4, "elsewise")]), Durability::Usual).unwrap_err();
    assert!(refused.to_string().contains("somebody else has written to this crawl"), "{refused}");
    assert_eq!(behind.get(Table::Alike, &4u32.to_be_bytes()).unwrap(), None);
}

#[test]
fn a_crawl_that_is_held_is_refused_by_name_and_free_once_it_is_given_back() {
    let desk = Desk::database();
    let held = place(&desk);
    let refused = database().take(crawl(&desk), holder("elsewhere")).err().unwrap();
    assert_eq!(refused.to_string(), format!("the crawl {} is in use by the engine here", crawl(&desk)));
    let (looked_at, who) = database().look(crawl(&desk)).unwrap();
    assert_eq!(who, Some(holder("here")));
    let written = looked_at.open().unwrap().write(batch([(1, "x")]), Durability::Usual).unwrap_err();
    assert!(written.to_string().contains("opened to be looked at"), "{written}");
    drop(held);
    assert!(database().take(crawl(&desk), holder("elsewhere")).is_ok());
}

#[test]
fn rows_come_in_the_order_of_their_keys_however_many_are_read_at_a_time() {
    let desk = Desk::database();
    let place = place(&desk);
    let tables = tables(&place);
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
    let (here, there) = (place(&desk), place(&other));
    let before = tables(&here);
    for tables in [&before, &tables(&there)] {
        tables.write(batch([(1, "x")]), Durability::Usual).unwrap();
    }
    here.discard().unwrap();
    assert_eq!(tables(&here).get(Table::Alike, &1u32.to_be_bytes()).unwrap(), None);
    assert!(tables(&there).get(Table::Alike, &1u32.to_be_bytes()).unwrap().is_some());
    // What is read by the old number is gone as well, and nothing can be written by it.
    assert_eq!(before.get(Table::Alike, &1u32.to_be_bytes()).unwrap(), None);
    assert!(before.write(batch([(2, "late")]), Durability::Usual).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_written_while_the_crawl_was_left_is_no_end_of_a_crawl() {
    let mut server = postgres::Postgres::start();
    let access = Access { password: Some(Secret::new(PASSWORD)), authority: None };
    let reached = Database::reach(Address::parse(&server.url()).unwrap(), access, Duration::from_secs(30)).unwrap();
    let place = reached.take(CrawlName::new("c").unwrap(), holder("here")).unwrap();
    let new = CrawlRecord::new(CrawlName::new("c").unwrap(), RunId(1), None);
    let opening = Opening { new, is_parser: &|_| true, parsing: Vec::new(), rescan: false };
    let Opened::Ready(frontier, _) = TableFrontier::open(&place, opening).unwrap() else { panic!("complete") };
    let (events, mut heard) = tokio::sync::mpsc::channel(1);
    let tenure = frontier.tenure();
    let thread = FrontierThread::start(frontier, events).unwrap();
    server.kill();
    // As an engine does that is told twice to end.
    heard.close();
    tenure.leave();
    thread.order(Order::Commit(Group { given_up: vec![], endings: vec![], notes: Box::default(), scope: Arc::new(nothing()) }));
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
    assert!(refused.to_string().contains("its tables are of version 7, this program knows version 1"), "{refused}");
    let refused =
        Database::reach(address, Access { password: Some(Secret::new("hidden")), authority: None }, Duration::from_secs(60)).err().unwrap();
    assert!(refused.to_string().contains("password authentication failed") && !refused.to_string().contains("hidden"), "{refused}");
    let nowhere = Address::parse("postgres://me@127.0.0.1:1/c").unwrap();
    let refused = Database::reach(nowhere, Access::default(), Duration::ZERO).err().unwrap();
    assert!(refused.to_string().contains("postgres://me@127.0.0.1:1/c") && refused.to_string().contains("refused"), "{refused}");
}

#[test]
fn a_renewal_that_comes_after_the_lease_was_given_back_renews_nothing() {
    let desk = Desk::database();
    let held = place(&desk);
    let (name, epoch) = (crawl(&desk).to_string(), held.shared.epoch().unwrap());
    drop(held);
    let other = database().take(CrawlName::new(format!("{name}-other")).unwrap(), holder("elsewhere")).unwrap();
    let renew = move |session: Arc<Session>| {
        let name = name.clone();
        async move { session.client.execute(statements::RENEW, &[&name, &epoch, &10_000i64]).await }
    };
    assert_eq!(other.shared.run(renew).unwrap(), 0);
    assert!(database().take(crawl(&desk), holder("elsewhere")).is_ok());
}
