//! Files that cannot be opened: a clear error each, and the file as it was.

use std::fs;
use std::ops::ControlFlow::Continue;
use std::path::Path;

use accountservice_core::{AccountId, AccountStore};
use accountservice_store_native_db::{NativeDbStore, OpenError, OpenErrorKind};

use crate::fixture::{Folder, open_error};

fn open(file: &Path) -> Result<NativeDbStore, OpenError> {
    NativeDbStore::open(file)
}

#[test]
fn a_file_that_was_never_a_database_is_told_from_a_damaged_one() {
    let folder = Folder::new();
    let file = folder.file("notes.txt");
    for text in ["hello, this is not a database\n".to_owned(), "x".repeat(100_000)] {
        fs::write(&file, text).expect("room");
        assert_eq!(open_error(&file).kind(), OpenErrorKind::NotADatabase);
    }
}

#[test]
fn the_database_of_another_program_is_left_alone() {
    let folder = Folder::new();
    let file = folder.file("other.db");
    let db = redb::Database::create(&file).expect("a new database");
    let transaction = db.begin_write().expect("a transaction");
    let table = redb::TableDefinition::<u64, u64>::new("invoices");
    transaction.open_table(table).expect("a table").insert(1, 2).expect("room");
    transaction.commit().expect("room");
    drop(db);
    assert_eq!(open_error(&file).kind(), OpenErrorKind::NotADatabase);
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
    open(&file).expect("the file itself was good");
}

/// Whatever is overwritten, there is an error and an untouched file, or all accounts are there.
#[test]
fn a_damaged_page_is_found_before_it_is_served() {
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
        if let Ok(store) = open(&file) {
            store.check().unwrap_or_else(|error| panic!("{damage:?}: {error}"));
            for i in 10_000..10_100 {
                let account = store.find(&AccountId::new(i.to_string()).expect("5 bytes"));
                assert!(matches!(account, Ok(Some(_))), "{damage:?}: {i} is {account:?}");
            }
        } else {
            found += 1;
            fs::write(&file, &bytes).expect("room");
            open_error(&file);
        }
    }
    assert!(found > 20, "only {found} damages were found");
}

#[test]
fn damage_that_comes_later_is_an_error_and_no_panic() {
    let folder = Folder::new();
    let file = folder.file("accounts.db");
    let store = NativeDbStore::open(&file).expect("a new database");
    store.seed(200_000, |_| Continue(())).expect("room");
    drop(store);
    // Too large to be verified at the start, and all of it overwritten but the first pages.
    let length = fs::metadata(&file).expect("readable").len();
    assert!(length > 32 << 20, "{length} bytes would be verified");
    let store = NativeDbStore::open(&file).expect("an undamaged database");
    store.check().expect("a first record, which is in the engine's cache from now on");
    let mut bytes = fs::read(&file).expect("readable");
    bytes[1 << 20..].fill(0xa5);
    fs::write(&file, bytes).expect("room");

    let ids =
        (10_000..210_000).step_by(100).map(|i| AccountId::new(i.to_string()).expect("6 bytes"));
    let failed = ids.filter(|id| store.find(id).is_err()).count();
    assert!(failed > 0, "overwritten accounts were read");
    store.check().expect_err("accounts are there that cannot be read");
}
