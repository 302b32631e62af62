//! One row of `store_contract::faults`, made with real servers.
//!
//! A [`Scenario`] starts the servers of its row, begins the event and ends it. It has no clients:
//! the store's own tests ask a store meanwhile, `cargo xtask faults` asks the service over HTTP, and
//! [`Observed::check`] compares what their clients observed with the row.

use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use accountservice_core::testing::store_contract::faults::{
    Event, FAULTS, Fault, Meanwhile, RECOVERY, When,
};
use nix::sys::signal::Signal;

use crate::postgres::TableLock;
use crate::proxy::Proxy;
use crate::{PgBouncer, Postgres};

/// The sessions that one process may have while a table is locked: those in use, and those that it
/// gave up and that the server has not ended yet.
const MAX_SESSIONS: i64 = 6;

/// The servers of one row.
pub struct Scenario {
    fault: &'static Fault,
    pooler: Option<PgBouncer>,
    proxy: Proxy,
    lock: Option<TableLock>,
    server: Postgres,
}

/// The end of an event: from then on the server is back.
pub struct End {
    /// When the server was back.
    pub at: Instant,
    /// What a login took then. On a machine that is busy with something else, it may be a second.
    pub login: Duration,
    /// The longest time to the last failure, without a login.
    pub recovery: Duration,
}

/// What clients observed, from before the event until well after its end.
pub struct Observed {
    /// How many lookups failed.
    pub failures: u64,
    /// How long a lookup took at most.
    pub longest: Duration,
    /// When the last failure was received.
    pub last_failure: Option<Instant>,
    /// When the last success was received.
    pub last_success: Option<Instant>,
    /// The warnings in the log, without their times.
    pub warnings: Vec<String>,
}

/// What should have been so.
#[derive(Debug)]
pub struct NotSo(&'static str);

impl fmt::Display for NotSo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not so: {}", self.0)
    }
}

impl Error for NotSo {}

impl Scenario {
    /// The rows that are made through a pooler too: those in which it loses its sessions.
    pub fn through_a_pooler() -> impl Iterator<Item = &'static Fault> {
        FAULTS.iter().filter(|row| matches!(row.event, Event::Killed | Event::SessionsKilled))
    }

    /// Servers that run, or `None` where `PostgreSQL` or `PgBouncer` is not installed.
    pub fn prepare(fault: &'static Fault, has_pooler: bool) -> Option<Self> {
        let server = Postgres::start()?;
        let pooler = has_pooler.then(|| PgBouncer::start(&server));
        Some(Self { fault, pooler, proxy: Proxy::start(server.port), lock: None, server })
    }

    /// Runs the scenario. `start` starts clients, which ask until they are stopped. If the event
    /// happens before their start, `meanwhile` is called while it lasts. No lookup is to last longer
    /// than `deadline`.
    pub fn run<Clients>(
        &mut self,
        deadline: Duration,
        start: impl FnOnce(&str) -> Clients,
        meanwhile: impl FnOnce(&Clients),
    ) -> (Clients, End) {
        let url = self.url();
        let clients = if self.fault.when == When::BeforeTheStart {
            self.begin();
            let clients = start(&url);
            thread::sleep(Duration::from_millis(500));
            meanwhile(&clients);
            thread::sleep(deadline);
            clients
        } else {
            let clients = start(&url);
            thread::sleep(Duration::from_millis(300));
            self.begin();
            thread::sleep(match (self.fault.event, self.fault.meanwhile) {
                // Long enough to give up on several sessions.
                (Event::Locked, _) => deadline * 3,
                (_, Meanwhile::Fail) => deadline + RECOVERY,
                (_, Meanwhile::Succeed) => RECOVERY,
            });
            clients
        };
        self.end();
        let at = Instant::now();
        let login = self.server.time_of_a_login();
        let retry = self.pooler.as_ref().map_or(Duration::ZERO, |_| PgBouncer::SERVER_LOGIN_RETRY);
        let end = End { at, login, recovery: RECOVERY + retry };
        // A failure after the longest recovery must be seen.
        thread::sleep(end.recovery * 2);
        (clients, end)
    }

    /// What happens, and when.
    pub fn description(&self) -> String {
        let event = match self.fault.event {
            Event::Killed => "SIGKILL to the server",
            Event::Frozen => "SIGSTOP to all processes of the server",
            Event::Refused => "its port refuses connections, and open ones are closed",
            Event::Slowed => "200 ms of delay in each direction",
            Event::SessionsKilled => "all sessions are terminated, ten times in a second",
            Event::Restarted => "SIGINT to the server (fast shutdown), and a new start",
            Event::Locked => "LOCK TABLE accounts by another session",
            Event::Full => "CONNECTION LIMIT 0, and one session is terminated",
            Event::ReadOnly => "a new start with default_transaction_read_only=on",
            Event::WrongPassword => "another password",
            Event::NoDatabase => "DROP DATABASE",
            Event::NoPermission => "the database belongs to another user",
        };
        let when = match self.fault.when {
            When::BeforeTheStart => "before the start",
            When::UnderLoad => "under load",
        };
        let pooler = if self.pooler.is_some() { ", behind PgBouncer" } else { "" };
        format!("{event}, {when}{pooler}")
    }

    fn url(&self) -> String {
        match (&self.pooler, self.fault.event) {
            (Some(pooler), _) => pooler.url("?prepared_statements=false"),
            (None, Event::Refused | Event::Slowed) => self.proxy.url(),
            (None, _) => self.server.url(""),
        }
    }

    fn execute(&self, sql: &str) {
        self.server.query("postgres", sql);
    }

    fn begin(&mut self) {
        match self.fault.event {
            Event::Killed => self.server.end(Signal::SIGKILL),
            Event::Frozen => self.server.signal_all(Signal::SIGSTOP),
            Event::Refused => self.proxy.close(),
            Event::Slowed => self.proxy.slow_down(Duration::from_millis(200)),
            Event::SessionsKilled => {
                for _ in 0..10 {
                    self.terminate("");
                    thread::sleep(Duration::from_millis(100));
                }
            }
            Event::Restarted | Event::ReadOnly => self.server.end(Signal::SIGINT),
            Event::Locked => self.lock = Some(self.server.lock_accounts()),
            Event::Full => {
                self.execute("ALTER ROLE app CONNECTION LIMIT 0");
                self.terminate("LIMIT 1");
            }
            Event::WrongPassword => self.execute("ALTER ROLE app PASSWORD 'another'"),
            Event::NoDatabase => self.execute("DROP DATABASE accounts"),
            Event::NoPermission => self.execute("ALTER DATABASE accounts OWNER TO postgres"),
        }
    }

    /// The server is back when this returns.
    fn end(&mut self) {
        match self.fault.event {
            Event::Killed | Event::Restarted => self.server.run(&[]),
            Event::ReadOnly => self.server.run(&["default_transaction_read_only=on"]),
            Event::Frozen => self.server.signal_all(Signal::SIGCONT),
            Event::Refused => self.proxy.open(),
            Event::Slowed => self.proxy.slow_down(Duration::ZERO),
            Event::SessionsKilled => {}
            Event::Locked => {
                let sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'";
                let sessions = self.server.number(sessions);
                assert!(sessions <= MAX_SESSIONS, "{sessions} sessions wait for the lock");
                self.lock = None;
            }
            Event::Full => self.execute("ALTER ROLE app CONNECTION LIMIT -1"),
            Event::WrongPassword => self.execute("ALTER ROLE app PASSWORD 'secret'"),
            Event::NoDatabase => self.execute("CREATE DATABASE accounts OWNER app"),
            Event::NoPermission => self.execute("ALTER DATABASE accounts OWNER TO app"),
        }
    }

    /// Terminates the sessions of the clients, or as many as `limit` says.
    fn terminate(&self, limit: &str) {
        let sessions = "FROM pg_stat_activity WHERE usename = 'app'";
        self.execute(&format!("SELECT pg_terminate_backend(pid) {sessions} {limit}"));
    }
}

impl Observed {
    /// The figures, on one line.
    pub fn report(&self, end: &End) -> String {
        let recovery = match self.failures {
            0 => "no lookup failed".to_owned(),
            _ => format!(
                "the last failure came {} ms after the server was back, when a login took {} ms",
                self.recovery(end).as_millis(),
                end.login.as_millis()
            ),
        };
        let (longest, causes) = (self.longest.as_millis(), self.warnings.len());
        format!("the longest lookup took {longest} ms; {recovery}; {causes} causes in the log")
    }

    /// The time from the end of the event to the last failure.
    fn recovery(&self, end: &End) -> Duration {
        self.last_failure.map_or(Duration::ZERO, |last| last.saturating_duration_since(end.at))
    }

    /// Compares this with the row. No lookup may have taken `latest` or longer.
    pub fn check(&self, fault: &Fault, end: &End, latest: Duration) -> Result<(), NotSo> {
        let all_succeed = fault.meanwhile == Meanwhile::Succeed;
        let mut known = HashSet::new();
        let expected = [
            (self.longest < latest, "each lookup ends before its deadline"),
            (self.recovery(end) < end.recovery + end.login, "lookups succeed soon afterwards"),
            (self.last_success > Some(end.at), "lookups succeed when the server is back"),
            ((self.failures == 0) == all_succeed, "lookups fail only if the server is away"),
            (all_succeed || !self.warnings.is_empty(), "the log has a cause"),
            (self.warnings.iter().all(|line| known.insert(line)), "a cause is logged once"),
            (!self.warnings.iter().any(|it| it.contains("secret")), "no line shows the password"),
        ];
        expected
            .into_iter()
            .try_for_each(|(holds, what)| if holds { Ok(()) } else { Err(NotSo(what)) })
    }
}
