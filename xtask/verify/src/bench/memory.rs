//! Memory: at rest, for each idle connection, and after millions of requests. Figures are the
//! resident set as `/proc` shows it, whose kB are KiB.

use accountservice_host::testing::Client;
use anyhow::{Result, ensure};
use http::Method;

use super::report::{Figure, Findings, Goal};
use super::server::Server;
use super::{Bench, float};
use crate::load::{LoadGenerator, Reconnect, latencies};
use crate::requests::Requests;
use crate::service::SOON;

const PART: &str = "memory";
/// 6 MB.
const REST: Goal = Goal::AtMost(5_859.0);
/// As many as the service takes by default.
const IDLE: u32 = 10_000;
/// 20 KB.
const EACH: Goal = Goal::AtMost(19.5);
/// An allocator is never quite still.
const GROWTH: Goal = Goal::AtMost(1_024.0);

pub(super) fn run(bench: &Bench) -> Result<Findings> {
    let kib = |name: &str, value| Figure::new(name, value, "KiB");
    let folder = bench.scratch.folder(PART)?;
    let start = || Server::ours(&bench.artifacts.service, &folder, &[]);
    let server = start()?;
    let fresh = server.memory_at_rest()?;
    server.service.process.stop();
    let server = start()?;
    let existing = server.memory_at_rest()?;
    let mut figures = vec![
        kib("at rest, fresh database", fresh).goal(REST),
        kib("at rest, existing database", existing).goal(REST),
    ];

    eprintln!("  {PART}: {IDLE} idle connections");
    let mut clients = Vec::new();
    for _ in 0..IDLE {
        let mut client = Client::try_connect(server.service.address, SOON)?;
        let response = client.try_request(&Method::GET, "/accounts/10042")?;
        ensure!(response.status() == 200, "connection {}: {response:?}", clients.len());
        clients.push(client);
    }
    let each = (server.memory_at_rest()? - existing) / f64::from(IDLE);
    figures.push(kib("each of 10,000 idle connections", each).goal(EACH));
    let open = server.service.usage()?.descriptors;
    ensure!(open >= clients.len(), "only {open} descriptors are open: connections were closed");
    drop(clients);
    figures.push(kib("after they have gone", server.memory_at_rest()?));

    // What the first of each kind leaves behind is not growth.
    send(bench, &server, 1)?;
    let before = server.memory_at_rest()?;
    let count = send(bench, &server, if bench.args.long { 50_000_000 } else { 3_000_000 })?;
    let after = server.memory_at_rest()?;
    figures.push(Figure::new("requests", float(count), "requests"));
    figures.push(kib("growth after these requests", after - before).goal(GROWTH));
    Ok(Findings { figures, ..Findings::default() })
}

/// Sends at least this many requests, with few and with many connections in turn.
fn send(bench: &Bench, server: &Server, least: u64) -> Result<u64> {
    eprintln!("  {PART}: {least} requests or some more");
    let mut count = 0;
    while count < least {
        for connections in [64, 512] {
            let (address, requests) = (server.service.address, Requests::OneAccount);
            let mut load = LoadGenerator::new(address, connections, requests, Reconnect::Never)?;
            let (counts, _) = load.run_for(bench.args.seconds, &mut latencies())?;
            counts.no_errors()?;
            count += counts.right;
        }
    }
    Ok(count)
}
