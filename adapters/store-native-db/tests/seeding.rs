//! Seeding: all or nothing, and never over what is there.

use std::ops::ControlFlow::{self, Break, Continue};
use std::path::Path;

use accountservice_core::{Account, AccountId, AccountStore};
use accountservice_store_native_db::{NativeDbStore, SeedOutcome};

fn account(id: &str, name: &str) -> Account {
    Account { id: AccountId::new(id).expect("1 to 64 bytes"), name: name.into() }
}

fn name_of(store: &NativeDbStore, id: &str) -> Option<String> {
    let id = AccountId::new(id).expect("1 to 64 bytes");
    store.find(&id).expect("a readable store").map(|account| account.name.to_string())
}

fn in_memory() -> NativeDbStore {
    NativeDbStore::in_memory().expect("memory")
}

fn silent(_: u64) -> ControlFlow<()> {
    Continue(())
}

#[test]
fn accounts_are_numbered_from_10000_and_named_from_person_0() {
    let store = in_memory();
    assert_eq!(store.seed(100, silent).expect("room"), SeedOutcome::Written(100));
    assert_eq!(name_of(&store, "10000").as_deref(), Some("Person_0"));
    assert_eq!(name_of(&store, "10099").as_deref(), Some("Person_99"));
    assert_eq!(name_of(&store, "10100"), None);
    assert_eq!(name_of(&store, "9999"), None);
}

#[test]
fn seeding_again_writes_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("accounts.db");
    let seed = |count| {
        let store = NativeDbStore::open(&file).expect("a database");
        store.seed(count, silent).expect("room")
    };
    assert_eq!(seed(100), SeedOutcome::Written(100));
    assert_eq!(seed(100), SeedOutcome::Written(0));
    assert_eq!(seed(40), SeedOutcome::Written(0));
    assert_eq!(seed(0), SeedOutcome::Written(0));
    assert_eq!(seed(130), SeedOutcome::Written(30));
}

#[test]
fn seeding_is_told_from_the_ends_and_not_by_asking_for_each() {
    let store = in_memory();
    store.seed(5000, silent).expect("room");
    let mut reports = 0;
    store
        .seed(5000, |_| {
            reports += 1;
            Continue(())
        })
        .expect("room");
    assert_eq!(reports, 0, "no account was handled");
}

#[test]
fn what_is_there_is_left_as_it_is() {
    for taken in ["10000", "10042", "10099"] {
        let store = in_memory();
        store.add([account(taken, "Alice")], silent).expect("room");
        assert_eq!(store.seed(100, silent).expect("room"), SeedOutcome::Written(99));
        assert_eq!(name_of(&store, taken).as_deref(), Some("Alice"));
        assert_eq!(name_of(&store, "10001").as_deref(), Some("Person_1"));
        assert_eq!(name_of(&store, "10098").as_deref(), Some("Person_98"));
    }
}

#[test]
fn many_other_accounts_are_not_mistaken_for_seeded_ones() {
    let store = in_memory();
    let others = (0..200).map(|i| account(&format!("other-{i}"), "Bob"));
    store.add(others, silent).expect("room");
    assert_eq!(store.seed(100, silent).expect("room"), SeedOutcome::Written(100));
}

#[test]
fn progress_is_reported_every_thousand_accounts() {
    let mut reports = Vec::new();
    in_memory()
        .seed(2500, |handled| {
            reports.push(handled);
            Continue(())
        })
        .expect("room");
    assert_eq!(reports, [1000, 2000]);
}

#[test]
fn stopping_leaves_no_account_behind() {
    let store = in_memory();
    assert_eq!(store.seed(5000, |_| Break(())).expect("room"), SeedOutcome::Stopped);
    assert_eq!(name_of(&store, "10000"), None);
    assert_eq!(store.seed(5000, silent).expect("room"), SeedOutcome::Written(5000));
}

#[test]
fn a_name_has_eight_mebibytes_at_the_most() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("accounts.db");
    let name = |length| "x".repeat(length);
    let store = NativeDbStore::open(&file).expect("a new database");
    let longest = (0..10).map(|i| account(&format!("longest {i}"), &name(8 << 20)));
    assert_eq!(store.add(longest, silent).expect("room"), SeedOutcome::Written(10));
    let longer = [account("short", "Alice"), account("longer", &name((8 << 20) + 1))];
    store.add(longer, silent).expect_err("it does not fit into a region of the file");
    assert_eq!(name_of(&store, "short"), None);
    drop(store);
    let store = NativeDbStore::open(&file).expect("the same database");
    store.seed(100, silent).expect("room");
    for i in 0..10 {
        assert!(name_of(&store, &format!("longest {i}")) == Some(name(8 << 20)));
    }
}

/// A copy of the file at any moment is what a killed process leaves behind.
#[test]
fn a_file_copied_while_it_is_being_seeded_has_all_accounts_or_none() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("accounts.db");
    let copy = |name: &str| {
        let copy = folder.path().join(name);
        std::fs::copy(&file, &copy).expect("room");
        copy
    };
    let count_in = |file: &Path| {
        let store = NativeDbStore::open(file).expect("an undamaged database");
        let there = (0..20_000).filter(|i| name_of(&store, &(10_000 + i).to_string()).is_some());
        let there = there.count();
        assert_eq!(
            store.seed(20_000, silent).expect("room"),
            SeedOutcome::Written(20_000 - there as u64)
        );
        there
    };
    let store = NativeDbStore::open(&file).expect("a new database");
    let mut copies = vec![copy("before.db")];
    store
        .seed(20_000, |handled| {
            if handled % 5000 == 0 {
                copies.push(copy(&format!("{handled}.db")));
            }
            Continue(())
        })
        .expect("room");
    for copy in copies {
        assert_eq!(count_in(&copy), 0, "{}", copy.display());
    }
    assert_eq!(count_in(&copy("after.db")), 20_000);
}
