//! The journal of embedded parses: which pages are being parsed, for the start after a parse that took the process with it.
//!
//! A page that kills a worker process costs the engine a lease, which it counts. A page that kills the process it is parsed in together
//! with the engine leaves its key here, and the next start counts that.
//!
//! The file is a row of slots, one for each parse at a time: a key, the epoch that parsed it, big endian, and padding; zeros when free. It
//! is never synced: what a process wrote survives its death, and what a power failure takes is no more than a count.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use model::DedupKey;
use worker::ParseWatch;

/// Key, epoch and padding: no slot lies across two pages of memory, where a kill could tear it.
const SLOT_BYTES: usize = 32;

/// Notes in a file which pages are being parsed. An aid: when it cannot be written, that is said once and the crawl goes on without.
#[derive(Debug)]
pub struct ParseJournal {
    path: PathBuf,
    file: File,
    epoch: u64,
    slots: Mutex<Slots>,
    failed: AtomicBool,
}

/// Which slots there are.
#[derive(Debug)]
struct Slots {
    count: usize,
    free: Vec<usize>,
}

impl Slots {
    /// A slot that nobody has; another one at the end if all are taken, so there are never more than parses at a time.
    fn take(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.count += 1;
            self.count - 1
        })
    }
}

impl ParseJournal {
    /// Each page that was being parsed when the process that wrote the journal ended, once, with the epoch that parsed it; none when there
    /// is no journal. What is no whole slot is left out.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read(path: &Path) -> io::Result<Vec<(DedupKey, u64)>> {
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read?,
        };
        let (slots, _cut_off) = bytes.as_chunks::<SLOT_BYTES>();
        let mut parses: Vec<(DedupKey, u64)> = slots.iter().filter_map(parse_in).collect();
        parses.sort_unstable();
        // A page that was tried again while its first parse still ran was one page all the same.
        parses.dedup();
        Ok(parses)
    }

    /// An empty journal with room for so many parses at a time; more make it longer. `epoch` is the crawl's, 1 or more. What the file held
    /// is gone: it must have been read, and what follows from it committed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: &Path, slots: usize, epoch: u64) -> io::Result<ParseJournal> {
        let file = File::create(path)?;
        file.write_all_at(&vec![0; slots * SLOT_BYTES], 0)?;
        let slots = Slots { count: slots, free: (0..slots).rev().collect() };
        Ok(ParseJournal { path: path.to_owned(), file, epoch, slots: Mutex::new(slots), failed: AtomicBool::new(false) })
    }

    /// Removes a journal, if there is one: an engine that ends in order leaves none, and a parse that still runs then was no loss. It may
    /// go on over the removed file.
    ///
    /// # Errors
    /// When the file is there and cannot be removed.
    pub fn remove(path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn write(&self, slot: usize, bytes: &[u8; SLOT_BYTES]) {
        if let Err(error) = self.file.write_all_at(bytes, (slot * SLOT_BYTES) as u64)
            && !self.failed.swap(true, Ordering::Relaxed)
        {
            let path = self.path.display();
            tracing::error!(%error, "cannot write {path}: a page that aborts this process would do so at every start");
        }
    }
}

impl ParseWatch for ParseJournal {
    fn begin(&self, key: DedupKey) -> usize {
        let slot = self.slots.lock().expect("no holder of this lock panics").take();
        let mut bytes = [0; SLOT_BYTES];
        bytes[..16].copy_from_slice(&key.to_bytes());
        bytes[16..24].copy_from_slice(&self.epoch.to_be_bytes());
        self.write(slot, &bytes);
        slot
    }

    fn end(&self, slot: usize) {
        // Before the slot is anybody else's.
        self.write(slot, &[0; SLOT_BYTES]);
        self.slots.lock().expect("no holder of this lock panics").free.push(slot);
    }
}

/// What a slot says was being parsed, if it is not free.
fn parse_in(slot: &[u8; SLOT_BYTES]) -> Option<(DedupKey, u64)> {
    let (key, rest) = slot.split_first_chunk()?;
    let (epoch, _padding) = rest.split_first_chunk()?;
    let (is_free, epoch) = (*key == [0; 16], u64::from_be_bytes(*epoch));
    (!is_free && epoch > 0).then(|| (DedupKey::from_bytes(*key), epoch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const EPOCH: u64 = 7;

    struct Desk {
        folder: TempDir,
    }

    impl Desk {
        fn new() -> Desk {
            Desk { folder: tempfile::tempdir().unwrap() }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("parses")
        }

        fn journal(&self, slots: usize) -> ParseJournal {
            ParseJournal::create(&self.path(), slots, EPOCH).unwrap()
        }

        fn found(&self) -> Vec<(DedupKey, u64)> {
            ParseJournal::read(&self.path()).unwrap()
        }
    }

    fn key(number: u8) -> DedupKey {
        DedupKey::from_bytes([number; 16])
    }

    /// Begins so many parses.
    fn begin(journal: &ParseJournal, count: u8) -> Vec<usize> {
        (1..=count).map(|number| journal.begin(key(number))).collect()
    }

    fn of(epoch: u64, numbers: &[u8]) -> Vec<(DedupKey, u64)> {
        numbers.iter().map(|number| (key(*number), epoch)).collect()
    }

    #[test]
    fn what_has_begun_is_there_until_it_has_ended() {
        let desk = Desk::new();
        let journal = desk.journal(3);
        let parses = begin(&journal, 3);
        assert_eq!(desk.found(), of(EPOCH, &[1, 2, 3]));
        journal.end(parses[1]);
        assert_eq!(desk.found(), of(EPOCH, &[1, 3]));
        journal.begin(key(4));
        assert_eq!(desk.found(), of(EPOCH, &[1, 3, 4]));
        assert_eq!(desk.path().metadata().unwrap().len(), 3 * SLOT_BYTES as u64);
    }

    #[test]
    fn what_was_not_ended_outlives_the_journal_and_goes_when_the_next_one_begins() {
        let desk = Desk::new();
        let journal = desk.journal(2);
        journal.begin(key(1));
        let ended = journal.begin(key(2));
        journal.end(ended);
        drop(journal);
        assert_eq!(desk.found(), of(EPOCH, &[1]));
        let next = ParseJournal::create(&desk.path(), 2, EPOCH + 1).unwrap();
        assert_eq!(desk.found(), []);
        next.begin(key(3));
        assert_eq!(desk.found(), of(EPOCH + 1, &[3]));
    }

    #[test]
    fn a_page_that_is_parsed_twice_at_once_was_one_page() {
        let desk = Desk::new();
        let journal = desk.journal(2);
        let first = journal.begin(key(1));
        journal.begin(key(1));
        assert_eq!(desk.found(), of(EPOCH, &[1]));
        journal.end(first);
        assert_eq!(desk.found(), of(EPOCH, &[1]));
    }

    #[test]
    fn more_parses_than_slots_get_further_ones() {
        let desk = Desk::new();
        let journal = desk.journal(1);
        let parses = begin(&journal, 3);
        assert_eq!(desk.found(), of(EPOCH, &[1, 2, 3]));
        parses.into_iter().for_each(|parse| journal.end(parse));
        begin(&journal, 3);
        assert_eq!(desk.path().metadata().unwrap().len(), 3 * SLOT_BYTES as u64);
    }

    #[test]
    fn parses_of_many_threads_share_no_slot() {
        let desk = Desk::new();
        let journal = desk.journal(4);
        let at_work = std::sync::Barrier::new(8);
        std::thread::scope(|threads| {
            for number in 1..=8u8 {
                let (journal, at_work) = (&journal, &at_work);
                threads.spawn(move || {
                    for _ in 0..1_000 {
                        journal.end(journal.begin(key(number + 100)));
                    }
                    journal.begin(key(number));
                    at_work.wait();
                });
            }
        });
        assert_eq!(desk.found(), of(EPOCH, &[1, 2, 3, 4, 5, 6, 7, 8]));
    }

    #[test]
    fn no_journal_and_a_cut_or_torn_one_are_read_as_far_as_they_go() {
        let desk = Desk::new();
        assert_eq!(desk.found(), []);
        let journal = desk.journal(3);
        begin(&journal, 3);
        let whole = fs::read(desk.path()).unwrap();
        for length in 0..=whole.len() {
            fs::write(desk.path(), &whole[..length]).unwrap();
            assert_eq!(desk.found(), of(EPOCH, &[1, 2, 3][..length / SLOT_BYTES]));
        }
        for torn in [&whole[..16], &whole[..0]] {
            let mut bytes = torn.to_vec();
            bytes.resize(SLOT_BYTES, 0);
            fs::write(desk.path(), [&bytes, &whole[SLOT_BYTES..]].concat()).unwrap();
            assert_eq!(desk.found(), of(EPOCH, &[2, 3]));
        }
    }

    #[test]
    fn a_removed_journal_is_empty_however_its_parses_go_on() {
        let desk = Desk::new();
        let journal = desk.journal(2);
        let parse = journal.begin(key(1));
        ParseJournal::remove(&desk.path()).unwrap();
        ParseJournal::remove(&desk.path()).unwrap();
        journal.begin(key(2));
        journal.end(parse);
        assert_eq!(desk.found(), []);
    }

    #[test]
    fn a_journal_that_cannot_be_written_holds_up_nothing() {
        let desk = Desk::new();
        drop(desk.journal(1));
        let file = File::open(desk.path()).unwrap();
        let journal = ParseJournal { file, ..desk.journal(1) };
        journal.end(journal.begin(key(1)));
        assert_eq!((journal.failed.load(Ordering::Relaxed), desk.found()), (true, vec![]));
    }
}
