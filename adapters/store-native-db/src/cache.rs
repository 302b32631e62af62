//! The names of accounts that were found, bounded in bytes.
//!
//! `find` reads and fills it; `check` does not read it. An entry stays valid because the store never
//! changes an account.

use std::sync::Arc;

use accountservice_core::AccountId;
use quick_cache::Weighter;

pub(crate) type Cache = quick_cache::sync::Cache<AccountId, Arc<str>, Bytes>;

/// About 95,000 accounts with short names.
const CAPACITY: u64 = 16 << 20;

pub(crate) fn new() -> Cache {
    // The crate remembers half of this number of evicted keys.
    Cache::with_weighter(1024, CAPACITY, Bytes)
}

#[derive(Clone)]
pub(crate) struct Bytes;

impl Weighter<AccountId, Arc<str>> for Bytes {
    /// Beside its name, an entry takes 150 bytes, in the crate and in the allocator.
    fn weight(&self, _: &AccountId, name: &Arc<str>) -> u64 {
        160 + name.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_length_stay_within_the_capacity() {
        let cache = new();
        for i in 0_usize..100_000 {
            let id = AccountId::new(i.to_string()).expect("some digits");
            cache.insert(id, "x".repeat(i % 1000).into());
        }
        let names: usize = cache.iter().map(|(_, name)| name.len()).sum();
        let all = names + cache.len() * 160;
        assert!((12 << 20..=16 << 20).contains(&all), "{} entries: {all} bytes", cache.len());
    }
}
