//! Schemas, and moving on to an index that has them.

use model::save::SaveBatch;
use model::schema::{FieldKind, FieldSchema, TypeSchema};

use super::*;

fn schema(item_type: &str, fields: &[(&str, FieldKind)]) -> TypeSchema {
    let fields = fields.iter().map(|(name, kind)| FieldSchema { name: (*name).to_owned(), kind: *kind });
    TypeSchema { item_type: item_type.to_owned(), fields: fields.collect() }
}

#[tokio::test]
async fn two_types_with_two_kinds_for_one_field_are_told_at_once() {
    let store = Fresh::on(Server::Elasticsearch).open().await;
    store.put_schema(vec![schema("person", &[("Size", FieldKind::Integer)])]).await.unwrap();
    let error = store.put_schema(vec![schema("car", &[("Size", FieldKind::Text)])]).await.unwrap_err().to_string();
    assert!(error.ends_with("one index has one kind for a field: field Size is text in type car and integer in type person"), "{error}");
    assert_eq!(store.schemas().await.unwrap().len(), 1, "nothing was kept");
}

#[tokio::test]
async fn a_field_of_a_new_kind_needs_a_new_index_and_all_items_move_there() {
    for server in SERVERS {
        let place = Fresh::on(server);
        let store = place.open().await;
        store.put_schema(vec![schema("t", &[("Age", FieldKind::Text)])]).await.unwrap();
        let items: Vec<_> = (0..1_200).map(|n| item("t", &n.to_string(), &format!("{{\"Age\":\"{n}\"}}"))).collect();
        save(&store, batch("c", 1, &[page("a", 1, &items), page("b", 2, &items[..10])])).await;
        let before = all(&store, &ItemFilter::default()).await;

        let number = schema("t", &[("Age", FieldKind::Integer)]);
        let error = store.put_schema(vec![number.clone()]).await.unwrap_err().to_string();
        assert!(error.contains("run `itemsaver reindex`"), "{error}");
        let moved = Reindexed::Moved { from: format!("{}-000001", place.0.index), to: format!("{}-000002", place.0.index), items: 1_200 };
        assert_eq!(reindex(&place.0).await.unwrap(), moved);
        assert!(store.save(batch("c", 1, &[])).await.is_err(), "who had it open must be started again");

        let store = place.open().await;
        store.put_schema(vec![number]).await.unwrap();
        assert_eq!(all(&store, &ItemFilter::default()).await, before);
        assert_eq!(save(&store, batch("c", 1, &[page("a", 3, &[])])).await, [[]]);
        assert_eq!(store.stats().await.unwrap().items(), 10, "what b says of them moved along");
    }
}

/// A reindexing that gets no further than its first bulk until it may.
struct Held {
    moving: tokio::task::JoinHandle<Result<Reindexed, StoreError>>,
    may_go_on: Arc<AtomicBool>,
    _gate: Gate,
}

impl Held {
    /// Returns once the first bulk has come.
    async fn begin(server: Server, place: &Fresh) -> Held {
        let may_go_on = Arc::new(AtomicBool::new(false));
        let has_begun = Arc::new(tokio::sync::Notify::new());
        let (may, begins) = (Arc::clone(&may_go_on), Arc::clone(&has_begun));
        let judge = move |request: &gate::Request| {
            if !request.line.contains("/_bulk") || may.load(Ordering::Relaxed) {
                return Verdict::Pass;
            }
            begins.notify_one();
            Verdict::Answer(503)
        };
        let gate = Gate::before(services::shared(server), judge).await;
        let through_gate = ServerSpec { url: gate.url(), ..place.0.clone() };
        let moving = tokio::spawn(async move { reindex(&through_gate).await });
        has_begun.notified().await;
        Held { moving, may_go_on, _gate: gate }
    }
}

fn one(name: &str) -> SaveBatch {
    batch("c", 1, &[page(name, 1, &[item("t", name, "{}")])])
}

#[tokio::test]
async fn what_is_saved_while_items_move_is_put_off_and_not_lost() {
    for server in SERVERS {
        let place = Fresh::on(server);
        save(&place.open().await, one("a")).await;
        let held = Held::begin(server, &place).await;
        let store = ElasticsearchStore::open_with(&place.0, HASTY, false).await.unwrap();
        let late = store.save(one("late")).await;
        held.may_go_on.store(true, Ordering::Relaxed);
        assert!(matches!(held.moving.await.unwrap(), Ok(Reindexed::Moved { items: 1, .. })));
        let error = late.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        save(&store, one("late")).await;
        assert_eq!(contents(&store).await, ["t/a {}", "t/late {}"]);
    }
}

#[tokio::test]
async fn a_move_that_was_killed_is_begun_again() {
    for server in SERVERS {
        let place = Fresh::on(server);
        save(&place.open().await, one("a")).await;
        Held::begin(server, &place).await.moving.abort();
        assert!(matches!(reindex(&place.0).await, Ok(Reindexed::Moved { items: 1, .. })));
        let store = place.open().await;
        save(&store, one("b")).await;
        assert_eq!(contents(&store).await, ["t/a {}", "t/b {}"]);
    }
}

/// Which of two that run at the same moment moves the items does not matter.
#[tokio::test]
async fn a_move_that_another_has_begun_again_leaves_it_alone() {
    let place = Fresh::on(Server::Elasticsearch);
    save(&place.open().await, one("a")).await;
    let held = Held::begin(Server::Elasticsearch, &place).await;
    assert!(matches!(reindex(&place.0).await, Ok(Reindexed::Moved { items: 1, .. })));
    held.may_go_on.store(true, Ordering::Relaxed);
    held.moving.await.unwrap().unwrap_err();
    let store = place.open().await;
    save(&store, one("b")).await;
    assert_eq!(contents(&store).await, ["t/a {}", "t/b {}"]);
}

#[tokio::test]
async fn items_that_do_not_fit_stay_where_they_are() {
    let place = Fresh::on(Server::Elasticsearch);
    let store = place.open().await;
    store.put_schema(vec![schema("t", &[("Age", FieldKind::Text)])]).await.unwrap();
    save(&store, batch("c", 1, &[page("a", 1, &[item("t", "1", "{\"Age\":\"old\"}"), item("t", "2", "{\"Age\":\"2\"}")])])).await;
    store.put_schema(vec![schema("t", &[("Age", FieldKind::Integer)])]).await.unwrap_err();
    match reindex(&place.0).await.unwrap() {
        Reindexed::DoNotFit { items: 1, first } => assert!(first[0].starts_with("t 1: ") && first[0].contains("payload.Age"), "{first:?}"),
        other => panic!("{other:?}"),
    }
    let store = place.open().await;
    assert_eq!(contents(&store).await, ["t/1 {\"Age\":\"old\"}", "t/2 {\"Age\":\"2\"}"]);
    save(&store, batch("c", 1, &[page("b", 1, &[item("t", "3", "{}")])])).await;
}
