//! The states of known URLs: all of them in memory while they fit, which answers nearly every look-up without the disk.

use std::collections::HashMap;

use fjall::Keyspace;
use model::DedupKey;

use super::{failed, record};
use crate::frontier::FrontierError;
use crate::frontier::storage::Known;

/// Keys kept in memory: at about 40 bytes each, 80 MB. A crawl that knows more asks the disk for those it does not find here.
const MAX_KEPT: usize = 2_000_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct KnownKeys {
    kept: HashMap<DedupKey, Known>,
    /// Written in the open group: not yet readable from the disk.
    open: HashMap<DedupKey, Known>,
    /// Some keys are on disk only.
    overflowed: bool,
}

impl KnownKeys {
    pub(super) fn load(urls: &Keyspace) -> Result<KnownKeys, FrontierError> {
        let mut known = KnownKeys::default();
        for entry in urls.iter() {
            if known.kept.len() == MAX_KEPT {
                known.overflowed = true;
                break;
            }
            let (key, value) = entry.into_inner().map_err(failed)?;
            known.kept.insert(record::decode_key(&key)?, record::decode_known(&value)?);
        }
        Ok(known)
    }

    pub(super) fn get(&self, urls: &Keyspace, key: DedupKey) -> Result<Option<Known>, FrontierError> {
        if let Some(known) = self.open.get(&key).or_else(|| self.kept.get(&key)) {
            return Ok(Some(*known));
        }
        if !self.overflowed {
            return Ok(None);
        }
        urls.get(key.to_bytes()).map_err(failed)?.map(|value| record::decode_known(&value)).transpose()
    }

    pub(super) fn set(&mut self, key: DedupKey, known: Known) {
        self.open.insert(key, known);
    }

    /// The open group is on disk. A key enters the cache only now.
    pub(super) fn keep_open(&mut self) {
        for (key, known) in self.open.drain() {
            if self.kept.len() < MAX_KEPT || self.kept.contains_key(&key) {
                self.kept.insert(key, known);
            } else {
                self.overflowed = true;
            }
        }
    }
}
