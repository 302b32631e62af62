//! Verifies a file before the engine opens it: a dry run on a copy-on-write file.
//!
//! redb writes to a file before it knows whether it can read it. The dry run opens the database,
//! checks that it has a format of this program, and commits. It repairs nothing. `file` calls it.

use std::fs::File;

use redb::{MultimapTableHandle, ReadTransaction, ReadableTable, TableDefinition};
use redb::{TableHandle, WriteTransaction};

use crate::copy_on_write::CopyOnWriteFile;
use crate::error::OpenErrorKind::{NewerVersion, NotADatabase};
use crate::error::{Failure, engine};
use crate::record::{RECORDS, is_record};

/// Up to this size, in bytes, the checksum of every page is verified. In a larger file, where that
/// would delay the start, damage is an error of the lookup that reads it.
const VERIFIED_UP_TO: u64 = 32 << 20;

/// The engine's cache during the dry run, in bytes. The dry run reads few pages twice.
const CACHE_SIZE: usize = 512 << 10;

/// `native_db` stores its versions here, and panics if one is missing.
const METADATA: TableDefinition<&str, &str> = TableDefinition::new("metadata");

/// Panics where redb panics.
pub(crate) fn verify(file: &File) -> Result<(), Failure> {
    let copy = CopyOnWriteFile::new(file)?;
    let mut builder = redb::Builder::new();
    builder.set_cache_size(CACHE_SIZE);
    let mut db = builder.create_with_backend(copy.clone()).map_err(engine)?;
    if file.metadata()?.len() <= VERIFIED_UP_TO {
        db.check_integrity().map_err(engine)?;
    }
    check_tables(&db.begin_read().map_err(engine)?)?;
    // `native_db` commits whenever it opens a database.
    db.begin_write().map_err(engine)?.commit().map_err(engine)?;
    // redb closes a database as slowly as it opens one, unless a write has failed.
    copy.fail_writes();
    let _ = db.begin_write().map(WriteTransaction::commit);
    Ok(())
}

fn check_tables(transaction: &ReadTransaction) -> Result<(), Failure> {
    let tables = transaction.list_tables().map_err(engine)?.map(|table| table.name().to_owned());
    let multimap = transaction.list_multimap_tables().map_err(engine)?;
    let tables: Vec<_> = tables.chain(multimap.map(|table| table.name().to_owned())).collect();
    let known = [METADATA.name(), RECORDS.name()];
    if let Some(table) = tables.iter().find(|table| !known.contains(&table.as_str())) {
        // A later version of the same model has another second number.
        let is_newer = table.starts_with("1_") && !table.starts_with("1_1_");
        let kind = if is_newer { NewerVersion } else { NotADatabase };
        return Err(Failure::new(kind, format!("it has the table {table}")));
    }
    // A new database has no tables yet.
    if !tables.is_empty() {
        check_metadata(transaction)?;
    }
    if tables.iter().any(|table| table == RECORDS.name()) {
        check_records(transaction)?;
    }
    Ok(())
}

fn check_metadata(transaction: &ReadTransaction) -> Result<(), Failure> {
    let metadata = transaction.open_table(METADATA).map_err(engine)?;
    // What the versions of all files that this program has written begin with.
    for (key, known) in [("version_native_db", "0.8."), ("version_native_model", "0.4.")] {
        let Some(version) = metadata.get(key).map_err(engine)? else {
            return Err(Failure::new(NotADatabase, format!("it has no {key}")));
        };
        let version = version.value();
        if !version.starts_with(known) {
            return Err(Failure::new(NewerVersion, format!("its {key} is {version}")));
        }
    }
    Ok(())
}

/// All records of a table have one shape, which the first and the last one show.
fn check_records(transaction: &ReadTransaction) -> Result<(), Failure> {
    let records = transaction.open_table(RECORDS).map_err(engine)?;
    let ends = [records.first().map_err(engine)?, records.last().map_err(engine)?];
    if ends.iter().flatten().all(|(key, bytes)| is_record(&key.value(), bytes.value())) {
        return Ok(());
    }
    Err(Failure::new(NotADatabase, "it has records that are not accounts"))
}
