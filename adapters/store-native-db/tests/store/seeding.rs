//! Seeding is all or nothing, and never replaces an account.

use std::ops::ControlFlow::{Break, Continue};
use std::path::Path;

use accountservice_store_native_db::SeedOutcome;

use crate::fixture::{Folder, account, in_memory, name_of, open, silent};

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
    let folder = Folder::new();
    let file = folder.file("accounts.db");
    let seed = |count| open(&file).seed(count, silent).expect("room");
    assert_eq!(seed(100), SeedOutcome::Written(100));
    assert_eq!(seed(100), SeedOutcome::Written(0));
    assert_eq!(seed(40), SeedOutcome::Written(0));
    assert_eq!(seed(0), SeedOutcome::Written(0));
    assert_eq!(seed(130), SeedOutcome::Written(30));
}

#[test]
fn seeding_again_looks_up_the_first_and_the_last_account_only() {
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
fn an_account_that_is_there_stays_as_it_is() {
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
    let others = (0..200).map(|i| account(format!("other-{i}"), "Bob"));
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
fn a_name_has_at_most_eight_mebibytes() {
    let folder = Folder::new();
    let file = folder.file("accounts.db");
    let name = |length| "x".repeat(length);
    let store = open(&file);
    let longest = (0..10).map(|i| account(format!("longest {i}"), name(8 << 20)));
    assert_eq!(store.add(longest, silent).expect("room"), SeedOutcome::Written(10));
    let longer = [account("short", "Alice"), account("longer", name((8 << 20) + 1))];
    store.add(longer, silent).expect_err("one name is too long");
    assert_eq!(name_of(&store, "short"), None);
    drop(store);
    let store = open(&file);
    store.seed(100, silent).expect("room");
    for i in 0..10 {
        let found = name_of(&store, format!("longest {i}"));
        assert!(found.is_some_and(|found| *found == *name(8 << 20)), "{i}");
    }
}

/// A process that is killed leaves what a copy of the file at that moment holds.
#[test]
fn a_file_copied_while_it_is_being_seeded_has_all_accounts_or_none() {
    let folder = Folder::new();
    let file = folder.file("accounts.db");
    let copy = |name: &str| {
        let copy = folder.file(name);
        std::fs::copy(&file, &copy).expect("room");
        copy
    };
    let count_in = |file: &Path| {
        let store = open(file);
        let there = (0..20_000).filter(|i| name_of(&store, (10_000 + i).to_string()).is_some());
        let there = there.count();
        assert_eq!(
            store.seed(20_000, silent).expect("room"),
            SeedOutcome::Written(20_000 - there as u64)
        );
        there
    };
    let store = open(&file);
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
