//! What every store is tested for, written once.
//!
//! A store joins with `conformance!(place)`, where `place` makes a fresh [`Place`].

use std::future::Future;

use model::item::Source;
use model::save::{ItemStatus, PageItems, SaveBatch};
use model::schema::{FieldKind, FieldSchema, TypeSchema};
use model::{CrawlName, CrawlUrl, Item, RunId, SpiderHash};
use proptest::prelude::*;

use super::naive::NaiveStore;
use super::{Cursor, ItemFilter, Store, StoreError, StoredItem};

use ItemStatus::{Collided, Created, Rejected, Replaced};

/// Somewhere that a store can be, empty at first.
pub(super) trait Place {
    type Store: Store;

    /// Cases of a property test: every save is synced to a disk.
    const CASES: u32 = 48;

    /// Opens the store that is here; opened again after `close`, it is what a new process finds.
    fn open(&self) -> impl Future<Output = Self::Store>;

    /// The same, with the history of items kept.
    fn open_with_history(&self) -> impl Future<Output = Self::Store>;
}

/// One test per behaviour for the store at `$place`.
macro_rules! conformance {
    ($place:expr; $($behaviour:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $behaviour() {
            $crate::store::conformance::$behaviour(&$place).await;
        })*
    };
    ($place:expr) => {
        $crate::store::conformance::conformance! { $place;
            an_item_is_listed_as_it_came_with_its_source,
            a_newer_list_of_a_page_replaces_the_older_one,
            an_empty_list_takes_all_items_of_its_page_away,
            an_older_list_changes_nothing_and_counts_as_saved,
            the_first_page_of_a_run_owns_an_item_and_the_newest_contents_win,
            an_item_that_another_page_has_too_outlives_its_owners_interest,
            other_runs_and_other_crawls_replace_without_collision,
            an_identity_twice_on_a_page_is_one_item,
            an_addition_keeps_the_other_items_of_its_page,
            an_addition_to_a_page_that_is_not_known_is_that_pages_list,
            an_addition_older_than_its_page_is_not_stored,
            an_addition_collides_with_what_another_page_has_claimed_before,
            one_bad_item_is_rejected_and_its_siblings_are_stored,
            what_was_answered_is_there_after_a_restart,
            items_come_in_order_of_type_and_id_and_by_filter,
            counts_are_those_of_the_items,
            the_latest_schema_of_a_type_stands,
            a_closed_store_takes_nothing,
            batches_sent_at_once_are_all_stored,
            searches_find_what_the_language_says,
            an_answer_has_counts_by_type_marks_and_the_place_of_a_mistake,
            hits_are_sorted_by_number_and_paged_by_cursor_and_by_place,
            searches_follow_what_is_saved_changed_and_taken_away_also_after_a_restart,
            hits_past_ten_thousand_are_reached_by_a_cursor_and_counted_no_further,
            any_query_finds_what_its_plain_form_finds,
            the_longest_and_the_deepest_query_find_what_they_say,
            odd_payloads_are_stored_and_found,
            a_changed_item_tells_which_fields_changed_when_and_on_which_page,
            what_is_saved_again_or_written_otherwise_is_no_change,
            an_item_that_goes_and_comes_back_tells_so_and_is_compared_with_what_it_was,
            pages_that_take_turns_with_one_item_change_it_only_by_what_they_say_anew,
            what_comes_and_goes_within_a_batch_is_no_change,
            the_last_hundred_changes_are_kept,
            a_large_change_is_told_by_name_and_old_ones_make_room,
            history_outlives_a_restart_and_nothing_is_added_while_it_is_not_kept,
            a_store_without_history_has_none,
        }

        #[test]
        fn any_sequence_of_saves_is_told_as_the_rules_say() {
            $crate::store::conformance::any_sequence_of_saves_is_told_as_the_rules_say(|| $place);
        }

        #[test]
        fn any_sequence_of_saves_gives_what_the_rules_say() {
            $crate::store::conformance::any_sequence_of_saves_gives_what_the_rules_say(|| $place);
        }

        #[test]
        fn stored_is_saved_minus_collided_for_any_run_from_an_empty_store() {
            $crate::store::conformance::stored_is_saved_minus_collided_for_any_run_from_an_empty_store(|| $place);
        }
    };
}
pub(super) use conformance;

pub(super) use super::history_conformance::{
    a_changed_item_tells_which_fields_changed_when_and_on_which_page, a_large_change_is_told_by_name_and_old_ones_make_room,
    a_store_without_history_has_none, an_item_that_goes_and_comes_back_tells_so_and_is_compared_with_what_it_was,
    any_sequence_of_saves_is_told_as_the_rules_say, history_outlives_a_restart_and_nothing_is_added_while_it_is_not_kept,
    pages_that_take_turns_with_one_item_change_it_only_by_what_they_say_anew, the_last_hundred_changes_are_kept,
    what_comes_and_goes_within_a_batch_is_no_change, what_is_saved_again_or_written_otherwise_is_no_change,
};
pub(super) use super::search_conformance::{
    an_answer_has_counts_by_type_marks_and_the_place_of_a_mistake, any_query_finds_what_its_plain_form_finds,
    hits_are_sorted_by_number_and_paged_by_cursor_and_by_place, hits_past_ten_thousand_are_reached_by_a_cursor_and_counted_no_further,
    odd_payloads_are_stored_and_found, searches_find_what_the_language_says,
    searches_follow_what_is_saved_changed_and_taken_away_also_after_a_restart, the_longest_and_the_deepest_query_find_what_they_say,
};

pub(super) fn item(item_type: &str, id: &str, payload: &str) -> Item {
    let url = format!("http://h/items/{id}");
    serde_json::from_value(serde_json::json!({"url": url, "type": item_type, "id": id, "payload": payload})).unwrap()
}

pub(super) fn page(name: &str, version: u64, items: &[Item]) -> PageItems {
    let page = CrawlUrl::parse(&format!("http://h/{name}")).unwrap();
    PageItems { page, fetched_at_ms: 1_000 + version, version, items: items.to_vec(), addition: false }
}

fn addition(name: &str, version: u64, items: &[Item]) -> PageItems {
    PageItems { addition: true, ..page(name, version, items) }
}

pub(super) fn batch(crawl: &str, run: u64, pages: &[PageItems]) -> SaveBatch {
    let spider = Some(SpiderHash::of(crawl.as_bytes()));
    SaveBatch { crawl: CrawlName::new(crawl).unwrap(), run: RunId(run), spider, pages: pages.to_vec() }
}

pub(super) async fn save(store: &impl Store, batch: SaveBatch) -> Vec<Vec<ItemStatus>> {
    let answer = store.save(batch).await.unwrap();
    answer.pages.iter().map(|page| page.iter().map(|item| item.status).collect()).collect()
}

/// Saves one page in run 1 of crawl `c`.
pub(super) async fn save_page(store: &impl Store, name: &str, version: u64, items: &[Item]) -> Vec<ItemStatus> {
    save(store, batch("c", 1, &[page(name, version, items)])).await.remove(0)
}

pub(super) async fn all(store: &impl Store, filter: &ItemFilter) -> Vec<StoredItem> {
    let (mut items, mut after): (Vec<StoredItem>, Option<Cursor>) = (Vec::new(), None);
    loop {
        let chunk = store.items(filter, after.as_ref()).await.unwrap();
        items.extend(chunk.items);
        after = chunk.next;
        if after.is_none() {
            return items;
        }
    }
}

/// Identity and payload of everything, such as `t/1 {}`.
async fn contents(store: &impl Store) -> Vec<String> {
    let items = all(store, &ItemFilter::default()).await;
    items.iter().map(|stored| format!("{}/{} {:?}", stored.item.item_type, stored.item.id, stored.item.payload)).collect()
}

pub(super) async fn an_item_is_listed_as_it_came_with_its_source(place: &impl Place) {
    let store = place.open().await;
    let payload = "{ \"b\":18446744073709551616,\n\"a\": 1.50, \"ü\":\"\\u0000\" }";
    let sent = item("t", "1", payload);
    assert_eq!(save(&store, batch("c", u64::MAX, &[page("a", 7, std::slice::from_ref(&sent))])).await, [[Created]]);
    let source = Source {
        crawl: CrawlName::new("c").unwrap(),
        page: CrawlUrl::parse("http://h/a").unwrap(),
        fetched_at_ms: 1_007,
        version: 7,
        spider: Some(SpiderHash::of(b"c")),
    };
    assert_eq!(all(&store, &ItemFilter::default()).await, [StoredItem { item: sent, source }]);
}

pub(super) async fn a_newer_list_of_a_page_replaces_the_older_one(place: &impl Place) {
    let store = place.open().await;
    assert_eq!(save_page(&store, "a", 1, &[item("t", "1", "{}"), item("t", "2", "{}")]).await, [Created, Created]);
    assert_eq!(save_page(&store, "b", 1, &[item("t", "3", "{}")]).await, [Created]);
    assert_eq!(save_page(&store, "a", 2, &[item("t", "2", "{\"n\":2}"), item("u", "1", "{}")]).await, [Replaced, Created]);
    assert_eq!(contents(&store).await, ["t/2 {\"n\":2}", "t/3 {}", "u/1 {}"]);
    // The same save again, as after a lost answer.
    assert_eq!(save_page(&store, "a", 2, &[item("t", "2", "{\"n\":2}"), item("u", "1", "{}")]).await, [Replaced, Replaced]);
    assert_eq!(contents(&store).await, ["t/2 {\"n\":2}", "t/3 {}", "u/1 {}"]);
}

pub(super) async fn an_empty_list_takes_all_items_of_its_page_away(place: &impl Place) {
    let store = place.open().await;
    save_page(&store, "a", 1, &[item("t", "1", "{}"), item("u", "1", "{}")]).await;
    save_page(&store, "b", 1, &[item("t", "2", "{}")]).await;
    assert_eq!(save_page(&store, "a", 2, &[]).await, []);
    assert_eq!(contents(&store).await, ["t/2 {}"]);
    assert_eq!(save_page(&store, "a", 1, &[item("t", "1", "{}")]).await, [Replaced], "older than the empty list");
    assert_eq!(contents(&store).await, ["t/2 {}"]);
}

pub(super) async fn an_older_list_changes_nothing_and_counts_as_saved(place: &impl Place) {
    let store = place.open().await;
    save_page(&store, "a", 5, &[item("t", "1", "{\"v\":5}")]).await;
    save_page(&store, "b", 6, &[item("t", "1", "{\"v\":6}")]).await;
    let old = [item("t", "1", "{\"v\":4}"), item("t", "9", "{}"), item("", "9", "{}"), item("t", "1", "{}")];
    assert_eq!(save_page(&store, "a", 4, &old).await, [Replaced, Replaced, Rejected, Collided]);
    assert_eq!(save_page(&store, "b", 4, &old).await, [Collided, Replaced, Rejected, Collided]);
    assert_eq!(contents(&store).await, ["t/1 {\"v\":6}"]);
}

pub(super) async fn the_first_page_of_a_run_owns_an_item_and_the_newest_contents_win(place: &impl Place) {
    let store = place.open().await;
    assert_eq!(save_page(&store, "a", 1, &[item("t", "1", "{\"by\":\"a\"}")]).await, [Created]);
    assert_eq!(save_page(&store, "b", 2, &[item("t", "1", "{\"by\":\"b\"}")]).await, [Collided]);
    assert_eq!(contents(&store).await, ["t/1 {\"by\":\"b\"}"]);
    for version in [3, 5] {
        assert_eq!(save_page(&store, "a", version, &[item("t", "1", "{\"by\":\"a\"}")]).await, [Replaced], "the owner's replay");
        assert_eq!(contents(&store).await, ["t/1 {\"by\":\"a\"}"]);
        assert_eq!(save_page(&store, "b", version + 1, &[item("t", "1", "{\"by\":\"b\"}")]).await, [Collided], "another's replay");
        assert_eq!(contents(&store).await, ["t/1 {\"by\":\"b\"}"]);
    }
    assert_eq!(save_page(&store, "c", 2, &[item("t", "1", "{\"by\":\"c\"}")]).await, [Collided], "fetched before, saved after");
    assert_eq!(contents(&store).await, ["t/1 {\"by\":\"b\"}"]);
    let equal = [page("d", 9, &[item("t", "1", "{\"by\":\"d\"}")]), page("e", 9, &[item("t", "1", "{\"by\":\"e\"}")])];
    assert_eq!(save(&store, batch("c", 1, &equal)).await, [[Collided], [Collided]]);
    assert_eq!(contents(&store).await, ["t/1 {\"by\":\"e\"}"], "of equal versions the one written last");
}

pub(super) async fn an_item_that_another_page_has_too_outlives_its_owners_interest(place: &impl Place) {
    let store = place.open().await;
    for (name, version) in [("a", 1), ("b", 2), ("c", 3)] {
        save_page(&store, name, version, &[item("t", "1", &format!("{{\"by\":\"{name}\"}}"))]).await;
    }
    save_page(&store, "c", 4, &[]).await;
    assert_eq!(contents(&store).await, ["t/1 {\"by\":\"b\"}"], "the contents were c's: the next newest are b's");
    save_page(&store, "a", 5, &[]).await;
    assert_eq!(contents(&store).await, ["t/1 {\"by\":\"b\"}"]);
    assert_eq!(save_page(&store, "b", 6, &[item("t", "1", "{\"by\":\"b\"}")]).await, [Replaced], "b owns it now");
    assert_eq!(save_page(&store, "a", 7, &[item("t", "1", "{\"by\":\"a\"}")]).await, [Collided]);
    save_page(&store, "b", 8, &[]).await;
    assert_eq!(contents(&store).await, ["t/1 {\"by\":\"a\"}"]);
    save_page(&store, "a", 9, &[]).await;
    assert_eq!(contents(&store).await, [""; 0]);
}

pub(super) async fn other_runs_and_other_crawls_replace_without_collision(place: &impl Place) {
    let store = place.open().await;
    let by = |crawl, run, name, version| batch(crawl, run, &[page(name, version, &[item("t", "1", "{}")])]);
    assert_eq!(save(&store, by("c", 1, "a", 1)).await, [[Created]]);
    assert_eq!(save(&store, by("c", 2, "b", 2)).await, [[Replaced]], "another page of the next run");
    assert_eq!(save(&store, by("c", 2, "a", 3)).await, [[Collided]], "b was first in this run");
    assert_eq!(save(&store, by("d", 2, "a", 4)).await, [[Replaced]], "another crawl");
    assert_eq!(save(&store, by("d", 2, "b", 5)).await, [[Collided]]);
    assert_eq!(save(&store, by("c", 2, "b", 6)).await, [[Replaced]]);
    assert_eq!(contents(&store).await, ["t/1 {}"]);
}

pub(super) async fn an_identity_twice_on_a_page_is_one_item(place: &impl Place) {
    let store = place.open().await;
    let twice = [item("t", "1", "{\"n\":1}"), item("u", "1", "{}"), item("t", "1", "[]"), item("t", "1", "{\"n\":2}")];
    assert_eq!(save_page(&store, "a", 1, &twice).await, [Created, Created, Rejected, Collided]);
    assert_eq!(contents(&store).await, ["t/1 {\"n\":2}", "u/1 {}"]);
    assert_eq!(save_page(&store, "a", 2, &twice).await, [Replaced, Replaced, Rejected, Collided]);
    assert_eq!(contents(&store).await, ["t/1 {\"n\":2}", "u/1 {}"]);
}

pub(super) async fn an_addition_keeps_the_other_items_of_its_page(place: &impl Place) {
    let store = place.open().await;
    save_page(&store, "a", 2, &[item("t", "1", "{}"), item("", "2", "{}")]).await;
    let mut added = batch("c", 1, &[addition("a", 2, &[item("t", "2", "{}"), item("", "3", "{}")])]);
    // What is said of the page stays.
    (added.spider, added.pages[0].fetched_at_ms) = (None, 7);
    assert_eq!(save(&store, added.clone()).await, [[Created, Rejected]]);
    assert_eq!(save(&store, added).await, [[Replaced, Rejected]], "as after a lost answer");
    assert_eq!(contents(&store).await, ["t/1 {}", "t/2 {}"]);
    let items = all(&store, &ItemFilter::default()).await;
    assert_eq!(items[0].source, items[1].source);
    assert_eq!((items[1].source.version, items[1].source.fetched_at_ms), (2, 1_002));
    assert_eq!(store.stats().await.unwrap().items_by_type, [("t".to_owned(), 2)]);
    assert_eq!(save_page(&store, "a", 3, &[item("t", "1", "{}")]).await, [Replaced]);
    assert_eq!(contents(&store).await, ["t/1 {}"], "the page's next list has no more use for what was added");
}

pub(super) async fn an_addition_to_a_page_that_is_not_known_is_that_pages_list(place: &impl Place) {
    let store = place.open().await;
    assert_eq!(save(&store, batch("c", 1, &[addition("a", 2, &[item("t", "1", "{}")])])).await, [[Created]]);
    assert_eq!(save_page(&store, "a", 1, &[]).await, [], "older");
    assert_eq!(contents(&store).await, ["t/1 {}"]);
    save_page(&store, "a", 3, &[]).await;
    assert_eq!(contents(&store).await, [""; 0]);
}

pub(super) async fn an_addition_older_than_its_page_is_not_stored(place: &impl Place) {
    let store = place.open().await;
    save_page(&store, "b", 1, &[item("t", "1", "{\"by\":\"b\"}")]).await;
    assert_eq!(save_page(&store, "a", 5, &[item("t", "1", "{\"by\":\"a\"}")]).await, [Collided]);
    let late = addition("a", 4, &[item("t", "1", "{}"), item("t", "2", "{}"), item("", "3", "{}")]);
    assert_eq!(save(&store, batch("c", 1, &[late])).await, [[Replaced, Replaced, Rejected]]);
    assert_eq!(contents(&store).await, ["t/1 {\"by\":\"a\"}"]);
    let newer = addition("a", 6, &[item("t", "2", "{}")]);
    assert_eq!(save(&store, batch("c", 1, &[newer])).await, [[Created]]);
    assert_eq!(save_page(&store, "a", 5, &[]).await, [], "the page is still of version 5");
    assert_eq!(contents(&store).await, ["t/1 {\"by\":\"b\"}"]);
}

pub(super) async fn an_addition_collides_with_what_another_page_has_claimed_before(place: &impl Place) {
    let store = place.open().await;
    save_page(&store, "a", 2, &[item("", "1", "{}")]).await;
    save_page(&store, "b", 1, &[item("t", "1", "{\"by\":\"b\"}")]).await;
    save_page(&store, "d", 3, &[item("t", "2", "{\"by\":\"d\"}")]).await;
    let added = addition("a", 2, &[item("t", "1", "{\"by\":\"a\"}"), item("t", "2", "{\"by\":\"a\"}")]);
    for _ in 0..2 {
        assert_eq!(save(&store, batch("c", 1, std::slice::from_ref(&added))).await, [[Collided, Collided]]);
        assert_eq!(contents(&store).await, ["t/1 {\"by\":\"a\"}", "t/2 {\"by\":\"d\"}"], "the newest page's contents");
    }
    save_page(&store, "b", 4, &[]).await;
    save_page(&store, "d", 5, &[]).await;
    assert_eq!(contents(&store).await, ["t/1 {\"by\":\"a\"}", "t/2 {\"by\":\"a\"}"]);
    assert_eq!(save(&store, batch("c", 1, &[added])).await, [[Replaced, Replaced]], "the page owns them now");
}

pub(super) async fn one_bad_item_is_rejected_and_its_siblings_are_stored(place: &impl Place) {
    let store = place.open().await;
    save_page(&store, "a", 1, &[item("t", "3", "{}")]).await;
    let items = [item("t", "1", "{}"), item("", "2", "{}"), item("t", "3", "7"), item("t", "4", "{}")];
    let answer = store.save(batch("c", 1, &[page("a", 2, &items)])).await.unwrap();
    let reasons: Vec<_> = answer.pages[0].iter().map(|item| item.reason.as_deref()).collect();
    assert_eq!(reasons, [None, Some("must supply Type"), Some("payload is not a JSON object"), None]);
    assert_eq!(contents(&store).await, ["t/1 {}", "t/4 {}"], "t/3 is no longer what its page says");
}

pub(super) async fn what_was_answered_is_there_after_a_restart(place: &impl Place) {
    let store = place.open().await;
    store.put_schema(vec![schema("t", &["a"])]).await.unwrap();
    save_page(&store, "a", 1, &[item("t", "1", "{}"), item("t", "2", "{}")]).await;
    save_page(&store, "b", 2, &[item("t", "1", "{\"by\":\"b\"}")]).await;
    let (before, stats) = (all(&store, &ItemFilter::default()).await, store.stats().await.unwrap());
    store.close().await;
    let store = place.open().await;
    assert_eq!(all(&store, &ItemFilter::default()).await, before);
    assert_eq!(store.stats().await.unwrap(), stats);
    assert_eq!(store.schemas().await.unwrap(), [schema("t", &["a"])]);
    assert_eq!(save_page(&store, "a", 3, &[item("t", "1", "{}")]).await, [Replaced], "still the owner");
    assert_eq!(save_page(&store, "b", 4, &[item("t", "1", "{}")]).await, [Collided]);
    assert_eq!(save_page(&store, "b", 2, &[]).await, [], "still older");
    assert_eq!(contents(&store).await, ["t/1 {}"]);
}

pub(super) async fn items_come_in_order_of_type_and_id_and_by_filter(place: &impl Place) {
    let store = place.open().await;
    let many: Vec<Item> = (0..2_500).rev().map(|n| item("many", &n.to_string(), "{}")).collect();
    save_page(&store, "a", 1, &many).await;
    save_page(&store, "b", 1, &[item("Z", "ü", "{}"), item("Z", "z", "{}"), item("zz", "1", "{}")]).await;
    save(&store, batch("d", 1, &[page("a", 1, &[item("many", "x", "{}")])])).await;
    let ids = |items: Vec<StoredItem>| -> Vec<String> {
        items.iter().map(|stored| format!("{}/{}", stored.item.item_type, stored.item.id)).collect()
    };
    let mut expected: Vec<String> = (0..2_500).map(|n| format!("many/{n}")).collect();
    expected.sort();
    let listed = ids(all(&store, &ItemFilter { item_type: Some("many".into()), crawl: None }).await);
    assert_eq!(listed[..2_500], expected);
    assert_eq!(listed[2_500..], ["many/x"]);
    let everything = ids(all(&store, &ItemFilter::default()).await);
    assert_eq!(everything[..2], ["Z/z", "Z/ü"]);
    assert_eq!(everything[2..2_503], listed);
    assert_eq!(everything[2_503..], ["zz/1"]);
    let of_crawl = |name: &str| ItemFilter { item_type: None, crawl: Some(CrawlName::new(name).unwrap()) };
    assert_eq!(ids(all(&store, &of_crawl("d")).await), ["many/x"]);
    assert_eq!(ids(all(&store, &of_crawl("nobody")).await), [""; 0]);
    assert_eq!(ids(all(&store, &ItemFilter { item_type: Some("nothing".into()), crawl: None }).await), [""; 0]);
}

pub(super) async fn counts_are_those_of_the_items(place: &impl Place) {
    let store = place.open().await;
    assert_eq!(store.stats().await.unwrap().items_by_type, []);
    save_page(&store, "a", 1, &[item("u", "1", "{}"), item("t", "1", "{}"), item("t", "2", "{}")]).await;
    save_page(&store, "b", 1, &[item("t", "2", "{}")]).await;
    assert_eq!(store.stats().await.unwrap().items_by_type, [("t".to_owned(), 2), ("u".to_owned(), 1)]);
    save_page(&store, "a", 2, &[]).await;
    assert_eq!(store.stats().await.unwrap().items_by_type, [("t".to_owned(), 1)]);
}

fn schema(item_type: &str, fields: &[&str]) -> TypeSchema {
    let kinds = [FieldKind::Text, FieldKind::Integer, FieldKind::Float, FieldKind::Bool, FieldKind::TextList, FieldKind::Unknown];
    let fields = fields.iter().zip(kinds).map(|(name, kind)| FieldSchema { name: (*name).to_owned(), kind });
    TypeSchema { item_type: item_type.to_owned(), fields: fields.collect() }
}

pub(super) async fn the_latest_schema_of_a_type_stands(place: &impl Place) {
    let store = place.open().await;
    let (t, u) = (schema("t", &["f", "e", "d", "c", "b", "a"]), schema("u", &["a"]));
    for _ in 0..2 {
        store.put_schema(vec![u.clone(), t.clone()]).await.unwrap();
        assert_eq!(store.schemas().await.unwrap(), [t.clone(), u.clone()]);
    }
    // Another kind for the same name: the worker's newest word.
    let newer = schema("t", &["a"]);
    store.put_schema(vec![newer.clone()]).await.unwrap();
    assert_eq!(store.schemas().await.unwrap(), [newer, u]);
}

pub(super) async fn a_closed_store_takes_nothing(place: &impl Place) {
    let store = place.open().await;
    store.close().await;
    store.close().await;
    let closed = |error: StoreError| assert!(matches!(error, StoreError::Closed { .. }), "{error}");
    closed(store.save(batch("c", 1, &[])).await.unwrap_err());
    closed(store.put_schema(vec![]).await.unwrap_err());
    closed(store.stats().await.unwrap_err());
    closed(store.items(&ItemFilter::default(), None).await.unwrap_err());
}

pub(super) async fn batches_sent_at_once_are_all_stored(place: &impl Place) {
    let store = place.open().await;
    let names: Vec<String> = (0..20).map(|n| format!("{n:02}")).collect();
    let mut saves: Vec<_> = Vec::new();
    for name in &names {
        saves.push(Box::pin(store.save(batch("c", 1, &[page(name, 1, &[item("t", name, "{}")])]))));
    }
    // All of them are under way before the first is waited for.
    let answers = join_all(saves).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(contents(&store).await, names.iter().map(|name| format!("t/{name} {{}}")).collect::<Vec<_>>());
}

async fn join_all<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut done: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, slot) in futures.iter_mut().zip(&mut done).filter(|(_, slot)| slot.is_none()) {
            if let std::task::Poll::Ready(output) = std::pin::Pin::new(future).poll(context) {
                *slot = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// A page's list, by small numbers so that pages, runs and identities meet often.
pub(super) fn any_page(versions: std::ops::Range<u64>) -> impl Strategy<Value = PageItems> {
    let any_item = (0..8_u8, 0..4_u8, any::<u8>()).prop_map(|(kind, id, n)| match kind {
        0 => item("", &id.to_string(), "{}"),
        1 => item("t", &id.to_string(), "[]"),
        _ => item(if kind % 2 == 0 { "t" } else { "u" }, &id.to_string(), &format!("{{\"n\":{n}}}")),
    });
    (0..4_u8, versions, prop::collection::vec(any_item, 0..4)).prop_map(|(name, version, items)| page(&name.to_string(), version, &items))
}

pub(super) fn cases<P: Place>() -> ProptestConfig {
    ProptestConfig { cases: P::CASES, failure_persistence: None, ..ProptestConfig::default() }
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub(super) fn any_sequence_of_saves_gives_what_the_rules_say<P: Place>(place: impl Fn() -> P) {
    let any_page = (any_page(0..6), prop::bool::weighted(0.2)).prop_map(|(page, addition)| PageItems { addition, ..page });
    let any_batch = (0..2_u8, 0..2_u64, prop::collection::vec(any_page, 1..4));
    let steps = prop::collection::vec((any_batch, prop::bool::weighted(0.1)), 1..16);
    proptest!(cases::<P>(), |(steps in steps)| {
        let place = place();
        block_on(async {
            let (mut store, mut naive) = (place.open().await, NaiveStore::default());
            for ((crawl, run, pages), restart) in steps {
                let batch = batch(["c", "d"][usize::from(crawl)], run, &pages);
                let expected = naive.save(&batch);
                prop_assert_eq!(store.save(batch).await.unwrap(), expected);
                if restart {
                    store.close().await;
                    store = place.open().await;
                }
                let items = all(&store, &ItemFilter::default()).await;
                prop_assert_eq!(store.stats().await.unwrap().items(), items.len() as u64);
                prop_assert_eq!(items, naive.items());
            }
            store.close().await;
            Ok(())
        })?;
    });
}

/// A run of an engine: pages are saved again, with another list, when their first outcome was not committed; the last answer counts.
pub(super) fn stored_is_saved_minus_collided_for_any_run_from_an_empty_store<P: Place>(place: impl Fn() -> P) {
    proptest!(cases::<P>(), |(pages in prop::collection::vec(any_page(0..1), 1..16))| {
        let place = place();
        block_on(async {
            let store = place.open().await;
            let mut last = std::collections::BTreeMap::new();
            for (version, mut page) in (1..).zip(pages) {
                page.version = version;
                let answers = save(&store, batch("c", 1, std::slice::from_ref(&page))).await.remove(0);
                let ids: Vec<_> = page.items.iter().map(|item| (item.item_type.clone(), item.id.clone())).collect();
                last.insert(page.page, ids.into_iter().zip(answers).collect::<Vec<_>>());
            }
            let answers: Vec<_> = last.values().flatten().filter(|(_, status)| *status != Rejected).collect();
            let collided = answers.iter().filter(|(_, status)| *status == Collided).count();
            // Identities that every page which has them was told to be another's: the owner gave them up later.
            let owned: std::collections::BTreeSet<_> = answers.iter().filter(|(_, status)| *status != Collided).map(|(id, _)| id).collect();
            let known: std::collections::BTreeSet<_> = answers.iter().map(|(id, _)| id).collect();
            let stored = store.stats().await.unwrap().items();
            prop_assert_eq!(stored as usize, answers.len() - collided + (known.len() - owned.len()));
            store.close().await;
            Ok(())
        })?;
    });
}
