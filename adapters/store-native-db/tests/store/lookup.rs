//! Lookups with and without the cache, and the check, which does not read the cache.

use std::fs::OpenOptions;
use std::thread;

use accountservice_core::AccountStore;

use crate::fixture::{Folder, account, in_memory, name_of, open, seeded, silent};

#[test]
fn an_account_that_is_added_after_a_lookup_is_found() {
    let store = seeded(in_memory(), 100);
    for _ in 0..3 {
        assert_eq!(name_of(&store, "alice"), None);
    }
    store.add([account("alice", "Alice")], silent).expect("room");
    for _ in 0..3 {
        assert_eq!(name_of(&store, "alice").as_deref(), Some("Alice"));
    }
}

#[test]
fn adding_an_account_that_was_found_leaves_it_as_it_is() {
    let store = seeded(in_memory(), 100);
    for name in ["Alice", "Bob"] {
        assert_eq!(name_of(&store, "10007").as_deref(), Some("Person_7"));
        store.add([account("10007", name)], silent).expect("room");
    }
    assert_eq!(name_of(&store, "10007").as_deref(), Some("Person_7"));
}

/// Names of 30 MB, twice the capacity of the cache.
#[test]
fn more_accounts_than_the_cache_holds_are_each_found_as_themselves() {
    let store = in_memory();
    let name = |i: u32| format!("{i} {}", "x".repeat(10_000));
    store.add((0..3000).map(|i| account(i.to_string(), name(i))), silent).expect("room");
    for _ in 0..2 {
        for i in 0..3000 {
            assert_eq!(name_of(&store, i.to_string()).as_deref(), Some(name(i).as_str()));
        }
    }
}

#[test]
fn many_threads_find_each_account_as_itself() {
    let store = seeded(in_memory(), 3000);
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
    let store = in_memory();
    let lengths = [0, 1, 255, 256, 257, 10_000, 1_000_000];
    let accounts = lengths.map(|length| account(format!("length {length}"), "x".repeat(length)));
    store.add(accounts.clone(), silent).expect("room");
    for _ in 0..3 {
        for account in &accounts {
            assert_eq!(name_of(&store, account.id.as_str()).as_ref(), Some(&account.name));
        }
    }
}

#[test]
fn the_check_reads_the_file_although_the_first_account_is_in_the_cache() {
    let folder = Folder::new();
    let path = folder.file("accounts.db");
    let store = seeded(open(&path), 200_000);
    assert_eq!(name_of(&store, "10000").as_deref(), Some("Person_0"));
    store.check().expect("a readable store");

    // Lookups of missing ids read pages all over the file, until the engine's cache has dropped the
    // first one. They leave the accounts' cache as it is.
    for _ in 0..3 {
        for i in (20_000..100_000).chain(110_000..210_000).step_by(10) {
            assert_eq!(name_of(&store, format!("{i}x")), None);
        }
    }
    let file = OpenOptions::new().write(true).open(&path).expect("the file");
    file.set_len(0).expect("an empty file");
    assert_eq!(name_of(&store, "10000").as_deref(), Some("Person_0"), "from the cache");
    store.check().expect_err("there is nothing left to read");
}
