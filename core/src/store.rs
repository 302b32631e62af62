//! What the core asks of a store. Opening, seeding and closing belong to the concrete store.
//!
//! There are two traits for two kinds of store: one inside this process, one that has to be awaited.
//! Every store of the first kind is one of the second, which the service is written against.

use std::error::Error;
use std::fmt;

use crate::{Account, AccountId};

/// A store inside this process: it answers at once.
///
/// Calls come concurrently, from any thread, and may block for as long as a disk does. Both methods
/// fail with a [`StoreError`] if the store cannot be read. `testing::store_contract` checks an
/// implementation.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait AccountStore: Send + Sync {
    /// Finds the account with exactly this id.
    ///
    /// `Ok(None)` states that the store was read and has no such account. A store that cannot be
    /// read, or whose record makes no sense, returns an error.
    fn find(&self, id: &AccountId) -> Result<Option<Account>, StoreError>;

    /// Checks by a real read that the store can serve. An empty store is healthy.
    fn check(&self) -> Result<(), StoreError>;
}

/// A store that has to be awaited, such as a database server. Every [`AccountStore`] is one.
///
/// Deadlines are the store's own: a future that never completes holds up its request. A future that
/// is dropped leaves the store usable.
pub trait AsyncAccountStore: Send + Sync {
    /// See [`AccountStore::find`].
    fn find(
        &self,
        id: &AccountId,
    ) -> impl Future<Output = Result<Option<Account>, StoreError>> + Send;

    /// See [`AccountStore::check`].
    fn check(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl<S: AccountStore> AsyncAccountStore for S {
    async fn find(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        AccountStore::find(self, id)
    }

    async fn check(&self) -> Result<(), StoreError> {
        AccountStore::check(self)
    }
}

/// The store could not do what it was asked. The next call may succeed.
///
/// The host logs it with its source. Clients see a status and nothing else.
#[derive(Debug)]
pub struct StoreError {
    attempt: &'static str,
    cause: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// `attempt` completes the sentence "could not ...": `find an account`, `read a record`.
    pub fn new(attempt: &'static str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { attempt, cause: cause.into() }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}", self.attempt)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.cause.as_ref())
    }
}
