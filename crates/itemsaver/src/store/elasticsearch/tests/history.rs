//! The history of items when a save is cut off, when another index is moved to, and when the server refuses an item.

use std::sync::atomic::AtomicU32;

use model::history::{Change, ChangeKind};
use model::save::ItemStatus::Rejected;
use model::save::SaveBatch;
use model::schema::{FieldKind, FieldSchema, TypeSchema};

use super::*;
use crate::store::naive::NaiveStore;

const ONE_BY_ONE: Limits = Limits { bulk_documents: 1, write_patience: Duration::ZERO, read_patience: Duration::ZERO };

fn says(id: &str, n: u64) -> model::Item {
    item("t", id, &format!("{{\"n\":{n}}}"))
}

/// What is there before, and a save that changes, takes away, brings back, moves and adds.
fn story() -> ([SaveBatch; 3], SaveBatch) {
    let before = [
        batch("c", 1, &[page("a", 1, &[says("1", 1), says("2", 1)]), page("b", 2, &[says("3", 1), says("4", 1), says("5", 1)])]),
        batch("c", 2, &[page("b", 3, &[says("4", 1)]), page("d", 3, &[says("1", 1)])]),
        batch("c", 2, &[page("b", 4, &[says("4", 2), says("5", 1)])]),
    ];
    let cut = batch("c", 2, &[page("a", 5, &[says("1", 2), says("3", 2)]), page("b", 6, &[says("2", 1), says("4", 3), says("6", 1)])]);
    (before, cut)
}

async fn past(store: &ElasticsearchStore) -> Vec<(String, Vec<Change>)> {
    let mut past = Vec::new();
    for id in ["1", "2", "3", "4", "5", "6"] {
        past.push((id.to_owned(), store.history("t", id).await.unwrap()));
    }
    past
}

/// Whether what is told last is what is there.
fn ends_with(changes: &[Change], there: Option<&str>) -> bool {
    let Some(last) = changes.last() else { return true };
    let told = last.fields.iter().find(|field| field.field == "n").and_then(|field| field.after.as_ref());
    (last.kind == ChangeKind::Gone) == there.is_none() && told.is_none_or(|n| there == Some(&format!("{{\"n\":{n}}}")))
}

/// Runs the story on a server that is cut off for good after `passed` documents of its last save: where it is, and whether it was whole.
async fn cut_after(passed: u32, server: Server, (before, cut): &([SaveBatch; 3], SaveBatch)) -> (ServerSpec, bool) {
    let left = Arc::new(AtomicU32::new(u32::MAX));
    let bulks = Arc::clone(&left);
    let judge = move |request: &gate::Request| {
        if !request.line.contains("/_bulk") {
            return Verdict::Pass;
        }
        let left = bulks.load(Ordering::Relaxed);
        bulks.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 0 { Verdict::Cut } else { Verdict::Pass }
    };
    let place = Fresh::on(server);
    let gate = Gate::before(services::shared(server), judge).await;
    let through_gate = ServerSpec { url: gate.url(), ..place.0.clone() };
    let store = ElasticsearchStore::open_with(&through_gate, ONE_BY_ONE, true).await.unwrap();
    for batch in before {
        save(&store, batch.clone()).await;
    }
    left.store(passed, Ordering::Relaxed);
    let whole = store.save(cut.clone()).await.is_ok();
    (place.0, whole)
}

#[tokio::test]
async fn a_save_that_is_cut_off_anywhere_and_sent_again_is_told_once() {
    for server in SERVERS {
        let story = story();
        let mut expected = NaiveStore::default();
        story.0.iter().chain([&story.1]).for_each(|batch| drop(expected.save(batch)));
        for passed in 0.. {
            let (spec, whole) = cut_after(passed, server, &story).await;
            let store = ElasticsearchStore::open_with(&spec, HASTY, true).await.unwrap();
            for _ in 0..2 {
                save(&store, story.1.clone()).await;
                for (id, changes) in past(&store).await {
                    assert_eq!(changes, expected.history("t", &id), "{id}, cut after {passed}");
                }
            }
            if whole {
                assert!(passed > 10, "{passed}");
                break;
            }
        }
    }
}

/// What the other save left is told if it came through, and not if it did not: each change begins where the one before it ended, and the
/// last one ends with what is there.
#[tokio::test]
async fn a_save_that_is_cut_off_anywhere_and_followed_by_another_is_told_as_far_as_it_came() {
    let story = story();
    let other = batch("c", 2, &[page("a", 7, &[says("1", 1), says("2", 7)]), page("b", 8, &[says("3", 1), says("4", 4)])]);
    for passed in 0.. {
        let (spec, whole) = cut_after(passed, Server::Elasticsearch, &story).await;
        let store = ElasticsearchStore::open_with(&spec, HASTY, true).await.unwrap();
        let seen = past(&store).await;
        let there = all(&store, &ItemFilter::default()).await;
        save(&store, other.clone()).await;
        let now = all(&store, &ItemFilter::default()).await;
        for ((id, changes), (_, before)) in past(&store).await.into_iter().zip(seen) {
            assert_eq!(changes[..before.len()], before, "what was told stays, {id}, cut after {passed}");
            let value = |items: &[crate::store::StoredItem]| -> Option<String> {
                items.iter().find(|stored| stored.item.id.as_str() == id).map(|stored| stored.item.payload.as_str().to_owned())
            };
            let (was, is) = (value(&there), value(&now));
            assert!(ends_with(&before, was.as_deref()) && ends_with(&changes, is.as_deref()), "{id}, cut after {passed}");
            match (&was, &is) {
                (Some(was), Some(is)) if was == is => assert_eq!(changes.len(), before.len(), "{id}, cut after {passed}"),
                (None, None) => assert_eq!(changes.len(), before.len(), "{id}, cut after {passed}"),
                (None, Some(_)) if before.last().is_none_or(|last| last.kind != ChangeKind::Gone) => assert_eq!(changes, before),
                _ => {
                    assert_eq!(changes.len(), before.len() + 1, "{id}, cut after {passed}");
                    let last = changes.last().unwrap();
                    let kind = if is.is_none() {
                        ChangeKind::Gone
                    } else if was.is_none() {
                        ChangeKind::Back
                    } else {
                        ChangeKind::Changed
                    };
                    assert_eq!((last.kind, last.number), (kind, changes.len() as u64), "{id}, cut after {passed}");
                }
            }
        }
        if whole {
            break;
        }
    }
}

#[tokio::test]
async fn history_is_as_it_was_after_items_moved_to_another_index() {
    for server in SERVERS {
        let place = Fresh::on(server);
        let store = place.open_with_history().await;
        for version in 1..=3 {
            save(&store, batch("c", 1, &[page("a", version, &[says("1", version)])])).await;
        }
        let before = store.history("t", "1").await.unwrap();
        assert_eq!(before.len(), 2);
        assert!(matches!(reindex(&place.0).await, Ok(Reindexed::Moved { items: 1, .. })));
        let store = place.open_with_history().await;
        assert_eq!(store.history("t", "1").await.unwrap(), before);
        save(&store, batch("c", 1, &[page("a", 4, &[says("1", 4)])])).await;
        assert_eq!(store.history("t", "1").await.unwrap().len(), 3);
    }
}

#[tokio::test]
async fn what_the_server_refuses_changes_nothing_but_that_the_item_is_gone() {
    let store = Fresh::on(Server::Elasticsearch).open_with_history().await;
    let field = FieldSchema { name: "n".to_owned(), kind: FieldKind::Integer };
    store.put_schema(vec![TypeSchema { item_type: "t".to_owned(), fields: vec![field] }]).await.unwrap();
    save(&store, batch("c", 1, &[page("a", 1, &[says("1", 1), says("2", 1)])])).await;
    let unfit = [item("t", "1", "{\"n\":\"x\"}"), says("2", 2)];
    assert_eq!(save(&store, batch("c", 1, &[page("a", 2, &unfit)])).await[0][0], Rejected);
    let kinds = |changes: Vec<Change>| changes.iter().map(|change| (change.number, change.kind)).collect::<Vec<_>>();
    assert_eq!(kinds(store.history("t", "1").await.unwrap()), [(1, ChangeKind::Gone)]);
    assert_eq!(kinds(store.history("t", "2").await.unwrap()), [(1, ChangeKind::Changed)]);
}
