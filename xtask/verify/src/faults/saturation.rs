//! More clients than the service can serve comfortably, and more than may connect: does `/health`
//! still answer, and is every request answered?

use std::time::{Duration, Instant};

use accountservice_host::testing::Client;
use anyhow::{Context, ensure};

use super::limits::serves_again;
use super::{Fault, Observed, Run};
use crate::load::Reconnect;
use crate::pool::{ClientPool, per_second};
use crate::service::AT_THE_LIMIT;

pub(super) const FAULTS: [Fault; 3] = [
    ("Health under saturation", saturated),
    ("Health above the connection limit", above_the_limit),
    ("SIGTERM under load", terminated),
];

fn saturated(run: &Run) -> Observed {
    let (clients, slow) = (run.count(2_000, 9_000), run.count(200, 400));
    let probes = run.count(100, 500);
    run.does(format!(
        "default limits; {clients} keep-alive clients at full speed, {slow} that send half a \
         head, {slow} silent ones; {probes} probes at the default deadline"
    ));
    let service = run.serve("saturated", &[])?;
    let pool = ClientPool::start(service.address, clients, Reconnect::Always)?;
    pool.wait_for(2 * clients);
    let mut slow_clients = Vec::new();
    for number in 0..2 * slow {
        let mut client = Client::connect(service.address);
        client.send(if number % 2 == 0 { "GET /hea" } else { "" });
        slow_clients.push(client);
    }
    let (start, before) = (Instant::now(), pool.counts().right);
    let open = service.usage()?.descriptors;
    let health = run.probes(service.address, probes);
    let rate = per_second(pool.counts().right - before, start.elapsed());
    drop(slow_clients);
    let counts = pool.stop()?;
    let figures = format!("{open} descriptors open, {rate} requests/s");
    let health = health.with_context(|| figures.clone())?;
    counts.no_errors().with_context(|| figures.clone())?;
    ensure!(open > clients, "{figures}: fewer than {clients} clients were connected");
    Ok(format!("{figures}, none lost or wrong; {health}"))
}

fn above_the_limit(run: &Run) -> Observed {
    let (clients, probes) = (run.count(2_000, 9_000), run.count(100, 500));
    run.does(format!(
        "--max-connections 200, {clients} clients that come back at once when they are rejected; \
         {probes} probes at the default deadline"
    ));
    let mut service = run.serve("above", &["--max-connections=200"])?;
    let start = Instant::now();
    let pool = ClientPool::start(service.address, clients, Reconnect::Always)?;
    service.entry(AT_THE_LIMIT)?;
    pool.wait_for(2 * 200);
    let health = run.probes(service.address, probes);
    let counts = pool.stop()?;
    let figures = format!("in {:.0} s {counts}", start.elapsed().as_secs_f64());
    let health = health.with_context(|| figures.clone())?;
    let is_right = counts.right > 0 && counts.rejected > 0 && counts.wrong == 0;
    ensure!(is_right, "{figures}: {:?}", counts.no_errors());
    let back = serves_again(&service);
    Ok(format!("{figures}; {health}; serves {back} after they left"))
}

fn terminated(run: &Run) -> Observed {
    let rounds = run.count(5, 30);
    run.does(format!(
        "{rounds} times SIGTERM with 200 keep-alive clients at full speed; they leave when told to"
    ));
    let (mut slowest, mut responses) = (Duration::ZERO, 0);
    for round in 0..rounds {
        let service = run.serve(format!("terminated-{round}"), &[])?;
        let pool = ClientPool::start(service.address, 200, Reconnect::Never)?;
        pool.wait_for(10_000);
        let start = Instant::now();
        service.process.stop();
        slowest = slowest.max(start.elapsed());
        pool.wait_for_end();
        let counts = pool.stop()?;
        counts.no_errors()?;
        ensure!(counts.rejected == 0, "{} requests were rejected", counts.rejected);
        ensure!(counts.connections == 200, "{} connections", counts.connections);
        responses += counts.right;
    }
    let slowest = slowest.as_millis();
    Ok(format!("{responses} requests, all answered; exit status 0 after at most {slowest} ms"))
}
