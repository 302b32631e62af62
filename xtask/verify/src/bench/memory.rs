//! Memory: at rest, for each connection that rests, and after millions of requests. Figures are the
//! resident set as `/proc` shows it, whose kB are KiB.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::load::{Load, Shape};
use super::report::{Figure, Goal};
use super::server::Server;
use super::throughput::MODES;
use super::{Bench, Findings, float};
use crate::load::Client;

const PART: &str = "memory";
/// 3 MB, in the unit that `/proc` has.
const REST: Goal = Goal::AtMost(3_000.0);
/// As many as the service takes by default.
const IDLE: u32 = 10_000;
const EACH: Goal = Goal::AtMost(6.0);
/// An allocator never quite stands still.
const GROWTH: Goal = Goal::AtMost(100.0);

pub(super) fn run(bench: &Bench) -> Result<Findings> {
    let kib = |name: &str, value| Figure::new(PART, name, value, "KiB");
    let start = |folder| Server::ours(&bench.artifacts.service, folder, &[], &bench.cores.0);
    let folder = bench.folder(PART)?;
    let server = start(&folder)?;
    let fresh = float(server.memory_at_rest()?);
    server.stop()?;
    let server = start(&folder)?;
    let existing = float(server.memory_at_rest()?);
    let mut figures = vec![
        kib("at rest, fresh database", fresh).goal(REST),
        kib("at rest, existing database", existing).goal(REST),
    ];

    eprintln!("  {PART}: {IDLE} connections that rest");
    let mut clients = Vec::new();
    for _ in 0..IDLE {
        let mut client = Client::connect(server.at)?;
        let reply = client.ask("/accounts/10042")?;
        ensure!(reply.status == 200, "connection {} is answered: {}", clients.len(), reply.text);
        clients.push(client);
    }
    let each = |memory| (float(memory) - existing) / f64::from(IDLE);
    figures.push(kib("each of 10,000 connections, just answered", each(server.memory()?)));
    thread::sleep(Duration::from_secs(5));
    let rested = kib("each of 10,000 connections, idle for 5 s", each(server.memory()?));
    figures.push(rested.goal(EACH));
    let open = server.process.descriptors()?;
    ensure!(open >= clients.len(), "only {open} descriptors are open: connections were closed");
    drop(clients);
    figures.push(kib("after they have gone", float(server.memory_at_rest()?)));

    // What the first of each kind leaves behind is not growth.
    requests(bench, &server, 1)?;
    let before = float(server.memory_at_rest()?);
    let count = requests(bench, &server, if bench.long { 50_000_000 } else { 3_000_000 })?;
    let after = float(server.memory_at_rest()?);
    figures.push(kib("before requests", before));
    figures.push(kib("after them", after));
    figures.push(Figure::new(PART, "requests in between", float(count), "requests"));
    figures.push(kib("growth", after - before).goal(GROWTH));
    Ok(Findings { rows: Vec::new(), figures })
}

/// At least so many, in all modes in turn, on new connections each time.
fn requests(bench: &Bench, server: &Server, least: u64) -> Result<u64> {
    eprintln!("  {PART}: {least} requests or some more");
    let mut count = 0;
    while count < least {
        for (mode, connections, depth) in MODES {
            let answers =
                Load::connect(server.at, Shape::new(connections, depth))?.run(bench.time)?;
            let (wrong, lost) = (answers.wrong, answers.lost);
            ensure!(wrong + lost == 0, "{mode}: {wrong} wrong and {lost} lost answers");
            count += answers.requests;
        }
    }
    Ok(count)
}
