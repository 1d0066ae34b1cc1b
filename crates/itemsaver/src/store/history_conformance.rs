//! What the history of items is tested for in every store.

use model::history::Change;
use model::save::PageItems;
use proptest::prelude::*;

use super::conformance::{Place, all, any_page, batch, block_on, cases, item, page, save, save_page};
use super::naive::NaiveStore;
use super::{ItemFilter, MAX_CHANGES, MAX_RECORD_BYTES, Store};

/// A change on one line: `2 changed at 1003 by c http://h/a 3, before 1001: n: 1 -> 2`.
fn line(change: &Change) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    let fields = change.fields.iter().map(|field| match field.large {
        true => format!("{} is large", field.field),
        false => format!("{}: {} -> {}", field.field, value(&field.before), value(&field.after)),
    });
    let Change { number, kind, at_ms, crawl, page, version, before_at_ms, left_out, .. } = change;
    let fields = fields.collect::<Vec<_>>().join(", ");
    let more = if *left_out > 0 { format!(" and {left_out} more") } else { String::new() };
    format!("{number} {} at {at_ms} by {crawl} {page} {version}, before {before_at_ms}: {fields}{more}", kind.word())
}

async fn lines(store: &impl Store, item_type: &str, id: &str) -> Vec<String> {
    store.history(item_type, id).await.unwrap().iter().map(line).collect()
}

pub(super) async fn a_changed_item_tells_which_fields_changed_when_and_on_which_page(place: &impl Place) {
    let store = place.open_with_history().await;
    save_page(&store, "a", 1, &[item("t", "1", r#"{"n":1,"home":{"city":"A","zip":7}}"#), item("t", "2", "{}")]).await;
    assert_eq!(lines(&store, "t", "1").await, [""; 0], "that it is there is no change");
    save_page(&store, "a", 3, &[item("t", "1", r#"{"home":{"city":"B","zip":7},"new":[1]}"#), item("t", "2", "{}")]).await;
    save_page(&store, "a", 4, &[item("t", "1", r#"{"home":{"city":"B","zip":7},"new":[2]}"#), item("t", "2", "{}")]).await;
    let expected = [
        r#"1 changed at 1003 by c http://h/a 3, before 1001: n: 1 -> nothing, home.city: "A" -> "B", new: nothing -> [1]"#,
        "2 changed at 1004 by c http://h/a 4, before 1003: new: [1] -> [2]",
    ];
    assert_eq!(lines(&store, "t", "1").await, expected);
    assert_eq!(lines(&store, "t", "2").await, [""; 0]);
    assert_eq!(lines(&store, "u", "1").await, [""; 0]);
}

pub(super) async fn what_is_saved_again_or_written_otherwise_is_no_change(place: &impl Place) {
    let store = place.open_with_history().await;
    save_page(&store, "a", 1, &[item("t", "1", r#"{"n":1,"m":2}"#)]).await;
    for version in [2, 2, 2] {
        save_page(&store, "a", version, &[item("t", "1", r#"{"n":2,"m":2}"#)]).await;
    }
    save_page(&store, "a", 3, &[item("t", "1", "{ \"m\":2,\n\"n\" : 2 }")]).await;
    save_page(&store, "a", 1, &[item("t", "1", r#"{"n":1,"m":2}"#)]).await;
    save_page(&store, "a", 4, &[item("t", "1", r#"{"n":2,"m":2}"#), item("t", "1", "[]")]).await;
    assert_eq!(lines(&store, "t", "1").await, ["1 changed at 1002 by c http://h/a 2, before 1001: n: 1 -> 2"]);
}

pub(super) async fn an_item_that_goes_and_comes_back_tells_so_and_is_compared_with_what_it_was(place: &impl Place) {
    let store = place.open_with_history().await;
    save_page(&store, "a", 1, &[item("t", "1", r#"{"n":1,"o":{"b":2}}"#)]).await;
    save_page(&store, "a", 2, &[]).await;
    save_page(&store, "a", 3, &[]).await;
    save_page(&store, "b", 4, &[item("t", "1", r#"{"n":1,"o":{"b":3}}"#)]).await;
    save_page(&store, "b", 5, &[]).await;
    save_page(&store, "a", 6, &[item("t", "1", r#"{"n":1,"o":{"b":3}}"#)]).await;
    save_page(&store, "a", 7, &[item("t", "1", r#"{"n":2,"o":{"b":3}}"#)]).await;
    let expected = [
        r#"1 gone at 1002 by c http://h/a 2, before 1001: n: 1 -> nothing, o: {"b":2} -> nothing"#,
        "2 back at 1004 by c http://h/b 4, before 1001: o.b: 2 -> 3",
        r#"3 gone at 1005 by c http://h/b 5, before 1004: n: 1 -> nothing, o: {"b":3} -> nothing"#,
        "4 back at 1006 by c http://h/a 6, before 1004: ",
        "5 changed at 1007 by c http://h/a 7, before 1006: n: 1 -> 2",
    ];
    assert_eq!(lines(&store, "t", "1").await, expected);
}

pub(super) async fn pages_that_take_turns_with_one_item_change_it_only_by_what_they_say_anew(place: &impl Place) {
    let store = place.open_with_history().await;
    let says = |by: &str, n: u64| [item("t", "1", &format!("{{\"by\":\"{by}\",\"n\":{n}}}"))];
    save_page(&store, "a", 1, &says("a", 1)).await;
    save_page(&store, "b", 2, &says("b", 1)).await;
    save_page(&store, "a", 3, &says("a", 1)).await;
    save_page(&store, "b", 4, &says("b", 1)).await;
    save_page(&store, "a", 5, &says("a", 2)).await;
    save(&store, batch("c", 1, &[page("b", 6, &says("b", 2)), page("a", 7, &says("a", 2))])).await;
    // The other page's contents are shown, and are as that page said them before.
    save_page(&store, "a", 8, &[]).await;
    // Another crawl of the same page finds what is there already.
    save(&store, batch("d", 1, &[page("b", 9, &says("b", 2))])).await;
    let expected = [
        r#"1 changed at 1002 by c http://h/b 2, before 1001: by: "a" -> "b""#,
        "2 changed at 1005 by c http://h/a 5, before 1003: n: 1 -> 2",
    ];
    assert_eq!(lines(&store, "t", "1").await, expected);
    save(&store, batch("c", 1, &[page("b", 10, &[])])).await;
    save(&store, batch("d", 1, &[page("b", 11, &[])])).await;
    let last = r#"3 gone at 1011 by d http://h/b 11, before 1009: by: "b" -> nothing, n: 2 -> nothing"#;
    assert_eq!(lines(&store, "t", "1").await[2..], [last]);
}

pub(super) async fn what_comes_and_goes_within_a_batch_is_no_change(place: &impl Place) {
    let store = place.open_with_history().await;
    save_page(&store, "a", 1, &[item("t", "1", r#"{"n":1}"#)]).await;
    // It moves to another page, as on a list that has grown.
    let moved = [
        page("a", 2, &[]),
        page("b", 3, &[item("t", "1", r#"{"n":1}"#), item("t", "2", "{}")]),
        page("b", 4, &[item("t", "1", r#"{"n":1}"#)]),
    ];
    save(&store, batch("c", 1, &moved)).await;
    assert_eq!(lines(&store, "t", "1").await, [""; 0]);
    assert_eq!(lines(&store, "t", "2").await, [""; 0]);
}

pub(super) async fn the_last_hundred_changes_are_kept(place: &impl Place) {
    let store = place.open_with_history().await;
    for version in 1..=104 {
        save_page(&store, "a", version, &[item("t", "1", &format!("{{\"n\":{version}}}"))]).await;
    }
    let history = lines(&store, "t", "1").await;
    assert_eq!(history.len(), MAX_CHANGES);
    assert_eq!(history[0], "4 changed at 1005 by c http://h/a 5, before 1004: n: 4 -> 5");
    assert_eq!(history[99], "103 changed at 1104 by c http://h/a 104, before 1103: n: 103 -> 104");
}

pub(super) async fn a_large_change_is_told_by_name_and_old_ones_make_room(place: &impl Place) {
    let store = place.open_with_history().await;
    let sized = |n: u64, bytes: usize| [item("t", "1", &format!("{{\"n\":{n},\"text\":\"{n}{}\"}}", "x".repeat(bytes)))];
    save_page(&store, "a", 1, &sized(1, 1)).await;
    save_page(&store, "a", 2, &sized(2, MAX_RECORD_BYTES)).await;
    assert_eq!(lines(&store, "t", "1").await, ["1 changed at 1002 by c http://h/a 2, before 1001: n: 1 -> 2, text is large"]);
    save_page(&store, "a", 3, &sized(3, 1)).await;
    for version in 4..14 {
        save_page(&store, "a", version, &sized(version, 450_000)).await;
    }
    let numbers: Vec<u64> = store.history("t", "1").await.unwrap().iter().map(|change| change.number).collect();
    assert_eq!(numbers, [9, 10, 11, 12]);
}

pub(super) async fn history_outlives_a_restart_and_nothing_is_added_while_it_is_not_kept(place: &impl Place) {
    let says = |n: u64| [item("t", "1", &format!("{{\"n\":{n}}}"))];
    let store = place.open().await;
    save_page(&store, "a", 1, &says(1)).await;
    store.close().await;
    let store = place.open_with_history().await;
    save_page(&store, "a", 2, &says(2)).await;
    store.close().await;
    let store = place.open().await;
    let first = "1 changed at 1002 by c http://h/a 2, before 1001: n: 1 -> 2";
    save_page(&store, "a", 3, &says(3)).await;
    assert_eq!(lines(&store, "t", "1").await, [first]);
    save_page(&store, "a", 4, &[]).await;
    save_page(&store, "a", 5, &says(5)).await;
    assert_eq!(lines(&store, "t", "1").await, [first], "also that it went and came back");
    store.close().await;
    let store = place.open_with_history().await;
    save_page(&store, "a", 6, &says(6)).await;
    assert_eq!(lines(&store, "t", "1").await, [first, "2 changed at 1006 by c http://h/a 6, before 1005: n: 5 -> 6"]);
    store.close().await;
    assert!(store.history("t", "1").await.is_err());
}

pub(super) async fn a_store_without_history_has_none(place: &impl Place) {
    let store = place.open().await;
    save_page(&store, "a", 1, &[item("t", "1", r#"{"n":1}"#)]).await;
    save_page(&store, "a", 2, &[item("t", "1", r#"{"n":2}"#)]).await;
    assert_eq!(lines(&store, "t", "1").await, [""; 0]);
}

/// Every batch may come twice, as after a lost answer.
pub(super) fn any_sequence_of_saves_is_told_as_the_rules_say<P: Place>(place: impl Fn() -> P) {
    let any_page = (any_page(0..9), prop::bool::weighted(0.2)).prop_map(|(page, addition)| PageItems { addition, ..page });
    let any_batch = (0..2_u8, 0..2_u64, prop::collection::vec(any_page, 1..4));
    let steps = prop::collection::vec((any_batch, prop::bool::weighted(0.1), prop::bool::weighted(0.2)), 1..16);
    proptest!(cases::<P>(), |(steps in steps)| {
        let place = place();
        block_on(async {
            let (mut store, mut naive) = (place.open_with_history().await, NaiveStore::default());
            for ((crawl, run, pages), restart, again) in steps {
                let batch = batch(["c", "d"][usize::from(crawl)], run, &pages);
                for batch in std::iter::repeat_n(batch, 1 + usize::from(again)) {
                    naive.save(&batch);
                    store.save(batch).await.unwrap();
                }
                if restart {
                    store.close().await;
                    store = place.open_with_history().await;
                }
            }
            for item_type in ["t", "u"] {
                for id in ["0", "1", "2", "3"] {
                    prop_assert_eq!(store.history(item_type, id).await.unwrap(), naive.history(item_type, id), "{} {}", item_type, id);
                }
            }
            prop_assert_eq!(all(&store, &ItemFilter::default()).await, naive.items());
            store.close().await;
            Ok(())
        })?;
    });
}
