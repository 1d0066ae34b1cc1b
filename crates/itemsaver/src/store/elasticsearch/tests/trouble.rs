//! Servers that are busy, gone, or say no to some of what they get.

use std::sync::atomic::AtomicU32;

use model::save::ItemStatus::{self, Collided, Created, Rejected, Replaced};
use model::save::SaveBatch;
use model::schema::{FieldKind, FieldSchema, TypeSchema};

use super::*;
use crate::store::naive::NaiveStore;

fn person(fields: &[(&str, FieldKind)]) -> TypeSchema {
    let fields = fields.iter().map(|(name, kind)| FieldSchema { name: (*name).to_owned(), kind: *kind });
    TypeSchema { item_type: "person".to_owned(), fields: fields.collect() }
}

/// The contents of an index whose pages were saved as given.
async fn naive(batches: &[SaveBatch]) -> Vec<crate::store::StoredItem> {
    let mut naive = NaiveStore::default();
    batches.iter().for_each(|batch| drop(naive.save(batch)));
    naive.items()
}

#[tokio::test]
async fn exactly_what_violates_the_mapping_is_rejected_with_the_servers_reason() {
    for server in SERVERS {
        let store = Fresh::on(server).open().await;
        store.put_schema(vec![person(&[("Age", FieldKind::Integer), ("Name", FieldKind::Text)])]).await.unwrap();
        let people: Vec<_> = (0..2_000)
            .map(|n| {
                item(
                    "person",
                    &n.to_string(),
                    &if n % 1_000 == 7 { format!("{{\"Age\":\"{n} years\"}}") } else { format!("{{\"Age\":{n}}}") },
                )
            })
            .collect();
        let answer = store.save(batch("c", 1, &[page("a", 1, &people)])).await.unwrap();
        let rejected: Vec<(usize, &str)> = answer.pages[0]
            .iter()
            .enumerate()
            .filter(|(_, answer)| answer.status == Rejected)
            .map(|(at, answer)| (at, answer.reason.as_deref().unwrap()))
            .collect();
        // One reason for both: the value is in the item.
        let reason = "failed to parse field [payload.Age] of type [long]";
        assert_eq!(rejected, [(7, reason), (1_007, reason)]);
        assert_eq!(answer.pages[0].iter().filter(|answer| answer.status == Created).count(), 1_998);
        assert_eq!(store.stats().await.unwrap().items(), 1_998);
        // Sent again with what is right, as an engine requeues it.
        let mut again = page("a", 1, &[item("person", "7", "{\"Age\":7}")]);
        again.addition = true;
        assert_eq!(save(&store, batch("c", 1, &[again])).await, [[Created]]);
        assert_eq!(store.stats().await.unwrap().items(), 1_999);
    }
}

#[tokio::test]
async fn an_item_that_becomes_unfit_is_taken_away_and_one_that_its_rival_shows_stays() {
    let store = Fresh::on(Server::Elasticsearch).open().await;
    store.put_schema(vec![person(&[("Age", FieldKind::Integer)])]).await.unwrap();
    let by = |name: &str, version, payload: &str| batch("c", 1, &[page(name, version, &[item("person", "1", payload)])]);
    assert_eq!(save(&store, by("a", 1, "{\"Age\":1}")).await, [[Created]]);
    assert_eq!(save(&store, by("b", 2, "{\"Age\":2}")).await, [[Collided]]);
    assert_eq!(save(&store, by("b", 3, "{\"Age\":[{}]}")).await, [[Rejected]]);
    assert_eq!(contents(&store).await, ["person/1 {\"Age\":1}"]);
    assert_eq!(save(&store, by("a", 4, "{\"Age\":{}}")).await, [[Rejected]]);
    assert_eq!(contents(&store).await, [""; 0]);
    let twice = [item("person", "1", "{\"Age\":5}"), item("person", "1", "{\"Age\":\"x\"}")];
    assert_eq!(save(&store, batch("c", 1, &[page("a", 5, &twice)])).await, [[Created, Rejected]]);
    assert_eq!(contents(&store).await, ["person/1 {\"Age\":5}"]);
}

#[tokio::test]
async fn an_item_that_a_later_mapping_does_not_fit_stays_as_it_is() {
    let store = Fresh::on(Server::Elasticsearch).open().await;
    let by = |name: &str, version, payload: &str| batch("c", 1, &[page(name, version, &[item("person", "1", payload)])]);
    assert_eq!(save(&store, by("a", 2, "{\"Age\":\"x\"}")).await, [[Created]]);
    assert_eq!(save(&store, by("b", 1, "{\"Age\":1}")).await, [[Collided]]);
    store.put_schema(vec![person(&[("Age", FieldKind::Integer)])]).await.unwrap();
    assert_eq!(save(&store, batch("c", 1, &[page("b", 3, &[])])).await, [[]]);
    assert_eq!(contents(&store).await, ["person/1 {\"Age\":\"x\"}"]);
    assert_eq!(save(&store, by("c", 1, "{\"Age\":1}")).await, [[Rejected]], "it cannot be added to what is there");
    assert_eq!(save(&store, by("a", 4, "{\"Age\":4}")).await, [[Replaced]]);
    assert_eq!(contents(&store).await, ["person/1 {\"Age\":4}"]);
}

#[tokio::test]
async fn busy_answers_and_lost_answers_are_tried_again_until_all_is_stored_once() {
    for server in SERVERS {
        let bulks = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&bulks);
        let judge = move |request: &gate::Request| {
            if !request.line.contains("/_bulk") {
                return Verdict::Pass;
            }
            match seen.fetch_add(1, Ordering::Relaxed) % 6 {
                0 => Verdict::Answer(429),
                1 => Verdict::Answer(503),
                2 => Verdict::Cut,
                3 => Verdict::PassAndCut,
                _ => Verdict::Pass,
            }
        };
        let gate = Gate::before(services::shared(server), judge).await;
        let store = Fresh::at(server, &gate.url()).open().await;
        let pages = |version| -> Vec<_> {
            (0..20).map(|n| page(&n.to_string(), version, &[item("t", &n.to_string(), &format!("{{\"v\":{version}}}"))])).collect()
        };
        let batches = [batch("c", 1, &pages(1)), batch("c", 1, &pages(2))];
        assert_eq!(save(&store, batches[0].clone()).await, vec![[Created]; 20]);
        assert_eq!(save(&store, batches[1].clone()).await, vec![[Replaced]; 20]);
        assert_eq!(all(&store, &ItemFilter::default()).await, naive(&batches).await);
        assert!(bulks.load(Ordering::Relaxed) >= 6);
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_is_halved_and_an_item_that_is_too_large_alone_is_rejected() {
    let judge = |request: &gate::Request| {
        if request.line.contains("/_bulk") && request.body.len() > 4_000 { Verdict::Answer(413) } else { Verdict::Pass }
    };
    let gate = Gate::before(services::shared(Server::Elasticsearch), judge).await;
    let store = Fresh::at(Server::Elasticsearch, &gate.url()).open().await;
    let mut items: Vec<_> = (0..50).map(|n| item("t", &n.to_string(), "{\"text\":\"some words\"}")).collect();
    items[20] = item("t", "20", &format!("{{\"text\":\"{}\"}}", "x".repeat(5_000)));
    let pages: Vec<_> = items.iter().map(|item| page(item.id.as_str(), 1, std::slice::from_ref(item))).collect();
    let statuses: Vec<ItemStatus> = save(&store, batch("c", 1, &pages)).await.into_iter().flatten().collect();
    let expected: Vec<_> = (0..50).map(|n| if n == 20 { Rejected } else { Created }).collect();
    assert_eq!(statuses, expected);
    assert_eq!(store.stats().await.unwrap().items(), 49);
}

#[tokio::test]
async fn while_the_server_is_away_nothing_is_answered_and_statistics_say_so_until_it_is_back() {
    for server in SERVERS {
        let away = Arc::new(AtomicBool::new(false));
        let is_away = Arc::clone(&away);
        let judge = move |_: &gate::Request| if is_away.load(Ordering::Relaxed) { Verdict::Cut } else { Verdict::Pass };
        let gate = Gate::before(services::shared(server), judge).await;
        let store = ElasticsearchStore::open_with(&Fresh::at(server, &gate.url()).0, HASTY, false).await.unwrap();
        let one = |name: &str| batch("c", 1, &[page(name, 1, &[item("t", name, "{}")])]);
        save(&store, one("a")).await;
        away.store(true, Ordering::Relaxed);
        let error = store.save(one("b")).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
        assert!(store.stats().await.is_err());
        away.store(false, Ordering::Relaxed);
        assert_eq!(store.stats().await.unwrap().items(), 1);
        assert_eq!(save(&store, one("b")).await, [[Created]]);
        assert_eq!(contents(&store).await, ["t/a {}", "t/b {}"]);
    }
}

/// The server is cut off between any two documents of a save, for good; another process saves again what was not answered.
#[tokio::test]
async fn a_save_that_is_cut_off_anywhere_is_made_right_by_saving_again() {
    let before = [
        batch("c", 1, &[page("a", 1, &[item("t", "1", "{}"), item("t", "2", "{}")]), page("b", 2, &[item("t", "3", "{}")])]),
        batch("c", 2, &[page("b", 3, &[item("t", "1", "{\"by\":\"b\"}"), item("t", "4", "{}")])]),
    ];
    // Keeps, drops, adds and collides.
    let cut =
        batch("c", 2, &[page("a", 4, &[item("t", "1", "{\"by\":\"a\"}"), item("t", "5", "{}")]), page("c", 5, &[item("t", "4", "{}")])]);
    // The site has changed when the pages are fetched again.
    let again =
        batch("c", 2, &[page("a", 6, &[item("t", "1", "{\"by\":\"a\"}"), item("t", "6", "{}")]), page("c", 7, &[item("t", "4", "{}")])]);
    let one_by_one = Limits { bulk_documents: 1, write_patience: Duration::ZERO, read_patience: Duration::ZERO };
    let mut cuts = 0;
    for passed in 0.. {
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
        let gate = Gate::before(services::shared(Server::Elasticsearch), judge).await;
        let spec = Fresh::at(Server::Elasticsearch, &gate.url()).0;
        let store = ElasticsearchStore::open_with(&spec, one_by_one, false).await.unwrap();
        for batch in &before {
            save(&store, batch.clone()).await;
        }
        left.store(passed, Ordering::Relaxed);
        let whole = store.save(cut.clone()).await.is_ok();
        left.store(u32::MAX, Ordering::Relaxed);
        cuts += 1;
        let store = ElasticsearchStore::open_with(&spec, one_by_one, false).await.unwrap();
        let mut expected = NaiveStore::default();
        before.iter().for_each(|batch| drop(expected.save(batch)));
        // `b` owns 1 and 4 in this run, whether or not the save that collides with it came through.
        let collided = |statuses: Vec<Vec<ItemStatus>>| statuses.into_iter().flatten().filter(|status| *status == Collided).count();
        assert_eq!(collided(save(&store, again.clone()).await), 2, "cut after {passed}");
        expected.save(&again);
        assert_eq!(all(&store, &ItemFilter::default()).await, expected.items(), "cut after {passed}");
        if whole {
            break;
        }
    }
    assert!(cuts > 6, "{cuts}");
}

#[tokio::test]
async fn a_writer_that_was_replaced_stores_nothing_more_and_says_so() {
    for server in SERVERS {
        let place = Fresh::on(server);
        let (old, one) = (place.open().await, |name: &str| batch("c", 1, &[page(name, 1, &[item("t", name, "{}")])]));
        save(&old, one("a")).await;
        let new = place.open().await;
        save(&new, one("b")).await;
        let error = old.save(one("c")).await.unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("another itemsaver has opened it"), "{error}");
        assert_eq!(old.stats().await.unwrap_err(), error, "it is not well");
        assert_eq!(old.put_schema(vec![]).await.unwrap_err(), error);
        assert_eq!(contents(&new).await, ["t/a {}", "t/b {}"]);
    }
}

#[tokio::test]
async fn an_index_that_was_removed_is_not_made_anew_with_guesses() {
    let place = Fresh::on(Server::Elasticsearch);
    let store = place.open().await;
    let client = Client::new(&place.0, HASTY).unwrap();
    client.write(elasticsearch::http::Method::Delete, &format!("{}-000001", place.0.index), &[], "").await.unwrap();
    let error = store.save(batch("c", 1, &[page("a", 1, &[item("t", "1", "{}")])])).await.unwrap_err();
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
    assert!(store.stats().await.is_err());
}
