//! The keys of known URLs: all of them in memory while they fit, which answers nearly every look-up without the disk.

use fjall::Keyspace;
use model::DedupKey;

use super::failed;
use super::key_table::KeyTable;
use super::record::{self, KnownUrl};
use crate::frontier::FrontierError;

/// Keys kept in memory: about 210 MB. A crawl that knows more asks the disk, whose own filters answer for most that are new.
const MAX_KEPT: usize = 10_000_000;

/// See the module.
#[derive(Debug)]
pub(super) struct KnownKeys {
    kept: KeyTable,
    /// Some keys are on disk only.
    overflowed: bool,
}

impl KnownKeys {
    /// Reads them all, as far as they fit.
    pub(super) fn load(known: &Keyspace) -> Result<KnownKeys, FrontierError> {
        let mut keys = KnownKeys { kept: KeyTable::new(), overflowed: false };
        for entry in known.iter() {
            let (key, value) = entry.into_inner().map_err(failed)?;
            keys.keep(record::decode_key(&key)?, KnownUrl::decode(&value)?.parser);
            if keys.overflowed {
                break;
            }
        }
        Ok(keys)
    }

    /// Keeps none: every look-up asks the disk. For those who ask for a few.
    pub(super) fn on_disk() -> KnownKeys {
        KnownKeys { kept: KeyTable::new(), overflowed: true }
    }

    /// The hash of the parser a URL was first found with.
    pub(super) fn parser_of(&self, known: &Keyspace, key: DedupKey) -> Result<Option<u32>, FrontierError> {
        match self.kept.get(key) {
            Some(parser) => Ok(Some(parser)),
            None if !self.overflowed => Ok(None),
            None => read(known, key).map(|url| url.map(|url| url.parser)),
        }
    }

    /// A key that is on disk now.
    pub(super) fn keep(&mut self, key: DedupKey, parser: u32) {
        if self.kept.len() < MAX_KEPT {
            self.kept.insert(key, parser);
        } else if self.kept.get(key).is_none() {
            self.overflowed = true;
        }
    }
}

/// What the disk says of a URL.
pub(super) fn read(known: &Keyspace, key: DedupKey) -> Result<Option<KnownUrl>, FrontierError> {
    known.get(key.to_bytes()).map_err(failed)?.map(|value| KnownUrl::decode(&value)).transpose()
}
