//! The tasks that keep sessions open: they connect, provide the accounts once, replace sessions that
//! end, and log each cause once per outage.
//!
//! There is one for each runtime that looks accounts up, so that a lookup wakes no other thread, and
//! a thread that stands still holds up its own session only. They answer no lookup. The store starts
//! them and takes sessions out of the [`Pool`].

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::mem::replace;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::select;
use tokio::sync::{OnceCell, watch};
use tokio::task::{AbortHandle, yield_now};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{CancelToken, Config, Error};
use tracing::{info, warn};

use crate::Settings;
use crate::schema;
use crate::session::{Session, one_line};
use crate::url::{DatabaseUrl, host_and_port};

/// The first and the longest pause between two attempts. A server that is back is found within the
/// longest one.
const PAUSE: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(250));

/// What lasts longer than this, a session or an attempt, needs no pause afterwards. An outage is over
/// after this much and a deadline without another failure.
const QUIET: Duration = Duration::from_secs(1);

/// A flood of different causes is cut off after this many lines per outage.
const MAX_CAUSES: usize = 20;

pub(crate) struct Keeper {
    pub(crate) url: DatabaseUrl,
    pub(crate) settings: Settings,
    pub(crate) pool: watch::Sender<Pool>,
    /// Set when the accounts have been provided.
    accounts: OnceCell<()>,
}

/// The sessions, and what has been logged.
pub(crate) struct Pool {
    /// One for each runtime, first that of the runtime on which the store was started.
    pub(crate) slots: Vec<Slot>,
    /// When the last session ended.
    pub(crate) lost_at: Instant,
    failed_at: Instant,
    logged: HashSet<String>,
    is_connection_logged: bool,
}

pub(crate) struct Slot {
    runtime: Id,
    pub(crate) keeper: AbortHandle,
    /// While there is none: why the last one ended, or could not be opened.
    session: Result<Arc<Session>, String>,
}

impl Pool {
    /// The open session of a runtime, else that of the first one: another worker's may stand still
    /// with its thread.
    pub(crate) fn session(&self, runtime: Id) -> Result<Arc<Session>, String> {
        let own = self.slots.iter().find(|slot| slot.runtime == runtime);
        let mut sessions = own.into_iter().chain(self.slots.first()).flat_map(|slot| &slot.session);
        let open = sessions.find(|session| !session.client.is_closed());
        open.cloned().ok_or_else(|| self.cause(0))
    }

    /// Why a slot has no session.
    fn cause(&self, slot: usize) -> String {
        let session = &self.slots[slot].session;
        session.as_ref().err().map_or_else(|| "the session ended".into(), Clone::clone)
    }

    /// Whether a runtime has no session of its own, and may have one.
    pub(crate) fn has_room(&self, runtime: Id, connections: usize) -> bool {
        let is_other = |slot: &Slot| slot.runtime != runtime;
        self.slots.len() < connections.max(1) && self.slots.iter().all(is_other)
    }
}

impl Keeper {
    pub(crate) fn new(url: DatabaseUrl, settings: Settings) -> Self {
        let pool = Pool {
            slots: Vec::new(),
            lost_at: Instant::now(),
            failed_at: Instant::now(),
            logged: HashSet::new(),
            is_connection_logged: false,
        };
        Self { url, settings, pool: watch::Sender::new(pool), accounts: OnceCell::new() }
    }

    /// Has a session kept on the current runtime, if none is yet and there may be another one.
    pub(crate) fn join(self: &Arc<Self>) {
        let runtime = Handle::current().id();
        self.pool.send_if_modified(|pool| {
            if pool.has_room(runtime, self.settings.connections) {
                let keeper = tokio::spawn(Arc::clone(self).keep(pool.slots.len())).abort_handle();
                let session = Err("no connection has been opened yet".to_owned());
                pool.slots.push(Slot { runtime, keeper, session });
            }
            false
        });
    }

    /// Takes a session out of use, which ends it. Returns whether it was still in use.
    pub(crate) fn retire(&self, session: &Arc<Session>, cause: String) -> bool {
        self.pool.send_if_modified(|pool| {
            let current = &mut pool.slots[session.slot].session;
            let is_current = current.as_ref().is_ok_and(|current| Arc::ptr_eq(current, session));
            if is_current {
                *current = Err(cause);
                pool.lost_at = Instant::now();
            }
            is_current
        })
    }

    async fn keep(self: Arc<Self>, slot: usize) {
        let mut pool = self.pool.subscribe();
        let mut pause = Duration::ZERO;
        loop {
            if slot > 0 {
                // One at a time is enough to find out that a server is back.
                let _ = pool.wait_for(|pool| pool.slots[0].session.is_ok()).await;
            }
            let started_at = Instant::now();
            let failure = self.serve(slot).await;
            self.log(failure);
            let is_long = started_at.elapsed() > QUIET;
            pause = if is_long { Duration::ZERO } else { (pause * 2).clamp(PAUSE.0, PAUSE.1) };
            sleep(with_jitter(pause)).await;
        }
    }

    /// Keeps a session with the first host that lets it serve. Returns what failed.
    async fn serve(&self, slot: usize) -> String {
        let mut causes = Vec::new();
        for config in &self.url.hosts {
            match self.serve_at(config, slot).await {
                Ok(cause) => return format!("A session of the database ended: {cause}"),
                Err(cause) => causes.push(format!("{}: {cause}", host_and_port(config))),
            }
        }
        let cause = causes.join("; ");
        self.pool.send_modify(|pool| pool.slots[slot].session = Err(cause.clone()));
        format!("Cannot reach the database: {cause}")
    }

    /// Keeps a session until it ends, and returns why. Fails if it cannot be opened.
    async fn serve_at(&self, config: &Config, slot: usize) -> Result<String, String> {
        let (mut client, connection) = self.in_time(config.connect(self.url.tls.clone())).await?;
        let mut ended = pin!(async {
            let ended = connection.await;
            // A lookup in flight may have the server's reason: it comes first.
            yield_now().await;
            ended.map_or_else(|error| one_line(&error), |()| "it was closed".to_owned())
        });
        let open = async {
            let count = self.settings.accounts;
            self.accounts.get_or_try_init(|| schema::provide(&mut client, count)).await?;
            let token = client.cancel_token();
            let session = Session::open(client, self.url.prepared_statements, slot);
            self.in_time(session).await.inspect_err(|_| self.cancel(token))
        };
        let session = select! {
            biased;
            session = open => Arc::new(session?),
            cause = &mut ended => return Err(cause),
        };
        self.pool.send_modify(|pool| {
            pool.slots[slot].session = Ok(Arc::clone(&session));
            if !replace(&mut pool.is_connection_logged, true) {
                info!("Connected to the database at {}", host_and_port(config));
            }
        });
        let mut pool = self.pool.subscribe();
        select! {
            biased;
            _ = pool.wait_for(|pool| pool.slots[slot].session.is_err()) => {}
            cause = ended => { self.retire(&session, cause); }
        }
        Ok(self.pool.borrow().cause(slot))
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, String> {
        let done = timeout(self.settings.deadline, work).await;
        done.map_err(|_| self.silence())?.map_err(|error| one_line(&error))
    }

    pub(crate) fn silence(&self) -> String {
        format!("no answer within {:?}", self.settings.deadline)
    }

    /// Has the server end what a session asked for: while it waits for a lock, it does not notice
    /// that the session is over.
    pub(crate) fn cancel(&self, token: CancelToken) {
        let tls = self.url.tls.clone();
        tokio::spawn(timeout(self.settings.deadline, async move { token.cancel_query(tls).await }));
    }

    fn log(&self, failure: String) {
        self.pool.send_if_modified(|pool| {
            let quiet = replace(&mut pool.failed_at, Instant::now()).elapsed();
            if quiet > self.settings.deadline + QUIET {
                pool.logged.clear();
            }
            if pool.logged.len() < MAX_CAUSES && !pool.logged.contains(&failure) {
                warn!("{failure}");
                pool.logged.insert(failure);
                pool.is_connection_logged = false;
            }
            false
        });
    }
}

/// Between half and all of it, so that the replicas of a service do not come all at once.
fn with_jitter(pause: Duration) -> Duration {
    let random = u32::try_from(RandomState::new().hash_one(()) % 1000).expect("under 1000");
    pause / 2 + pause * random / 2000
}
