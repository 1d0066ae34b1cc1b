//! How a batch that fails is taken apart until the item to blame is found. Pure.
//!
//! A batch that fails whole is halved. A page that fails alone is tried five times while the itemsaver answers otherwise; then its items
//! are tried one by one, those that fail again are rejected, and the page is saved with the others.

use std::collections::VecDeque;

use model::save::{ItemAnswer, PageItems, SaveAnswer};

use super::{PageToSave, SavedPage};

/// Failures of a page alone, with the itemsaver answering in between, before its items are looked at one by one; and of an item alone
/// before it is rejected.
const PATIENCE: u32 = 5;

/// Connections that break in a row before the batch is taken for the cause.
const BREAKS: u32 = 5;

/// The work on one batch.
#[derive(Debug)]
pub(super) struct Work {
    /// Groups still to be saved; the first is being tried.
    groups: VecDeque<Group>,
    saved: Vec<SavedPage>,
    breaks: u32,
}

/// Pages that are tried together.
#[derive(Debug)]
struct Group {
    pages: Vec<PageToSave>,
    failures: u32,
    /// For one page whose items are looked at one by one.
    sorting: Option<Sorting>,
}

/// The items of a page, one by one: `at` is being tried, those before it have their verdict.
#[derive(Debug)]
struct Sorting {
    at: usize,
    verdicts: Vec<Option<String>>,
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Try the next group at once.
    GoOn,
    /// The itemsaver has a problem of its own: wait.
    Pause,
}

impl Work {
    pub(super) fn new(pages: Vec<PageToSave>) -> Work {
        Work { groups: VecDeque::from([Group { pages, failures: 0, sorting: None }]), saved: Vec::new(), breaks: 0 }
    }

    /// What to send next; none when all is saved.
    pub(super) fn next(&self) -> Option<Vec<PageItems>> {
        let group = self.groups.front()?;
        let mut pages: Vec<PageItems> = group.pages.iter().map(|page| page.page.clone()).collect();
        if let Some(sorting) = &group.sorting {
            let items = std::mem::take(&mut pages[0].items);
            pages[0].items = items.into_iter().enumerate().filter(|(at, _)| sorting.sends(*at)).map(|(_, item)| item).collect();
        }
        Some(pages)
    }

    /// The group in work was answered.
    pub(super) fn saved(&mut self, answer: SaveAnswer) {
        self.breaks = 0;
        let group = self.groups.front_mut().expect("an answer follows a question");
        if let Some(sorting) = group.sorting.as_mut().filter(|sorting| !sorting.is_done()) {
            sorting.at += 1;
            group.failures = 0;
            return;
        }
        let group = self.groups.pop_front().expect("there is one");
        let mut answers = answer.pages.into_iter();
        for page in group.pages {
            let mut given = answers.next().unwrap_or_default().into_iter();
            let verdicts = group.sorting.as_ref().map_or(&[][..], |sorting| &sorting.verdicts);
            let answers = (0..page.page.items.len()).map(|at| match verdicts.get(at) {
                Some(Some(reason)) => ItemAnswer::rejected(reason.clone()),
                _ => given.next().unwrap_or_else(|| ItemAnswer::rejected("the itemsaver did not answer for this item")),
            });
            let answers = answers.collect();
            self.saved.push(SavedPage { key: page.key, page: page.page, answers });
        }
    }

    /// The group in work failed as a whole, for this reason. `answers`: whether the itemsaver is otherwise well.
    pub(super) fn failed(&mut self, answers: bool, reason: &str) -> Step {
        if !answers {
            return Step::Pause;
        }
        self.take_apart(reason)
    }

    /// The connection broke while the group was in work.
    pub(super) fn broke(&mut self) {
        self.breaks += 1;
        if self.breaks >= BREAKS {
            self.breaks = 0;
            let group = self.groups.front().expect("there is one in work");
            if group.pages.len() > 1 {
                self.halve();
            }
        }
    }

    /// All pages with their answers.
    pub(super) fn finish(self) -> Vec<SavedPage> {
        self.saved
    }

    fn take_apart(&mut self, reason: &str) -> Step {
        let group = self.groups.front_mut().expect("there is one in work");
        if group.pages.len() > 1 {
            self.halve();
            return Step::GoOn;
        }
        group.failures += 1;
        if group.failures < PATIENCE {
            return Step::Pause;
        }
        group.failures = 0;
        let items = group.pages[0].page.items.len();
        match &mut group.sorting {
            None => group.sorting = Some(Sorting { at: 0, verdicts: vec![None; items] }),
            Some(sorting) if !sorting.is_done() => {
                sorting.verdicts[sorting.at] = Some(reason.to_owned());
                sorting.at += 1;
            }
            // Each is well alone and together they are not: nothing is left to take apart, and nothing is thrown away.
            Some(_) => {}
        }
        Step::Pause
    }

    fn halve(&mut self) {
        let mut group = self.groups.pop_front().expect("there is one in work");
        let second = group.pages.split_off(group.pages.len() / 2);
        self.groups.push_front(Group { pages: second, failures: 0, sorting: None });
        self.groups.push_front(Group { failures: 0, ..group });
    }
}

impl Sorting {
    fn is_done(&self) -> bool {
        self.at == self.verdicts.len()
    }

    fn sends(&self, at: usize) -> bool {
        if self.is_done() { self.verdicts[at].is_none() } else { self.at == at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::save::ItemStatus;
    use model::{CrawlUrl, Item, ItemId, PayloadJson};
    use proptest::prelude::*;

    fn page(name: usize, items: &[bool]) -> PageToSave {
        let url = CrawlUrl::parse(&format!("http://h/{name}")).unwrap();
        let item = |(at, poison): (usize, &bool)| Item {
            url: url.clone(),
            item_type: if *poison { "poison" } else { "good" }.to_owned(),
            id: ItemId::given(format!("{name}-{at}")).unwrap(),
            payload: PayloadJson::of(&()).unwrap(),
        };
        let items = items.iter().enumerate().map(item).collect();
        PageToSave { key: url.dedup_key(), page: PageItems { page: url.clone(), fetched_at_ms: 0, version: 1, items, addition: false } }
    }

    proptest! {
        /// A store that fails every batch with a poisonous item ends up with exactly the others, and every item is answered.
        #[test]
        fn exactly_the_poisonous_items_are_rejected(pages in proptest::collection::vec(proptest::collection::vec(any::<bool>(), 0..4), 1..6)) {
            let batch: Vec<PageToSave> = pages.iter().enumerate().map(|(name, items)| page(name, items)).collect();
            let mut work = Work::new(batch);
            let mut stored: std::collections::BTreeMap<String, Vec<String>> = std::collections::BTreeMap::new();
            while let Some(sent) = work.next() {
                if sent.iter().flat_map(|page| &page.items).any(|item| item.item_type == "poison") {
                    work.failed(true, "poison");
                    continue;
                }
                let mut answer = SaveAnswer { pages: vec![] };
                for page in sent {
                    stored.insert(page.page.to_string(), page.items.iter().map(|item| item.id.to_string()).collect());
                    answer.pages.push(page.items.iter().map(|_| ItemAnswer::stored(ItemStatus::Created)).collect());
                }
                work.saved(answer);
            }
            let saved = work.finish();
            prop_assert_eq!(saved.len(), pages.len());
            for (saved, items) in saved.iter().zip(&pages) {
                let rejected: Vec<bool> = saved.answers.iter().map(|answer| answer.status == ItemStatus::Rejected).collect();
                prop_assert_eq!(&rejected, items);
                prop_assert_eq!(stored[&saved.page.page.to_string()].len(), items.iter().filter(|poison| !**poison).count());
            }
        }
    }

    #[test]
    fn an_itemsaver_with_a_problem_of_its_own_costs_no_item_anything() {
        let mut work = Work::new(vec![page(0, &[true]), page(1, &[false])]);
        for _ in 0..99 {
            assert_eq!(work.failed(false, "disk full"), Step::Pause);
            work.broke();
        }
        assert_eq!(work.groups.iter().map(|group| group.pages.len()).sum::<usize>(), 2);
        assert!(work.groups.iter().all(|group| group.sorting.is_none()));
    }
}
