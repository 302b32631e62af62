//! The embedded store: accounts in one file, by `native_db`.
//!
//! It opens or creates a file, seeds it in one transaction, finds accounts, and checks itself by a real
//! read. It never changes an account. Panics of redb, the engine below `native_db`, become errors.

#![allow(clippy::result_large_err, reason = "it is what every call of `native_db` returns")]

mod cache;
mod copy_on_write;
mod error;
mod file;
mod record;
mod verify;

use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use accountservice_core::{Account, AccountId, AccountStore, StoreError};
use native_db::{Database, db_type};

use cache::Cache;
use error::catch_panic;
use record::Record;

pub use error::{OpenError, OpenErrorKind};

/// Accounts between two reports of progress.
const PROGRESS_EVERY: u64 = 1000;

/// The longest name, in bytes. With a record larger than a region of the file, which is 32 MiB in
/// files of earlier versions, redb panics and can no longer be used.
const MAX_NAME: usize = 8 << 20;

/// The first id that seeding gives, as in goblog, which this service reimplements.
const FIRST_SEEDED_ID: u64 = 10_000;

/// Accounts in a file, or in memory. One process at a time can open a file.
pub struct NativeDbStore {
    db: Database<'static>,
    found: Cache,
    lookup_failed: AtomicBool,
}

/// The outcome of adding accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedOutcome {
    /// All of them are there now. This many are new; the others were there before.
    Written(u64),
    /// The progress callback stopped it. Nothing was written.
    Stopped,
}

impl NativeDbStore {
    /// Opens the file at `path`, or creates it if there is none. After an error an existing file is
    /// as it was before.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        file::open_or_create(path.as_ref()).map(Self::new)
    }

    /// A store in memory, for tests.
    pub fn in_memory() -> Result<Self, OpenError> {
        file::in_memory().map(Self::new)
    }

    fn new(db: Database<'static>) -> Self {
        Self { db, found: cache::new(), lookup_failed: AtomicBool::default() }
    }

    /// Adds `count` accounts, `10000`, `10001`, ... named `Person_0`, `Person_1`, ..., as
    /// [`add`](Self::add) does. Where all are there, this costs two lookups.
    pub fn seed(
        &self,
        count: u64,
        progress: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<SeedOutcome, StoreError> {
        if self.is_seeded(count)? {
            return Ok(SeedOutcome::Written(0));
        }
        let accounts =
            (0..count).map(|i| Account { id: seeded_id(i), name: format!("Person_{i}").into() });
        self.add(accounts, progress)
    }

    /// Adds the accounts whose ids are not taken, in one transaction: a process that is killed leaves
    /// all of them or none. An account that is there stays as it is.
    ///
    /// A name has at most 8 MiB; with a longer one nothing is written and the result is an error.
    /// After every thousand accounts `progress` receives their number and can stop the transaction.
    pub fn add(
        &self,
        accounts: impl IntoIterator<Item = Account>,
        mut progress: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<SeedOutcome, StoreError> {
        catch("write accounts", || {
            let transaction = self.db.rw_transaction()?;
            // In an empty table no id is taken.
            let is_empty = transaction.len().primary::<Record>()? == 0;
            let mut written = 0;
            for (handled, account) in (1..).zip(accounts) {
                if account.name.len() > MAX_NAME {
                    let why = format!("the name of {} is too long", account.id);
                    return Err(io::Error::other(why).into());
                }
                let id = account.id.as_str();
                if is_empty || transaction.get().primary::<Record>(id)?.is_none() {
                    let (id, name) = (id.to_owned(), account.name.to_string());
                    transaction.insert(Record { id, name })?;
                    written += 1;
                }
                if handled % PROGRESS_EVERY == 0 && progress(handled).is_break() {
                    transaction.abort()?;
                    return Ok(SeedOutcome::Stopped);
                }
            }
            if written > 0 {
                transaction.commit()?;
            }
            Ok(SeedOutcome::Written(written))
        })
    }

    /// Seeding adds all or none: enough accounts with the first and the last among them are all.
    fn is_seeded(&self, count: u64) -> Result<bool, StoreError> {
        let len = catch("count accounts", || self.db.r_transaction()?.len().primary::<Record>())?;
        let is_there = |i| Ok(self.find(&seeded_id(i))?.is_some());
        Ok(count == 0 || len >= count && is_there(0)? && is_there(count - 1)?)
    }
}

impl AccountStore for NativeDbStore {
    fn find(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        if let Some(name) = self.found.get(id) {
            return Ok(Some(Account { id: id.clone(), name }));
        }
        let found = catch("find an account", || {
            self.db.r_transaction()?.get().primary::<Record>(id.as_str())
        });
        let record = found.inspect_err(|_| self.lookup_failed.store(true, Ordering::Relaxed))?;
        Ok(record.map(|record| {
            let account = Account { id: id.clone(), name: record.name.into() };
            self.found.insert(id.clone(), Arc::clone(&account.name));
            account
        }))
    }

    /// Reads and decodes the first record, unless a lookup has failed: the first record may be in
    /// the engine's cache when the file cannot be read any more. The engine does not recover. It
    /// refuses to read after an I/O error, and keeps damaged pages in its cache.
    fn check(&self) -> Result<(), StoreError> {
        if self.lookup_failed.load(Ordering::Relaxed) {
            return Err(StoreError::new("read a record", "an earlier lookup failed"));
        }
        catch("read a record", || {
            let transaction = self.db.r_transaction()?;
            let scan = transaction.scan().primary::<Record>()?;
            scan.all()?.next().transpose().map(|_| ())
        })
    }
}

fn seeded_id(i: u64) -> AccountId {
    AccountId::new((FIRST_SEEDED_ID + i).to_string()).expect("a number has 1 to 20 digits")
}

/// After a panic redb works on, or has poisoned a lock, which makes the next call an error too.
fn catch<T>(
    attempt: &'static str,
    run: impl FnOnce() -> db_type::Result<T>,
) -> Result<T, StoreError> {
    match catch_panic(run) {
        Ok(done) => done.map_err(|error| StoreError::new(attempt, error)),
        Err(text) => Err(StoreError::new(attempt, text)),
    }
}
