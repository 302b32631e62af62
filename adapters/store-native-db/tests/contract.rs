//! The store against the store contract, in memory and on disk.

use std::ops::ControlFlow;

use accountservice_core::testing::store_contract;
use accountservice_core::{Account, AccountStore};
use accountservice_store_native_db::{NativeDbStore, SeedOutcome};

fn filled(store: NativeDbStore, accounts: &[Account]) -> NativeDbStore {
    let written = store.add(accounts.to_vec(), |_| ControlFlow::Continue(())).expect("room");
    assert_eq!(written, SeedOutcome::Written(accounts.len() as u64));
    store
}

#[test]
fn the_store_keeps_the_contract_in_memory() {
    let in_memory = || NativeDbStore::in_memory().expect("memory");
    store_contract::check(|accounts| filled(in_memory(), accounts), store_contract::at_once, &[]);
}

#[test]
fn the_store_keeps_the_contract_on_disk() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut files = (0..).map(|i| folder.path().join(format!("{i}.db")));
    let on_disk = |accounts: &[Account]| {
        let file = files.next().expect("endless");
        filled(NativeDbStore::open(file).expect("a new database"), accounts)
    };
    store_contract::check(on_disk, store_contract::at_once, &[]);
}

#[test]
fn what_was_added_is_there_after_opening_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("accounts.db");
    // The contract's own accounts, but each time through the file.
    let reopened = |accounts: &[Account]| {
        let _ = std::fs::remove_file(&file);
        drop(filled(NativeDbStore::open(&file).expect("a new database"), accounts));
        let store = NativeDbStore::open(&file).expect("the same database");
        store.check().expect("a database just opened is healthy");
        store
    };
    store_contract::check(reopened, store_contract::at_once, &[]);
}
