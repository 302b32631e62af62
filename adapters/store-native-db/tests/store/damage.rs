//! Damaged files: an error that changes nothing while the file is opened, an error of each lookup
//! and of the check if the damage comes later.

use std::fs::{self, OpenOptions};

use accountservice_core::AccountStore;
use accountservice_store_native_db::{NativeDbStore, OpenErrorKind};

use crate::fixture::{Folder, id, open, open_error, seeded};

#[test]
fn a_file_that_was_never_a_database_is_distinguished_from_a_damaged_one() {
    let folder = Folder::new();
    let file = folder.file("notes.txt");
    for text in ["hello, this is not a database\n".to_owned(), "x".repeat(100_000)] {
        fs::write(&file, text).expect("room");
        assert_eq!(open_error(&file).kind(), OpenErrorKind::NotADatabase);
    }
}

#[test]
fn a_truncated_database_is_never_opened() {
    let folder = Folder::new();
    let file = folder.database();
    let whole = fs::read(&file).expect("readable");
    for length in
        [1, 64, 320, 1000, 4096, 8192, whole.len() / 2, whole.len() - 4096, whole.len() - 1]
    {
        fs::write(&file, &whole[..length]).expect("room");
        open_error(&file);
    }
    fs::write(&file, &whole).expect("room");
    open(&file);
}

/// Each part of the file is overwritten in turn. Either opening is an error that leaves the file as
/// it is, or all accounts are there.
#[test]
fn a_damaged_page_is_found_before_the_store_serves_it() {
    let folder = Folder::new();
    let file = folder.database();
    let whole = fs::read(&file).expect("readable");
    let mut found = 0;
    let in_use = |page: &&[u8]| page.iter().any(|byte| *byte != 0);
    let pages = whole.chunks(4096).enumerate().filter(|(_, page)| in_use(page));
    let header_bytes = (0..320).step_by(8).map(|byte| byte..byte + 1);
    for damage in header_bytes.chain(pages.map(|(i, _)| i * 4096..i * 4096 + 4096)) {
        let mut bytes = whole.clone();
        for byte in &mut bytes[damage.clone()] {
            *byte ^= 0x5a;
        }
        fs::write(&file, &bytes).expect("room");
        if let Ok(store) = NativeDbStore::open(&file) {
            store.check().unwrap_or_else(|error| panic!("{damage:?}: {error}"));
            for i in 10_000..10_100 {
                let account = store.find(&id(i.to_string()));
                assert!(matches!(account, Ok(Some(_))), "{damage:?}: {i} is {account:?}");
            }
        } else {
            found += 1;
            fs::write(&file, &bytes).expect("room");
            open_error(&file);
        }
    }
    assert!(found > 20, "only {found} of them were found");
}

/// More accounts than are verified at the start and than the engine's cache holds.
fn large(folder: &Folder) -> NativeDbStore {
    let file = folder.file("accounts.db");
    drop(seeded(open(&file), 200_000));
    let length = fs::metadata(&file).expect("readable").len();
    assert!(length > 32 << 20, "{length} bytes would be verified");
    open(&file)
}

fn failed_lookups(store: &NativeDbStore) -> usize {
    let ids = (10_000..210_000).step_by(100).map(|i| id(i.to_string()));
    ids.filter(|id| store.find(id).is_err()).count()
}

/// The first record, which the check reads, is in the engine's cache from the first check on.
#[test]
fn the_check_fails_once_a_lookup_has_failed_although_the_first_record_is_in_memory() {
    let folder = Folder::new();
    let store = large(&folder);
    store.check().expect("an undamaged database");
    let file = OpenOptions::new().write(true).open(folder.file("accounts.db")).expect("the file");
    let length = file.metadata().expect("readable").len();
    file.set_len(length / 8).expect("a shorter file");
    store.check().expect("the first record is in memory");
    assert!(failed_lookups(&store) > 0, "seven eighths are missing");
    store.check().expect_err("there are accounts that cannot be read");
}

/// Overwritten pages make redb panic.
#[test]
fn pages_that_are_overwritten_later_are_an_error_of_each_lookup_and_of_the_check() {
    let folder = Folder::new();
    let store = large(&folder);
    store.check().expect("an undamaged database");
    let path = folder.file("accounts.db");
    let mut bytes = fs::read(&path).expect("readable");
    bytes[1 << 20..].fill(0xa5);
    fs::write(&path, bytes).expect("room");
    assert!(failed_lookups(&store) > 0, "overwritten accounts were read");
    store.check().expect_err("there are accounts that cannot be read");
}
