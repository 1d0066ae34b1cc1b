//! Which shard of a crawl a host belongs to.
//!
//! Hosts of one registrable domain are in one shard: so are the redirects between `example.org` and `www.example.org`, the cookies of a
//! domain, and the clock that hosts of one domain may share.

use std::cell::RefCell;
use std::num::NonZeroU16;

use xxhash_rust::xxh3::xxh3_64;

use crate::domain::registrable;

/// The public suffix list that says which hosts are of one domain: the version of the crate that has it. Kept with each crawl, since another list
/// would divide its hosts in another way.
pub(in crate::frontier) const SUFFIXES: &str = "psl 2.1.247";

/// The number of a shard, from 0.
pub(in crate::frontier) type Shard = u16;

/// How hosts are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::frontier) struct Division {
    shards: NonZeroU16,
}

impl Division {
    /// In so many shards. Stored with the crawl: where a host belongs must not change.
    pub(in crate::frontier) fn of(shards: NonZeroU16) -> Division {
        Division { shards }
    }

    /// The shard of a host.
    pub(in crate::frontier) fn shard(self, host: &str) -> Shard {
        let shard = xxh3_64(registrable(host).unwrap_or(host).as_bytes()) % u64::from(self.shards.get());
        u16::try_from(shard).expect("less than the number of shards")
    }
}

/// The hosts of one shard.
#[derive(Debug)]
pub(in crate::frontier) struct Territory {
    division: Division,
    shard: Shard,
    /// The last host that was asked for: the links of a page mostly lead to its own.
    last: RefCell<(String, bool)>,
}

impl Territory {
    pub(in crate::frontier) fn new(division: Division, shard: Shard) -> Territory {
        Territory { division, shard, last: RefCell::default() }
    }

    /// Whether a host belongs to it.
    pub(in crate::frontier) fn has(&self, host: &str) -> bool {
        let mut last = self.last.borrow_mut();
        if last.0 != host {
            let has = self.division.shard(host) == self.shard;
            last.0.clear();
            last.0.push_str(host);
            last.1 = has;
        }
        last.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_suffixes_is_the_one_that_is_compiled_in() {
        let (name, version) = SUFFIXES.split_once(' ').unwrap();
        let locked = include_str!("../../../../../Cargo.lock");
        assert!(locked.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")), "raise SUFFIXES to the version of the crate");
    }

    #[test]
    fn hosts_of_a_domain_are_in_one_shard_and_domains_in_all_of_them() {
        let division = Division::of(NonZeroU16::new(64).unwrap());
        assert_eq!(division.shard("example.org"), division.shard("www.example.org"));
        let mut used: Vec<Shard> = (0..1000).map(|n| division.shard(&format!("site{n}.example"))).collect();
        used.sort_unstable();
        used.dedup();
        assert_eq!(used, (0..64).collect::<Vec<_>>());
        let territory = Territory::new(division, division.shard("a.example"));
        for (host, has) in [("x.a.example", true), ("x.a.example", true), ("", false), ("a.example", true)] {
            assert_eq!(territory.has(host), has, "{host}");
        }
    }
}
