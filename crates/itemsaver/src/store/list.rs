//! A page's list: which of its items count, the same in every store.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use model::Item;
use model::save::{ItemAnswer, ItemStatus};

use super::check::check;

/// What an item is answered before its identity is looked at: rejected, or the answer to a repetition within the list.
pub(super) fn answer_before(item: &Item) -> ItemAnswer {
    match check(item) {
        Ok(()) => ItemAnswer::stored(ItemStatus::Collided),
        Err(reason) => ItemAnswer::rejected(reason),
    }
}

/// The accepted identities of a list, in order: where each stands first, there it is answered, and last, there it has its contents.
pub(super) fn each_identity(items: &[Item], answers: &[ItemAnswer]) -> Vec<(usize, usize)> {
    let mut places: HashMap<(&str, &str), usize> = HashMap::with_capacity(items.len());
    let mut each: Vec<(usize, usize)> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate().filter(|(index, _)| answers[*index].status != ItemStatus::Rejected) {
        match places.entry((&item.item_type, item.id.as_str())) {
            Entry::Occupied(place) => each[*place.get()].1 = index,
            Entry::Vacant(place) => {
                place.insert(each.len());
                each.push((index, index));
            }
        }
    }
    each
}
