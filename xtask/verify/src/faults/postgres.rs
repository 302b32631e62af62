//! The server of the shared store goes away, stands still, refuses or is slow: the service as it
//! ships for a database, over HTTP, against a real `PostgreSQL`, directly and through `PgBouncer`.
//!
//! The rows are those of `store_contract::faults`. The package of the test servers makes them happen,
//! for the store's own tests too, which see the store alone.

use std::process::Command;
use std::time::{Duration, Instant};

use accountservice_core::testing::store_contract::faults::{FAULTS, Fault as Row, When};
use accountservice_host::testing::eventually;
use accountservice_postgres_server::{Observed as Seen, Scenario};
use anyhow::{Context, Result, ensure};

use super::{FaultOfRow, Observed, Run, Skipped};
use crate::load::Reconnect;
use crate::pool::ClientPool;
use crate::requests::Requests;
use crate::service::{Service, command, get};

const LIVE: &str = "/health/live";
/// Without it, an outage is a flood of errors in the access log.
const PAUSE: Duration = Duration::from_millis(5);
/// The store's own, by default.
const DEADLINE: Duration = Duration::from_secs(2);
/// What a response may take beyond its deadline on a machine whose processors are busy.
const SLACK: Duration = Duration::from_millis(500);

pub(super) fn faults() -> impl Iterator<Item = FaultOfRow> {
    let rows = FAULTS.iter().map(|row| (row, false));
    let rows = rows.chain(Scenario::through_a_pooler().map(|row| (row, true)));
    rows.map(|(row, has_pooler)| -> FaultOfRow {
        let server = if has_pooler { "PgBouncer" } else { "PostgreSQL" };
        let fault = move |run: &Run| outlives(run, row, has_pooler);
        (format!("{server}: {}", row.name), Box::new(fault))
    })
}

fn outlives(run: &Run, row: &'static Row, has_pooler: bool) -> Observed {
    let missing = Skipped("PostgreSQL or PgBouncer is not installed");
    let mut scenario = Scenario::prepare(row, has_pooler).context(missing)?;
    let binary = run.artifacts.shared()?;
    run.does(format!("{}; 16 clients", scenario.description()));
    let folder = run.scratch.folder("postgres")?;
    let start =
        |url: &str| start(&mut command(binary, &folder, &[&format!("--database={url}")]), row.when);
    let (started, end) = scenario.run(DEADLINE, start, |started| {
        let Ok((service, ..)) = started else { return };
        let asked_at = Instant::now();
        assert_eq!(get(service.address, LIVE).unwrap().body(), r#"{"status":"Starting"}"#);
        assert!(asked_at.elapsed() < SLACK, "a probe waits {:?}", asked_at.elapsed());
    });
    let (mut service, lookups, liveness) = started?;
    let is_served = |path: &str| get(service.address, path).is_ok_and(|it| it.status() == 200);
    let is_back = is_served(LIVE) && is_served("/accounts/10099");
    let (counts, live) = (lookups.stop()?, liveness.stop()?);
    service.process.signal("TERM");
    let (status, errors) = service.process.wait();
    ensure!(status.success() && errors.is_empty(), "it ended with {status}: {errors}");
    let log = service.process.log();
    ensure!(!log.iter().any(|line| line.contains("secret")), "the log shows the password");
    let warnings = log.iter().filter_map(|line| Some(line.split_once(" WARN ")?.1.to_owned()));
    let seen = Seen {
        failures: counts.rejected,
        longest: counts.longest,
        last_failure: counts.last_rejected,
        last_success: is_back.then(Instant::now),
        warnings: warnings.collect(),
    };
    let (report, times) = (seen.report(&end), live.right);
    let figures = format!("{counts}; {report}; live at the end, and {times} times before");
    counts.no_errors()?;
    ensure!(live.errors() == 0, "not live {} times: {:?}", live.errors(), live.no_errors());
    seen.check(row, &end, DEADLINE + SLACK).with_context(|| figures.clone())?;
    Ok(figures)
}

/// The service, clients that ask for accounts, and clients that ask whether it is live. The latter
/// do so only if it has been live before.
fn start(command: &mut Command, when: When) -> Result<(Service, ClientPool, ClientPool)> {
    let service = Service::start(command)?;
    let address = service.address;
    let is_live = when == When::UnderLoad;
    if is_live {
        eventually("it is live", || get(address, LIVE).is_ok_and(|it| it.status() == 200));
    }
    let clients = |count, requests| {
        ClientPool::paced(address, count, requests, Reconnect::Always, Some(PAUSE))
    };
    let liveness = clients(if is_live { 4 } else { 0 }, Requests::Health(LIVE))?;
    Ok((service, clients(16, Requests::Accounts(100))?, liveness))
}
