//! What was found is found again without asking the engine; the check still asks it.

use std::fs::OpenOptions;
use std::ops::ControlFlow::Continue;
use std::sync::Arc;
use std::thread;

use accountservice_core::{Account, AccountId, AccountStore};
use accountservice_store_native_db::NativeDbStore;

fn id(text: impl AsRef<str>) -> AccountId {
    AccountId::new(text).expect("1 to 64 bytes")
}

fn account(text: impl AsRef<str>, name: impl Into<Arc<str>>) -> Account {
    Account { id: id(text), name: name.into() }
}

fn seeded(count: u64) -> NativeDbStore {
    let store = NativeDbStore::in_memory().expect("memory");
    store.seed(count, |_| Continue(())).expect("room");
    store
}

fn name_of(store: &NativeDbStore, text: impl AsRef<str>) -> Option<Arc<str>> {
    let id = id(text);
    let found = store.find(&id).expect("a readable store")?;
    assert_eq!(found.id, id);
    Some(found.name)
}

#[test]
fn an_account_that_comes_after_it_was_looked_for_is_found() {
    let store = seeded(100);
    for _ in 0..3 {
        assert_eq!(name_of(&store, "alice"), None);
    }
    store.add([account("alice", "Alice")], |_| Continue(())).expect("room");
    for _ in 0..3 {
        assert_eq!(name_of(&store, "alice").as_deref(), Some("Alice"));
    }
}

#[test]
fn adding_what_was_found_leaves_it_as_it_is() {
    let store = seeded(100);
    for name in ["Alice", "Bob"] {
        assert_eq!(name_of(&store, "10007").as_deref(), Some("Person_7"));
        store.add([account("10007", name)], |_| Continue(())).expect("room");
    }
    assert_eq!(name_of(&store, "10007").as_deref(), Some("Person_7"));
}

/// Several to a slot, so that each takes the place of another one.
#[test]
fn more_accounts_than_are_kept_are_each_found_as_themselves() {
    let store = seeded(5000);
    for _ in 0..2 {
        for i in 0..5000 {
            let name = name_of(&store, (10_000 + i).to_string());
            assert_eq!(name, Some(format!("Person_{i}").into()));
        }
    }
}

#[test]
fn many_threads_find_each_account_as_itself() {
    let store = seeded(3000);
    thread::scope(|scope| {
        for first in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for i in (0..30_000).map(|i| (first * 700 + i * 7) % 3000) {
                    let name = name_of(store, (10_000 + i).to_string());
                    assert_eq!(name, Some(format!("Person_{i}").into()));
                    assert_eq!(name_of(store, "10000").as_deref(), Some("Person_0"));
                }
            });
        }
    });
}

#[test]
fn names_of_any_length_are_found_again() {
    let store = NativeDbStore::in_memory().expect("memory");
    let lengths = [0, 1, 255, 256, 257, 10_000, 1_000_000];
    let accounts = lengths.map(|length| account(format!("length {length}"), "x".repeat(length)));
    store.add(accounts.clone(), |_| Continue(())).expect("room");
    for _ in 0..3 {
        for account in &accounts {
            assert_eq!(name_of(&store, account.id.as_str()).as_ref(), Some(&account.name));
        }
    }
}

#[test]
fn the_check_reads_also_when_the_first_account_was_found() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("accounts.db");
    let store = NativeDbStore::open(&path).expect("a new database");
    store.seed(200_000, |_| Continue(())).expect("room");
    assert_eq!(name_of(&store, "10000").as_deref(), Some("Person_0"));
    store.check().expect("a readable store");

    // Ids that nobody has, so that the first account stays where it was kept, but spread over the
    // whole file: the engine has no room for all of it, and forgets what it read first.
    for _ in 0..3 {
        for i in (20_000..100_000).chain(110_000..210_000).step_by(10) {
            assert_eq!(name_of(&store, format!("{i}x")), None);
        }
    }
    let file = OpenOptions::new().write(true).open(&path).expect("the file");
    file.set_len(0).expect("an empty file");
    assert_eq!(name_of(&store, "10000").as_deref(), Some("Person_0"), "it was kept");
    store.check().expect_err("there is nothing left to read");
}
