//! The rows of `store_contract::faults`: lookups of a store while a [`Scenario`] makes its server
//! fail. `cargo xtask faults` runs the same scenarios against the binary.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use accountservice_core::testing::store_contract::faults::{FAULTS, Fault, When};
use accountservice_core::{AccountId, AsyncAccountStore};
use accountservice_postgres_server::{Observed, Scenario};
use accountservice_store_postgres::{PostgresStore, Settings};

use crate::running::{Running, runtime};

const ACCOUNTS: u64 = 100;

/// What a lookup may take beyond the deadline on a machine whose processors are busy.
const SLACK: Duration = Duration::from_millis(250);

#[test]
fn a_store_outlives_what_happens_before_its_start() {
    let rows = FAULTS.iter().filter(|fault| fault.when == When::BeforeTheStart);
    rows.for_each(|fault| check(fault, false));
}

#[test]
fn a_store_outlives_what_happens_under_load() {
    let rows = FAULTS.iter().filter(|fault| fault.when == When::UnderLoad);
    rows.for_each(|fault| check(fault, false));
}

#[test]
fn a_store_behind_a_pooler_outlives_a_killed_server_and_killed_sessions() {
    Scenario::through_a_pooler().for_each(|fault| check(fault, true));
}

fn check(fault: &'static Fault, has_pooler: bool) {
    let Some(mut scenario) = Scenario::prepare(fault, has_pooler) else { return };
    let settings = Settings { accounts: ACCOUNTS, ..Settings::default() };
    let deadline = settings.deadline;
    let start = |url: &str| {
        let running = Running::start(url, settings);
        if fault.when == When::UnderLoad {
            running.wait_until_healthy();
        }
        let load = Load::start(&running);
        (running, load)
    };
    let ((running, load), end) = scenario.run(deadline, start, |(running, _)| {
        let asked_at = Instant::now();
        running.check().expect_err("the server is not there");
        let took = asked_at.elapsed();
        assert!(took < SLACK, "{}: a probe waits {took:?}", fault.name);
    });
    let lookups = load.stop();

    let of = |is_failure| lookups.iter().filter(move |it| it.cause.is_some() == is_failure);
    let causes: BTreeSet<_> = of(true).filter_map(|lookup| lookup.cause.clone()).collect();
    let observed = Observed {
        failures: of(true).count() as u64,
        longest: lookups.iter().map(|lookup| lookup.took).max().expect("lookups"),
        last_failure: of(true).map(|lookup| lookup.ended_at).max(),
        last_success: of(false).map(|lookup| lookup.ended_at).max(),
        warnings: running.log.warnings(),
    };
    let report = format!(
        "{}: of {} lookups {} failed {causes:#?}, {}, {:#?}",
        fault.name,
        lookups.len(),
        observed.failures,
        observed.report(&end),
        running.log.lines()
    );
    println!("{report}");
    let checked = observed.check(fault, &end, deadline + SLACK);
    checked.unwrap_or_else(|not_so| panic!("{not_so}: {report}"));
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
