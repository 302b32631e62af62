//! The contract of every embedded store, whatever its medium.

use std::thread;

use crate::{Account, AccountId, AccountStore};

/// Checks a kind of store. `store_of` makes a new store that holds exactly the given accounts.
///
/// # Panics
///
/// If the store breaks the contract; the message says where.
pub fn check<S: AccountStore>(mut store_of: impl FnMut(&[Account]) -> S) {
    an_empty_store_is_healthy_and_finds_nothing(&store_of(&[]));

    let accounts = odd_accounts();
    let store = store_of(&accounts);
    assert!(store.check().is_ok(), "a store with accounts is healthy");
    each_account_is_found_as_it_was_put_in(&store, &accounts);
    a_similar_id_is_not_found(&store);
    calls_may_come_from_many_threads(&store, &accounts);
}

fn an_empty_store_is_healthy_and_finds_nothing(store: &impl AccountStore) {
    assert!(store.check().is_ok(), "an empty store is a healthy one");
    assert_eq!(store.find(&id("10000")).expect("an empty store can be read"), None);
}

fn each_account_is_found_as_it_was_put_in(store: &impl AccountStore, accounts: &[Account]) {
    for account in accounts {
        let found = store.find(&account.id).expect("the store can be read");
        assert_eq!(found.as_ref(), Some(account), "looked up {:?}", account.id);
    }
}

fn a_similar_id_is_not_found(store: &impl AccountStore) {
    for near in ["1000", "100000", " 10000", "10000 ", "10000\0", "A", "ü", "%2F"] {
        assert_eq!(
            store.find(&id(near)).expect("the store can be read"),
            None,
            "looked up {near:?}"
        );
    }
}

fn calls_may_come_from_many_threads(store: &impl AccountStore, accounts: &[Account]) {
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    each_account_is_found_as_it_was_put_in(store, accounts);
                    assert!(store.check().is_ok(), "a store that is being read is healthy");
                }
            });
        }
    });
}

/// Ids and names of every length and alphabet that a store might stumble over.
fn odd_accounts() -> Vec<Account> {
    let longest = "x".repeat(AccountId::MAX_LEN);
    let ids = ["10000", "a", "a/b", "\0", "\u{7f}", "ö", "日本語", "' OR 1=1 --", longest.as_str()];
    let names = ["Person_0", "", "\"quoted\" \\ \n\t\0", "Åsa 🦀", &"long ".repeat(10_000)];
    ids.iter()
        .zip(names.iter().cycle())
        .map(|(text, name)| Account { id: id(text), name: (*name).into() })
        .collect()
}

fn id(text: &str) -> AccountId {
    AccountId::new(text).expect("1 to 64 bytes")
}
