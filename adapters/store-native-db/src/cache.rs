//! Accounts that were found lately, as many as there are slots. It knows no account that is not
//! there, and it is not what says whether the store can be read.

use std::sync::{OnceLock, PoisonError, RwLock};

use accountservice_core::{Account, AccountId};

/// How many accounts are kept at the most, a power of two. With [`MAX_NAME`] and what an id may
/// have, that is 0.4 MB; accounts as they are seeded take 0.2 MB.
const SLOTS: usize = 1 << SLOT_BITS;

const SLOT_BITS: u32 = 10;

/// A longer name, in bytes of UTF-8, is read each time.
const MAX_NAME: usize = 256;

/// 2^64 divided by the golden ratio: multiples of it stay apart from each other in their first bits.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// One account a slot, and one slot for each id: the last one found there is kept.
///
/// An account that is there never changes, as `NativeDbStore::add` leaves it as it is. So what is
/// kept here stays right, and nothing is dropped but for another one. Whoever makes accounts change
/// has to drop them here, behind the commit and before it is answered, and to see to it that a read
/// that began before does not put back what it has found.
#[derive(Default)]
pub(crate) struct Cache {
    /// None before the first account comes: a store at rest pays nothing for it.
    slots: OnceLock<Box<[Slot]>>,
}

/// A lock of its own for each, so that only those who put an account in keep others waiting, and
/// only those who want the same slot; in two cache lines of its own.
#[derive(Default)]
#[repr(align(64))]
struct Slot(RwLock<Option<Account>>);

impl Cache {
    pub(crate) fn get(&self, id: &AccountId) -> Option<Account> {
        let slot = &self.slots.get()?[slot_of(id.as_str())];
        let account = slot.0.read().unwrap_or_else(PoisonError::into_inner);
        account.as_ref().filter(|account| account.id == *id).cloned()
    }

    pub(crate) fn put(&self, account: &Account) {
        if account.name.len() > MAX_NAME {
            return;
        }
        let slots = self.slots.get_or_init(|| (0..SLOTS).map(|_| Slot::default()).collect());
        let kept = Some(account.clone());
        let slot = &slots[slot_of(account.id.as_str())];
        let replaced =
            std::mem::replace(&mut *slot.0.write().unwrap_or_else(PoisonError::into_inner), kept);
        // Behind the lock: freeing takes another one.
        drop(replaced);
    }
}

/// 500 numbers of one length that follow each other, as seeded ids do, have a slot each. Ids may be
/// made to share one, but only those of accounts that are there matter, and each then costs a read.
fn slot_of(id: &str) -> usize {
    let number =
        id.bytes().fold(0_u64, |number, byte| number.wrapping_mul(10).wrapping_add(byte.into()));
    usize::try_from(number.wrapping_mul(GOLDEN) >> (u64::BITS - SLOT_BITS)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::*;

    fn account(number: usize, name: impl Into<Arc<str>>) -> Account {
        Account { id: AccountId::new(number.to_string()).expect("20 digits"), name: name.into() }
    }

    #[test]
    fn nothing_is_held_before_the_first_account() {
        let cache = Cache::default();
        assert_eq!(cache.get(&account(1, "").id), None);
        assert!(cache.slots.get().is_none());
        cache.put(&account(1, "Alice"));
        assert_eq!(cache.get(&account(1, "").id), Some(account(1, "Alice")));
        assert_eq!(cache.get(&account(2, "").id), None);
    }

    #[test]
    fn five_hundred_seeded_accounts_have_a_slot_each() {
        for first in [10_000, 10_700, 987_000] {
            let slots: HashSet<_> = (first..first + 500).map(|i| slot_of(&i.to_string())).collect();
            assert_eq!(slots.len(), 500, "from {first} on");
        }
    }

    #[test]
    fn of_those_that_share_a_slot_the_last_one_is_kept() {
        let cache = Cache::default();
        let (a, b) = (account(1, "Alice"), account(2, "Bob"));
        let shares = |id: &str| slot_of(id) == slot_of(a.id.as_str());
        let other = (3..100_000).find(|i| shares(&i.to_string())).expect("one of so many");
        let other = account(other, "Carol");
        for account in [&a, &b, &other] {
            cache.put(account);
        }
        assert_eq!(cache.get(&a.id), None);
        assert_eq!(cache.get(&b.id).as_ref(), Some(&b));
        assert_eq!(cache.get(&other.id).as_ref(), Some(&other));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let cache = Cache::default();
        for number in 0..10 * SLOTS {
            cache.put(&account(number, "x".repeat(MAX_NAME)));
        }
        let long = account(0, "x".repeat(MAX_NAME + 1));
        cache.put(&long);
        assert_ne!(cache.get(&long.id), Some(long));
        let kept = (0..10 * SLOTS).filter(|number| cache.get(&account(*number, "").id).is_some());
        assert!(kept.count() <= SLOTS);
        assert_eq!(size_of::<Slot>(), 128);
    }
}
