//! The embedded store: accounts in one file, by `native_db`.
//!
//! It opens a file or creates it whole, seeds it in one transaction, finds, and checks itself by a
//! real read. Accounts found lately are found again without asking the engine; the check always asks
//! it. It is not a schema tool: what `native_db` keeps is a record of its own, and the core's
//! [`Account`] comes out.
//!
//! redb, the engine beneath `native_db`, answers much of what can be wrong with a file by a panic.
//! None gets out of here: each becomes an error with the panic's text as its cause.

#![allow(clippy::result_large_err, reason = "it is what every call of `native_db` returns")]

mod cache;
mod open;
mod overlay;
mod rehearsal;

use std::any::Any;
use std::error::Error;
use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use accountservice_core::{Account, AccountId, AccountStore, StoreError};
use native_db::db_type;
use native_db::transaction::RwTransaction;
use native_db::{Database, Models, ToKey, native_db};
use native_model::{Model, native_model};
use serde::{Deserialize, Serialize};

use cache::Cache;

pub use open::{OpenError, OpenErrorKind};

/// How many accounts are handled between two reports of progress.
const PROGRESS_EVERY: u64 = 1000;

/// The longest name, in bytes. With a record larger than a region of the file, which is 32 MiB in
/// files of earlier versions, redb panics and can no longer be used.
const MAX_NAME: usize = 8 << 20;

/// The first id that seeding gives: the original's users know it.
const FIRST_SEEDED_ID: u64 = 10_000;

static MODELS: LazyLock<Models> = LazyLock::new(|| {
    let mut models = Models::new();
    models.define::<Record>().expect("one model cannot clash with another");
    models
});

/// What stands in the file. The numbers and the order of the fields are its format.
#[derive(Serialize, Deserialize)]
#[native_model(id = 1, version = 1)]
#[native_db]
struct Record {
    #[primary_key]
    id: String,
    name: String,
}

/// Accounts in a file, or in memory. One process at a time has a file open.
pub struct NativeDbStore {
    db: Database<'static>,
    found: Cache,
    /// The account that could not be read last.
    unreadable: Mutex<Option<AccountId>>,
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
    /// Sees to it that the accounts `10000`, `10001`, ... named `Person_0`, `Person_1`, ... are
    /// there, `count` of them, in one transaction: all or none, whenever the process is killed.
    ///
    /// Where they are there already, this costs two look-ups, however many they are. `progress` is
    /// as in [`add`](Self::add).
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

    /// Adds those accounts whose ids are not taken, in one transaction. Those that are there stay
    /// as they are.
    ///
    /// A name has 8 MiB at the most; a longer one is an error, and nothing is written.
    ///
    /// `progress` hears, every thousand accounts, how many have been handled, and may stop it all.
    pub fn add(
        &self,
        accounts: impl IntoIterator<Item = Account>,
        mut progress: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<SeedOutcome, StoreError> {
        contained("write accounts", || {
            let transaction = self.db.rw_transaction()?;
            // An empty table spares a look-up for each account.
            let empty = transaction.len().primary::<Record>()? == 0;
            let mut written = 0;
            for (handled, account) in (1..).zip(accounts) {
                if account.name.len() > MAX_NAME {
                    let error = io::Error::other(format!("the name of {} is too long", account.id));
                    return Err(error.into());
                }
                if empty || !is_there(&transaction, account.id.as_str())? {
                    let id = account.id.as_str().to_owned();
                    transaction.insert(Record { id, name: account.name.to_string() })?;
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

    fn read(&self, id: &AccountId) -> Result<Option<Record>, StoreError> {
        contained("find an account", || {
            self.db.r_transaction()?.get().primary::<Record>(id.as_str())
        })
    }

    fn unreadable(&self) -> MutexGuard<'_, Option<AccountId>> {
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accounts come in by [`seed`](Self::seed) and [`add`](Self::add) only, each all or none, so
    /// that enough of them with the first and the last among them are all of them.
    fn is_seeded(&self, count: u64) -> Result<bool, StoreError> {
        contained("look for seeded accounts", || {
            let transaction = self.db.r_transaction()?;
            let there = |i| -> db_type::Result<bool> {
                Ok(transaction.get().primary::<Record>(seeded_id(i).as_str())?.is_some())
            };
            Ok(count == 0
                || transaction.len().primary::<Record>()? >= count
                    && there(0)?
                    && there(count - 1)?)
        })
    }
}

impl AccountStore for NativeDbStore {
    fn find(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        if let Some(name) = self.found.get(id) {
            return Ok(Some(Account { id: id.clone(), name }));
        }
        let record = self.read(id).inspect_err(|_| *self.unreadable() = Some(id.clone()))?;
        Ok(record.map(|record| {
            let account = Account { id: id.clone(), name: record.name.into() };
            self.found.insert(id.clone(), Arc::clone(&account.name));
            account
        }))
    }

    /// Reads and decodes the first record, in a transaction of its own. If an account could not be
    /// read, it has to be readable again: the first record may well be in the engine's cache when
    /// the file behind it is gone.
    fn check(&self) -> Result<(), StoreError> {
        let unreadable = self.unreadable().clone();
        if let Some(id) = unreadable {
            self.read(&id)?;
            *self.unreadable() = None;
        }
        contained("read a record", || {
            let transaction = self.db.r_transaction()?;
            let scan = transaction.scan().primary::<Record>()?;
            scan.all()?.next().transpose().map(|_| ())
        })
    }
}

fn is_there(transaction: &RwTransaction<'_>, id: &str) -> db_type::Result<bool> {
    Ok(transaction.get().primary::<Record>(id)?.is_some())
}

fn seeded_id(i: u64) -> AccountId {
    AccountId::new((FIRST_SEEDED_ID + i).to_string()).expect("a number has 1 to 20 digits")
}

/// Runs what may fail or panic; either becomes an error.
///
/// redb leaves its state usable, or poisons the lock it held, which makes the next call an error.
fn contained<T>(
    attempt: &'static str,
    run: impl FnOnce() -> db_type::Result<T>,
) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(StoreError::new(attempt, error)),
        Err(panic) => Err(StoreError::new(attempt, panic_text(panic.as_ref()))),
    }
}

/// A panic as a cause, on one line.
fn panic_text(panic: &(dyn Any + Send)) -> Box<dyn Error + Send + Sync> {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given");
    let text: Vec<_> = text.split_whitespace().collect();
    format!("the storage engine gave up: {}", text.join(" ")).into()
}
