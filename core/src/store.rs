//! What the core asks of a store. Opening, seeding and closing belong to the concrete store.

use std::error::Error;
use std::fmt;

use crate::{Account, AccountId};

/// Where accounts are kept.
///
/// Calls come concurrently, from any thread, and may block: the host decides on which threads it
/// runs the core. An implementation is proven by
/// `testing::store_contract` (feature `testing`), in memory and on its real medium.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait AccountStore: Send + Sync {
    /// Finds the account with this very id.
    ///
    /// `Ok(None)` says that the store was read and holds no such account. A store that could not be
    /// read, or that holds a record it cannot make sense of, says `Err`.
    fn find(&self, id: &AccountId) -> Result<Option<Account>, StoreError>;

    /// Checks that the store can serve, by a real read.
    ///
    /// An empty store is a healthy one. That a handle exists proves nothing.
    fn check(&self) -> Result<(), StoreError>;
}

/// The store could not do what it was asked; the next call may go well.
///
/// The cause is for the log. Clients are told the status and nothing else.
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
