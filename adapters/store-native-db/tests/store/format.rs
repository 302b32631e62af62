//! The file format: files of each version open, files of other programs and newer versions do not.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use accountservice_core::AccountStore;
use accountservice_store_native_db::{OpenErrorKind, SeedOutcome};
use native_db::{Builder, Key, Models, ToKey, native_db};
use native_model::{Model, native_model};
use redb::{
    Database, MultimapTableDefinition, ReadableTable, ReadableTableMetadata, TableDefinition,
    TableHandle, WriteTransaction,
};
use serde::{Deserialize, Serialize};

use crate::fixture::{Folder, account, chain, id, name_of, open, open_error, seeded, silent};

const RECORDS: TableDefinition<Key, &[u8]> = TableDefinition::new("1_1_id");
const METADATA: TableDefinition<&str, &str> = TableDefinition::new("metadata");

/// A file of each format that a version has written; a new format adds one.
///
/// `version-1.db` has regions of 32 MiB, as the first versions made them. What has changed since is
/// only that redb's own size of 4 GiB is used, with which no file is small.
const FORMATS: [&str; 1] = ["version-1.db"];

#[test]
fn a_file_of_every_version_opens_with_all_accounts() {
    for format in FORMATS {
        let folder = Folder::new();
        let file = folder.file("accounts.db");
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/formats");
        fs::copy(committed.join(format), &file).expect("the committed file");
        for _ in 0..2 {
            let store = open(&file);
            store.check().expect("a healthy database");
            for expected in [
                account("10000", "Person_0"),
                account("10001", "Person_1"),
                account("10002", "Person_2"),
                account("alice", "Alice"),
                account("a/b", ""),
                account("日本語", "Åsa 🦀\n\"quoted\""),
                account("x".repeat(64), "long ".repeat(100)),
            ] {
                assert_eq!(store.find(&expected.id).expect("readable"), Some(expected));
            }
            assert_eq!(store.find(&id("10003")).expect("readable"), None);
        }
        let store = open(&file);
        assert_eq!(store.seed(100, silent).expect("room"), SeedOutcome::Written(97));
        // Several regions are added.
        let long = (0..10).map(|i| account(format!("long {i}"), "x".repeat(8 << 20)));
        store.add(long, silent).expect("room");
        drop(store);
        let store = open(&file);
        assert_eq!(name_of(&store, "10099").as_deref(), Some("Person_99"));
        assert!(name_of(&store, "long 9").is_some_and(|name| name.len() == 8 << 20));
    }
}

/// If this fails, files that were written before do not open, or not with the same accounts: give
/// the changed record a new version, with an upgrade, and commit a file of the new format.
#[test]
fn a_new_file_has_the_format_of_the_committed_one() {
    let folder = Folder::new();
    let file = folder.file("accounts.db");
    drop(seeded(open(&file), 1));

    let bytes = fs::read(&file).expect("readable");
    assert_eq!(&bytes[..9], b"redb\x1a\n\xa9\r\n");
    assert_eq!((bytes[64], bytes[192]), (2, 2), "the format of redb");
    let db = Database::create(&file).expect("a database");
    let transaction = db.begin_read().expect("a transaction");
    let mut tables: Vec<_> = transaction.list_tables().expect("tables").collect();
    tables.sort_by(|a, b| a.name().cmp(b.name()));
    let names: Vec<_> = tables.iter().map(TableHandle::name).collect();
    assert_eq!(names, ["1_1_id", "metadata"]);
    let records = transaction.open_table(RECORDS).expect("the table");
    assert_eq!(records.len().expect("readable"), 1);
    let record = records.get("10000".to_key()).expect("readable").expect("it is there");
    let expected = b"\x01\0\0\0\x01\0\0\0\
        \x05\0\0\0\0\0\0\x0010000\
        \x08\0\0\0\0\0\0\0Person_0";
    assert_eq!(record.value(), expected);
}

/// Records with the same model number as ours, as they stand in other programs' files or in those
/// of a version that changed its record and kept the number.
mod other {
    use super::*;

    #[derive(Serialize, Deserialize)]
    #[native_model(id = 1, version = 1)]
    #[native_db]
    pub(super) struct Swapped {
        pub(super) name: String,
        #[primary_key]
        pub(super) id: String,
    }

    #[derive(Serialize, Deserialize)]
    #[native_model(id = 1, version = 1)]
    #[native_db]
    pub(super) struct Longer {
        #[primary_key]
        pub(super) id: String,
        pub(super) name: String,
        pub(super) email: String,
    }

    #[derive(Serialize, Deserialize)]
    #[native_model(id = 1, version = 1)]
    #[native_db]
    pub(super) struct Numbered {
        #[primary_key]
        pub(super) id: u64,
        pub(super) name: String,
    }

    #[derive(Serialize, Deserialize)]
    #[native_model(id = 1, version = 2)]
    #[native_db]
    pub(super) struct Newer {
        #[primary_key]
        pub(super) number: String,
    }

    #[derive(Serialize, Deserialize)]
    #[native_model(id = 2, version = 1)]
    #[native_db]
    pub(super) struct Invoice {
        #[primary_key]
        pub(super) id: String,
    }
}

/// What is wrong with a file, and how it is made.
type Case = (&'static str, fn(&Path));

fn text(text: &str) -> String {
    text.to_owned()
}

/// Writes one record of another program by `native_db`.
fn native<T: native_db::ToInput>(file: &Path, record: T) {
    let mut models = Models::new();
    models.define::<T>().expect("one model");
    let db = Builder::new().create(&models, file).expect("a new database");
    let transaction = db.rw_transaction().expect("a transaction");
    transaction.insert(record).expect("room");
    transaction.commit().expect("room");
}

/// Changes the file by redb.
fn with_redb(file: &Path, change: impl FnOnce(&WriteTransaction)) {
    let db = Database::create(file).expect("a database");
    let transaction = db.begin_write().expect("a transaction");
    change(&transaction);
    transaction.commit().expect("room");
}

fn metadata(file: &Path, key: &str, version: &str) {
    with_redb(file, |transaction| {
        let mut table = transaction.open_table(METADATA).expect("a table");
        table.insert(key, version).expect("room");
    });
}

/// Writes the version of redb's file format.
fn redb_version(file: &Path, version: u8) {
    let file = fs::File::options().write(true).open(file).expect("the file");
    for slot in [64, 192] {
        file.write_all_at(&[version], slot).expect("room");
    }
}

#[test]
fn the_database_of_another_program_is_left_alone() {
    let cases: &[Case] = &[
        ("fields in another order", |file| {
            native(file, other::Swapped { id: text("10000"), name: text("Person_0") });
        }),
        ("one more field", |file| {
            native(
                file,
                other::Longer { id: text("10000"), name: text("Person_0"), email: text("a@b.c") },
            );
        }),
        ("an id of another type", |file| {
            native(file, other::Numbered { id: 10_000, name: text("Person_0") });
        }),
        ("another model", |file| native(file, other::Invoice { id: text("10000") })),
        ("another model beside ours", |file| {
            drop(seeded(open(file), 100));
            native(file, other::Invoice { id: text("10000") });
        }),
        ("another first record beside ours", |file| {
            drop(seeded(open(file), 100));
            native(file, other::Swapped { id: text("0"), name: text("Person_0") });
        }),
        ("another last record beside ours", |file| {
            drop(seeded(open(file), 100));
            native(file, other::Swapped { id: text("z"), name: text("Person_0") });
        }),
        ("a record under another id", |file| {
            drop(seeded(open(file), 100));
            with_redb(file, |transaction| {
                let mut table = transaction.open_table(RECORDS).expect("a table");
                let record = table.get("10000".to_key()).expect("readable");
                let record = record.expect("it is there").value().to_vec();
                table.insert("z".to_key(), record.as_slice()).expect("room");
            });
        }),
        ("a record of three bytes", |file| {
            drop(seeded(open(file), 100));
            with_redb(file, |transaction| {
                let mut table = transaction.open_table(RECORDS).expect("a table");
                table.insert("z".to_key(), b"abc".as_slice()).expect("room");
            });
        }),
        ("a table of another program", |file| {
            with_redb(file, |transaction| {
                let table = TableDefinition::<u64, u64>::new("invoices");
                transaction.open_table(table).expect("a table").insert(1, 2).expect("room");
            });
        }),
        ("a table of our name and another type", |file| {
            with_redb(file, |transaction| {
                let table = TableDefinition::<u64, u64>::new("1_1_id");
                transaction.open_table(table).expect("a table").insert(1, 2).expect("room");
            });
            metadata(file, "version_native_db", "0.8.2");
            metadata(file, "version_native_model", "0.4.20");
        }),
        ("our tables without metadata", |file| {
            with_redb(file, |transaction| drop(transaction.open_table(RECORDS).expect("a table")));
        }),
        ("metadata of another type", |file| {
            with_redb(file, |transaction| {
                let table = TableDefinition::<u64, u64>::new("metadata");
                transaction.open_table(table).expect("a table").insert(1, 2).expect("room");
            });
        }),
        ("metadata without versions", |file| metadata(file, "owner", "another program")),
        ("a multimap table", |file| {
            with_redb(file, |transaction| {
                let table = MultimapTableDefinition::<&str, u64>::new("tags");
                drop(transaction.open_multimap_table(table).expect("a table"));
            });
        }),
        ("redb's first format", |file| {
            drop(seeded(open(file), 100));
            redb_version(file, 1);
        }),
    ];
    for (case, make) in cases {
        let folder = Folder::new();
        let file = folder.file("accounts.db");
        make(&file);
        let error = open_error(&file);
        assert_eq!(error.kind(), OpenErrorKind::NotADatabase, "{case}: {}", chain(&error));
    }
}

#[test]
fn the_database_of_a_newer_version_is_left_alone() {
    let cases: &[Case] = &[
        ("a newer model", |file| native(file, other::Newer { number: text("10000") })),
        ("a newer model beside ours", |file| {
            drop(seeded(open(file), 100));
            native(file, other::Newer { number: text("10000") });
        }),
        ("a newer native_db", |file| {
            drop(seeded(open(file), 100));
            metadata(file, "version_native_db", "0.9.0");
        }),
        ("a much newer native_db", |file| {
            drop(seeded(open(file), 100));
            metadata(file, "version_native_db", "1.0.0");
        }),
        ("a newer native_model", |file| {
            drop(seeded(open(file), 100));
            metadata(file, "version_native_model", "0.5.0");
        }),
        ("a newer redb", |file| {
            drop(seeded(open(file), 100));
            redb_version(file, 4);
        }),
    ];
    for (case, make) in cases {
        let folder = Folder::new();
        let file = folder.file("accounts.db");
        make(&file);
        let error = open_error(&file);
        assert_eq!(error.kind(), OpenErrorKind::NewerVersion, "{case}: {}", chain(&error));
    }
}

#[test]
fn a_compatible_version_of_native_db_opens() {
    let folder = Folder::new();
    let file = folder.database();
    for version in ["0.8.0", "0.8.99"] {
        metadata(&file, "version_native_db", version);
        open(&file).check().expect("a healthy database");
    }
}
