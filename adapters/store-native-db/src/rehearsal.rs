//! Opening a database without touching its file: what the engine writes stays in memory.

use std::fs::File;

use redb::{Database, TableHandle};

use crate::OpenErrorKind;
use crate::open::{Trouble, damaged, inaccessible, kind_of};
use crate::overlay::Overlay;

/// Up to this size, in bytes, every page that is in use is verified. A larger file would make the
/// start wait; what is wrong with it comes out when it is read, as an error of that look-up.
const VERIFIED_UP_TO: u64 = 32 << 20;

/// What the engine may keep of the file meanwhile, in bytes: what it has read it seldom needs again.
const CACHE_SIZE: usize = 512 << 10;

/// The table in which `native_db` notes its version, in every file of its own.
const NATIVE_DB_TABLE: &str = "metadata";

/// Opens the database in `file` as far as the engine ever goes: repair, tables, a commit. Panics
/// where the engine does.
pub(crate) fn open(file: &File) -> Result<(), Trouble> {
    let length = file.metadata().map_err(inaccessible)?.len();
    let overlay = Overlay::of(file).map_err(inaccessible)?;
    let mut db = redb::Builder::new()
        .set_cache_size(CACHE_SIZE)
        .create_with_backend(overlay.clone())
        .map_err(|error| (kind_of(&error), error.into()))?;
    if length <= VERIFIED_UP_TO {
        db.check_integrity().map_err(|error| (kind_of(&error), error.into()))?;
    }
    commit_as_native_db_does(&db)?;
    leave(&db, &overlay);
    Ok(())
}

/// The engine closes a database as carefully as it opens it, which would be half of the time that a
/// rehearsal takes. It leaves alone what has failed to take a commit.
fn leave(db: &Database, overlay: &Overlay) {
    overlay.end();
    if let Ok(transaction) = db.begin_write() {
        let _ = transaction.commit();
    }
}

fn commit_as_native_db_does(db: &Database) -> Result<(), Trouble> {
    let transaction = db.begin_write().map_err(damaged)?;
    let tables: Vec<_> = transaction.list_tables().map_err(damaged)?.collect();
    if !tables.is_empty() && !tables.iter().any(|table| table.name() == NATIVE_DB_TABLE) {
        return Err((OpenErrorKind::NotADatabase, "it holds the tables of another program".into()));
    }
    transaction.commit().map_err(damaged)
}
