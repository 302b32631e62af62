//! The store against the store contract, in memory and on disk.

use accountservice_core::testing::store_contract;
use accountservice_core::{Account, AccountStore};
use accountservice_store_native_db::{NativeDbStore, SeedOutcome};

use crate::fixture::{Folder, in_memory, open, silent};

fn filled(store: NativeDbStore, accounts: &[Account]) -> NativeDbStore {
    let outcome = store.add(accounts.to_vec(), silent).expect("room");
    assert_eq!(outcome, SeedOutcome::Written(accounts.len() as u64));
    store
}

fn check(store_of: impl FnMut(&[Account]) -> NativeDbStore) {
    store_contract::check(store_of, store_contract::at_once, &[]);
}

#[test]
fn the_store_keeps_the_contract_in_memory() {
    check(|accounts| filled(in_memory(), accounts));
}

#[test]
fn the_store_keeps_the_contract_on_disk() {
    let folder = Folder::new();
    let mut names = (0..).map(|i| format!("{i}.db"));
    check(|accounts| {
        let name = names.next().expect("endless");
        filled(open(&folder.file(&name)), accounts)
    });
}

#[test]
fn added_accounts_are_there_after_opening_again() {
    let folder = Folder::new();
    let file = folder.file("accounts.db");
    check(|accounts| {
        let _ = std::fs::remove_file(&file);
        drop(filled(open(&file), accounts));
        let store = open(&file);
        store.check().expect("a healthy database");
        store
    });
}
