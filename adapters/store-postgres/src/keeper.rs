//! The tasks that keep sessions open: they connect, provide the accounts once, replace sessions that
//! end, and log each cause once per outage.
//!
//! There is one for each runtime that looks accounts up, so that a lookup wakes no other thread, and
//! a thread that stands still holds up its own session only. They answer no lookup. The store starts
//! them and reads the [`Pool`].

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Config;
use tracing::{info, warn};

use crate::schema;
use crate::session::{Connections, Session, one_line, silence};
use crate::url::{DatabaseUrl, host_and_port};

/// The first and the longest pause between two attempts. A server that is back is found within the
/// longest one.
const PAUSE: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(250));

/// What lasts longer than this, a session or an attempt, needs no pause afterwards. An outage is over
/// after this much and a deadline without another failure.
const QUIET: Duration = Duration::from_secs(1);

/// A flood of different causes is cut off after this many lines per outage.
const MAX_CAUSES: usize = 20;

/// What stands for the line that ends an outage.
const CONNECTED: &str = "connected";

pub(crate) struct Keeper {
    pub(crate) url: DatabaseUrl,
    pub(crate) deadline: Duration,
    pub(crate) pool: watch::Sender<Pool>,
}

/// The sessions, and what became of others.
pub(crate) struct Pool {
    sessions: Vec<Arc<Session>>,
    /// The tasks, and where they run.
    keepers: Vec<(Id, AbortHandle)>,
    /// How many sessions have been opened since the start.
    pub(crate) opened: u64,
    /// When the last session ended.
    pub(crate) lost_at: Instant,
    /// Why it ended, or why none could be opened.
    pub(crate) cause: String,
    failed_at: Instant,
    logged: HashSet<String>,
}

impl Pool {
    pub(crate) fn new() -> Self {
        Self {
            sessions: Vec::new(),
            keepers: Vec::new(),
            opened: 0,
            lost_at: Instant::now(),
            cause: "no connection has been opened yet".into(),
            failed_at: Instant::now(),
            logged: HashSet::new(),
        }
    }

    /// The open session of a runtime.
    pub(crate) fn session_on(&self, runtime: Id) -> Option<&Arc<Session>> {
        self.sessions.iter().find(|session| session.runtime == runtime && session.is_open())
    }

    /// The open session of the runtime on which the store was started.
    pub(crate) fn first(&self) -> Option<&Arc<Session>> {
        self.keepers.first().and_then(|(runtime, _)| self.session_on(*runtime))
    }

    pub(crate) fn newest(&self) -> Option<&Arc<Session>> {
        self.sessions.iter().rfind(|session| session.is_open())
    }

    pub(crate) fn keepers(&self) -> &[(Id, AbortHandle)] {
        &self.keepers
    }

    /// Logs a text once per outage.
    fn is_new(&mut self, text: &str) -> bool {
        self.logged.len() < MAX_CAUSES && self.logged.insert(text.to_owned())
    }
}

impl Keeper {
    /// Has a session kept on the current runtime, if none is yet and there may be another one. The
    /// first one provides the accounts.
    pub(crate) fn join(self: &Arc<Self>, max: usize, accounts: Option<u64>) {
        let here = Handle::current().id();
        self.pool.send_if_modified(|pool| {
            if pool.keepers.len() < max && pool.keepers.iter().all(|(known, _)| *known != here) {
                let keeper = tokio::spawn(Arc::clone(self).keep(accounts));
                pool.keepers.push((here, keeper.abort_handle()));
            }
            false
        });
    }

    /// Runs until it is aborted, which ends its connection.
    async fn keep(self: Arc<Self>, mut accounts: Option<u64>) {
        let is_first = accounts.is_some();
        let mut pool = self.pool.subscribe();
        let mut pause = Duration::ZERO;
        loop {
            if !is_first {
                // One at a time is enough to find out that a server is back.
                let _ = pool.wait_for(|pool| pool.first().is_some()).await;
            }
            let started_at = Instant::now();
            let mut connections = Connections::new();
            let failure = match self.open(&mut connections, &mut accounts).await {
                Ok((host, session)) => {
                    self.add(&host, &session);
                    let ended = connections.join_next().await.and_then(Result::ok);
                    let ended = ended.and_then(Result::err).map(|error| one_line(&error));
                    let cause = session.abandoned().cloned().or(ended);
                    let cause = cause.unwrap_or_else(|| "its task ended".to_owned());
                    self.pool.send_modify(|pool| pool.lost_at = Instant::now());
                    ("A session of the database ended", cause)
                }
                Err(cause) => ("Cannot reach the database", cause),
            };
            self.report(failure);
            pause = if started_at.elapsed() > QUIET {
                Duration::ZERO
            } else {
                (pause * 2).clamp(PAUSE.0, PAUSE.1)
            };
            sleep(with_jitter(pause)).await;
        }
    }

    /// Opens a session with the first host that lets it serve.
    async fn open(
        &self,
        connections: &mut Connections,
        accounts: &mut Option<u64>,
    ) -> Result<(String, Arc<Session>), String> {
        let mut causes = Vec::new();
        for config in &self.url.hosts {
            let host = host_and_port(config);
            match self.open_at(config, connections, accounts).await {
                Ok(session) => return Ok((host, Arc::new(session))),
                Err(cause) => causes.push(format!("{host}: {cause}")),
            }
            connections.shutdown().await;
        }
        Err(causes.join("; "))
    }

    async fn open_at(
        &self,
        config: &Config,
        connections: &mut Connections,
        accounts: &mut Option<u64>,
    ) -> Result<Session, String> {
        let connect = Session::connect(config, self.url.tls.clone(), connections);
        let connected = timeout(self.deadline, connect).await;
        let mut session =
            connected.map_err(|_| silence(self.deadline))?.map_err(|error| one_line(&error))?;
        if let Some(count) = *accounts {
            schema::provide(&mut session.client, count).await?;
            *accounts = None;
        }
        let prepare = session.prepare(self.url.prepared_statements);
        match timeout(self.deadline, prepare).await {
            Ok(prepared) => prepared.map(|()| session).map_err(|error| one_line(&error)),
            Err(_) => Err(session.give_up(self.deadline)),
        }
    }

    fn add(&self, host: &str, session: &Arc<Session>) {
        self.pool.send_modify(|pool| {
            pool.sessions.retain(|session| session.is_open());
            pool.sessions.push(Arc::clone(session));
            pool.opened += 1;
            if (pool.opened == 1 || !pool.logged.is_empty()) && pool.is_new(CONNECTED) {
                info!("Connected to the database at {host}");
            }
        });
    }

    fn report(&self, (what, cause): (&str, String)) {
        self.pool.send_modify(|pool| {
            if pool.failed_at.elapsed() > self.deadline + QUIET {
                pool.logged.clear();
            }
            pool.failed_at = Instant::now();
            let text = format!("{what}: {cause}");
            if pool.is_new(&text) {
                warn!("{text}");
                pool.logged.remove(CONNECTED);
            }
            pool.cause = cause;
        });
    }
}

/// Between half and all of it, so that the replicas of a service do not come all at once.
fn with_jitter(pause: Duration) -> Duration {
    let random = u32::try_from(RandomState::new().hash_one(()) % 1000).expect("under 1000");
    pause / 2 + pause * random / 2000
}
