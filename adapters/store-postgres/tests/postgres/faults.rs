//! The rows of `store_contract::faults`, made with a real server.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use accountservice_core::testing::store_contract::faults::{
    Event, FAULTS, Fault, Meanwhile, RECOVERY, When,
};
use accountservice_core::{AccountId, AsyncAccountStore};
use accountservice_store_postgres::{PostgresStore, Settings};
use nix::sys::signal::Signal;

use crate::client::{ask, time_of_a_login};
use crate::proxy::Proxy;
use crate::running::{Running, runtime};
use accountservice_postgres_server::{PgBouncer, Postgres};

const ACCOUNTS: u64 = 100;

/// What a lookup may take beyond the deadline on a machine whose processors are busy.
const SLACK: Duration = Duration::from_millis(250);

#[test]
fn a_store_outlives_what_happens_before_its_start() {
    check(When::BeforeTheStart);
}

#[test]
fn a_store_outlives_what_happens_under_load() {
    check(When::UnderLoad);
}

#[test]
fn a_store_behind_a_pooler_outlives_a_killed_server_and_killed_sessions() {
    let is_row = |fault: &&Fault| matches!(fault.event, Event::Killed | Event::SessionsKilled);
    for fault in FAULTS.iter().filter(is_row) {
        let Some(mut server) = Postgres::start() else { return };
        let mut proxy = Proxy::start(server.port);
        let pooler = PgBouncer::start(&server);
        let url = pooler.url("?prepared_statements=false");
        check_row(fault, &url, RECOVERY + PgBouncer::SERVER_LOGIN_RETRY, &mut server, &mut proxy);
    }
}

fn check(when: When) {
    for fault in FAULTS.iter().filter(|fault| fault.when == when) {
        let Some(mut server) = Postgres::start() else { return };
        let mut proxy = Proxy::start(server.port);
        let is_network = matches!(fault.event, Event::Refused | Event::Slowed);
        let url = if is_network { proxy.url() } else { server.url("") };
        check_row(fault, &url, RECOVERY, &mut server, &mut proxy);
    }
}

fn check_row(
    fault: &Fault,
    url: &str,
    longest_recovery: Duration,
    server: &mut Postgres,
    proxy: &mut Proxy,
) {
    let settings = Settings { accounts: ACCOUNTS, ..Settings::default() };
    let deadline = settings.deadline;
    let (running, load, back) = if fault.when == When::BeforeTheStart {
        begin(fault.event, server, proxy);
        let running = Running::start(url, settings);
        let load = Load::start(&running);
        thread::sleep(Duration::from_millis(500));
        let asked = Instant::now();
        running.check().expect_err("the server is not there");
        assert!(asked.elapsed() < SLACK, "{}: a probe waits {:?}", fault.name, asked.elapsed());
        thread::sleep(deadline);
        end(fault.event, server, proxy);
        (running, load, Instant::now())
    } else {
        let running = Running::start(url, settings);
        running.wait_until_healthy();
        let load = Load::start(&running);
        thread::sleep(Duration::from_millis(300));
        begin(fault.event, server, proxy);
        let lasts = if fault.meanwhile == Meanwhile::Fail { deadline + RECOVERY } else { RECOVERY };
        thread::sleep(lasts);
        end(fault.event, server, proxy);
        (running, load, Instant::now())
    };
    // On a machine that is busy with something else, a login alone may take a second.
    let login = time_of_a_login(server);
    thread::sleep(longest_recovery * 2);
    let lookups = load.stop();

    let failures: Vec<_> = lookups.iter().filter(|lookup| lookup.cause.is_some()).collect();
    let longest = lookups.iter().map(|lookup| lookup.took).max().expect("lookups");
    let last = failures.iter().map(|lookup| lookup.ended_at).max();
    let recovery = last.map_or(Duration::ZERO, |last| last.saturating_duration_since(back));
    let causes: BTreeSet<_> = failures.iter().filter_map(|lookup| lookup.cause.clone()).collect();
    let report = format!(
        "{}: {} lookups, {} failed {causes:#?}, the longest took {longest:?}, recovery {recovery:?}, \
         a login {login:?}, \
         {:#?}",
        fault.name,
        lookups.len(),
        failures.len(),
        running.log.lines()
    );
    println!("{report}");
    assert!(longest < deadline + SLACK, "{report}");
    assert!(recovery < longest_recovery + login, "{report}");
    assert!(
        lookups.iter().any(|lookup| lookup.cause.is_none() && lookup.ended_at > back),
        "{report}"
    );
    assert_eq!(failures.is_empty(), fault.meanwhile == Meanwhile::Succeed, "{report}");
    let warnings = running.log.warnings();
    assert!(fault.meanwhile == Meanwhile::Succeed || !warnings.is_empty(), "{report}");
    for warning in &warnings {
        let same = warnings.iter().filter(|other| *other == warning).count();
        assert_eq!(same, 1, "logged more than once: {report}");
        assert!(!warning.contains("secret"), "{report}");
    }
}

/// Makes a fault happen.
fn begin(event: Event, server: &mut Postgres, proxy: &mut Proxy) {
    let execute = |sql| _ = server.query("postgres", sql);
    match event {
        Event::Killed => server.end(Signal::SIGKILL),
        Event::Frozen => server.signal_all(Signal::SIGSTOP),
        Event::Refused => proxy.close(),
        Event::Slowed => proxy.slow_down(Duration::from_millis(200)),
        Event::SessionsKilled => {
            for _ in 0..10 {
                execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'",
                );
                thread::sleep(Duration::from_millis(100));
            }
        }
        Event::Restarted | Event::ReadOnly => server.end(Signal::SIGINT),
        Event::Locked => {
            ask(server, async |client| {
                client.batch_execute("BEGIN; LOCK TABLE accounts").await?;
                tokio::time::sleep(Duration::from_secs(6)).await;
                let count = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'";
                let count: i64 = client.query_one(count, &[]).await?.get(0);
                assert!(count <= 6, "{count} sessions wait for the lock");
                client.batch_execute("COMMIT").await
            });
        }
        Event::Full => {
            execute("ALTER ROLE app CONNECTION LIMIT 0");
            execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE usename = 'app' LIMIT 1",
            );
        }
        Event::WrongPassword => execute("ALTER ROLE app PASSWORD 'another'"),
        Event::NoDatabase => execute("DROP DATABASE accounts"),
        Event::NoPermission => execute("ALTER DATABASE accounts OWNER TO postgres"),
    }
}

/// Ends it; the server is back when this returns.
fn end(event: Event, server: &mut Postgres, proxy: &mut Proxy) {
    let execute = |sql| _ = server.query("postgres", sql);
    match event {
        Event::Killed | Event::Restarted => server.run(&[]),
        Event::ReadOnly => server.run(&["default_transaction_read_only=on"]),
        Event::Frozen => server.signal_all(Signal::SIGCONT),
        Event::Refused => proxy.open(),
        Event::Slowed => proxy.slow_down(Duration::ZERO),
        Event::SessionsKilled | Event::Locked => {}
        Event::Full => execute("ALTER ROLE app CONNECTION LIMIT -1"),
        Event::WrongPassword => execute("ALTER ROLE app PASSWORD 'secret'"),
        Event::NoDatabase => execute("CREATE DATABASE accounts OWNER app"),
        Event::NoPermission => execute("ALTER DATABASE accounts OWNER TO app"),
    }
}

/// Lookups from two threads, eight at once on each.
struct Load {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Lookup>>>,
}

struct Lookup {
    ended_at: Instant,
    took: Duration,
    cause: Option<String>,
}

impl Load {
    fn start(running: &Running) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = |_| {
            let (store, is_over) = (Arc::clone(&running.store), Arc::clone(&is_over));
            let log = running.log.clone();
            thread::spawn(move || {
                let _log = log.collect();
                runtime().block_on(lookups(&store, &is_over))
            })
        };
        let threads = (0..2).map(thread).collect();
        Self { is_over, threads }
    }

    fn stop(self) -> Vec<Lookup> {
        self.is_over.store(true, Ordering::Release);
        let lookups =
            self.threads.into_iter().map(|thread| thread.join().expect("no wrong answer"));
        lookups.flatten().collect()
    }
}

async fn lookups(store: &Arc<PostgresStore>, is_over: &Arc<AtomicBool>) -> Vec<Lookup> {
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..8 {
        let (store, is_over) = (Arc::clone(store), Arc::clone(is_over));
        clients.spawn(async move {
            let mut lookups = Vec::new();
            for i in (0..ACCOUNTS).cycle().skip(client * 13) {
                if is_over.load(Ordering::Acquire) {
                    break;
                }
                let lookup = lookup(&store, i).await;
                let pause = if lookup.cause.is_some() { 10 } else { 1 };
                lookups.push(lookup);
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            lookups
        });
    }
    clients.join_all().await.into_iter().flatten().collect()
}

async fn lookup(store: &PostgresStore, i: u64) -> Lookup {
    let id = AccountId::new((10_000 + i).to_string()).expect("5 bytes");
    let asked_at = Instant::now();
    let found = store.find(&id).await;
    let ended_at = Instant::now();
    let cause = match found {
        Ok(found) => {
            let account = found.expect("an account that is there is found");
            assert_eq!((account.id, &*account.name), (id, &*format!("Person_{i}")));
            None
        }
        Err(error) => Some(std::error::Error::source(&error).expect("a cause").to_string()),
    };
    Lookup { ended_at, took: ended_at - asked_at, cause }
}
