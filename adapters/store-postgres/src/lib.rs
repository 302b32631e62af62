//! The shared store: accounts in `PostgreSQL`, or in what speaks its protocol.
//!
//! A few sessions carry all lookups, pipelined. Background tasks open and replace them, create the
//! tables and seed them. [`PostgresStore::start`] returns at once, also when the server is away:
//! lookups and checks fail until it is there. The tasks log by `tracing`: what they seeded, where they
//! connected, and each cause of a failure once per outage. This crate is not an ORM and not a
//! migration tool. The binary calls it; its README is for those who run the service.
//!
//! ```no_run
//! use accountservice_store_postgres::{DatabaseUrl, PostgresStore, Settings};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let url = DatabaseUrl::parse("postgres://app:secret@db.internal/accounts")?;
//! let store = PostgresStore::start(url, Settings { accounts: 100, ..Settings::default() });
//! # Ok(())
//! # }
//! ```
//!
//! | what happens | a lookup | a check |
//! |---|---|---|
//! | a session ends | is repeated on a session opened after that, within the deadline | as a lookup |
//! | no session is open | waits for one until half the deadline has passed since the last ended | fails at once |
//! | the server is silent | fails at the deadline; its session is closed | as a lookup |

mod keeper;
mod schema;
mod session;
mod tls;
mod url;

use std::sync::Arc;
use std::time::Duration;

use accountservice_core::{Account, AccountId, AsyncAccountStore, StoreError};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use keeper::{Keeper, Pool};
use session::{Session, is_sessions_own, one_line, silence};

pub use url::{DatabaseUrl, UrlError};

/// How a store uses its server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many sessions may be open: one for the runtime on which the store was started, and one
    /// for each other runtime that looks accounts up. The rest share the first.
    pub connections: usize,
    /// How long a lookup or a check may take in all, and how long connecting to one host may take.
    pub deadline: Duration,
    /// How many accounts are provided before the first lookup: `10000`, `10001`, ... named
    /// `Person_0`, `Person_1`, ... With 0, the store writes nothing and creates no table.
    pub accounts: u64,
}

impl Default for Settings {
    fn default() -> Self {
        // Ten replicas fit PostgreSQL's default of 100 connections. A probe's deadline is 2 s.
        Self { connections: 4, deadline: Duration::from_secs(2), accounts: 0 }
    }
}

/// Accounts in a database that other processes share. Dropping it closes its connections.
pub struct PostgresStore {
    keeper: Arc<Keeper>,
    settings: Settings,
}

impl PostgresStore {
    /// Starts the background task on the current Tokio runtime and returns at once. Lookups may come
    /// from other runtimes that have time and I/O enabled.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub fn start(url: DatabaseUrl, settings: Settings) -> Self {
        let pool = watch::Sender::new(Pool::new());
        let keeper = Arc::new(Keeper { url, deadline: settings.deadline, pool });
        keeper.join(1, Some(settings.accounts));
        Self { keeper, settings }
    }

    /// Looks up a name under the deadline. Without a session it waits for one, if it is to.
    async fn lookup(&self, id: &str, waits: bool) -> Result<Option<String>, String> {
        let deadline = self.settings.deadline;
        let mut asked = None;
        let lookup = async {
            let (mut opened, lost_at, session) = self.session();
            let mut session = match session {
                Some(session) => session,
                None if waits => self.opened_after(&mut opened, lost_at + deadline / 2).await?,
                None => return Err(self.keeper.pool.borrow().cause.clone()),
            };
            loop {
                let error = match asked.insert(session).find(id).await {
                    Ok(found) => return Ok(found),
                    Err(error) if is_sessions_own(&error) => one_line(&error),
                    Err(error) => return Err(one_line(&error)),
                };
                asked.take().inspect(|session| _ = session.abandon(error));
                // Reading is safe to repeat. Only a newer session cannot have been ended by the same
                // event; behind a pooler, even that may have been.
                session = self.opened_after(&mut opened, Instant::now() + deadline / 2).await?;
            }
        };
        timeout(deadline, lookup).await.unwrap_or_else(|_| {
            asked.inspect(|session| _ = session.give_up(deadline));
            Err(silence(deadline))
        })
    }

    /// How many sessions have been opened, when the last ended, and one that is open: that of this
    /// runtime, else that of the first. Another worker's may stand still with its thread.
    fn session(&self) -> (u64, Instant, Option<Arc<Session>>) {
        let pool = self.keeper.pool.borrow();
        let own = pool.session_on(Handle::current().id());
        let joins = own.is_none() && pool.keepers().len() < self.settings.connections;
        let session = own.or_else(|| pool.first()).or_else(|| pool.newest());
        let found = (pool.opened, pool.lost_at, session.cloned());
        drop(pool);
        if joins {
            self.keeper.join(self.settings.connections, None);
        }
        found
    }

    /// The newest session, as soon as more than `opened` have been opened, which it counts, or at
    /// `until`.
    async fn opened_after(&self, opened: &mut u64, until: Instant) -> Result<Arc<Session>, String> {
        let mut pool = self.keeper.pool.subscribe();
        let _ = timeout_at(until, pool.wait_for(|pool| pool.opened > *opened)).await;
        let pool = self.keeper.pool.borrow();
        *opened = pool.opened;
        pool.newest().cloned().ok_or_else(|| pool.cause.clone())
    }
}

impl AsyncAccountStore for PostgresStore {
    async fn find(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        // The type text holds no NUL, so there is no such account.
        if id.as_str().contains('\0') {
            return Ok(None);
        }
        let name = self.lookup(id.as_str(), true).await;
        let name = name.map_err(|cause| StoreError::new("find an account", cause))?;
        Ok(name.map(|name| Account { id: id.clone(), name: name.into() }))
    }

    /// Looks up an id that no account has. Without a session it fails at once, so that a probe's
    /// deadline is not used up.
    async fn check(&self) -> Result<(), StoreError> {
        let checked = self.lookup("", false).await;
        checked.map(|_| ()).map_err(|cause| StoreError::new("read a record", cause))
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.keeper.pool.borrow().keepers().iter().for_each(|(_, keeper)| keeper.abort());
    }
}
