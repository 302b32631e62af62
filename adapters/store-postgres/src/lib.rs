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
//! | a session ends | is repeated on another session, within the deadline | as a lookup |
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
use tokio::time::{timeout, timeout_at};

use keeper::Keeper;
use session::{Session, is_sessions_own, one_line};

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
pub struct PostgresStore(Arc<Keeper>);

impl PostgresStore {
    /// Starts the background task on the current Tokio runtime and returns at once. Lookups may come
    /// from other runtimes that have time and I/O enabled.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub fn start(url: DatabaseUrl, settings: Settings) -> Self {
        let keeper = Arc::new(Keeper::new(url, settings));
        keeper.join();
        Self(keeper)
    }

    /// Looks up a name under the deadline. Without a session it waits for one, if it is to.
    async fn lookup(&self, id: &str, mut waits: bool) -> Result<Option<String>, String> {
        let (keeper, mut asked) = (&self.0, None);
        let lookup = async {
            loop {
                let session = asked.insert(self.session(waits).await?);
                match session.find(id).await {
                    Err(error) if is_sessions_own(&error) => {
                        keeper.retire(session, one_line(&error));
                    }
                    found => return found.map_err(|error| one_line(&error)),
                }
                // Reading is safe to repeat, as often as the same event ends another session too.
                waits = true;
            }
        };
        timeout(keeper.settings.deadline, lookup).await.unwrap_or_else(|_| {
            let silence = keeper.silence();
            if let Some(session) = asked
                && keeper.retire(&session, silence.clone())
            {
                keeper.cancel(session.client.cancel_token());
            }
            Err(silence)
        })
    }

    /// A session to ask. Without one, it may be waited for until half a deadline has passed since
    /// the last one ended.
    async fn session(&self, waits: bool) -> Result<Arc<Session>, String> {
        let Keeper { settings, pool, .. } = &*self.0;
        let runtime = Handle::current().id();
        let (session, lost_at, joins) = {
            let pool = pool.borrow();
            let joins = pool.has_room(runtime, settings.connections);
            (pool.session(runtime), pool.lost_at, joins)
        };
        if joins {
            self.0.join();
        }
        if session.is_ok() || !waits {
            return session;
        }
        let mut pool = pool.subscribe();
        let opened = pool.wait_for(|pool| pool.session(runtime).is_ok());
        let _ = timeout_at(lost_at + settings.deadline / 2, opened).await;
        pool.borrow().session(runtime)
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
        self.0.pool.borrow().slots.iter().for_each(|slot| slot.keeper.abort());
    }
}
