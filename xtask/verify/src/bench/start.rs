//! The start, from the making of the process to the first 200 of `/health`, and what is started: the
//! size of the binaries.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::report::{Figure, Goal};
use super::server::{free_address, service, stop};
use super::statistics::median;
use super::{Bench, Findings, float};
use crate::faults::process::{Process, SOON};
use crate::load::Client;

/// Starts of each kind.
const STARTS: usize = 20;
/// Between two tries to connect.
const TRY: Duration = Duration::from_micros(50);
const MANY: u64 = 1_000_000;
/// What the start with many accounts may take longer than that with few and still count as the same.
const SAME: f64 = 1.1;

pub(super) fn run(bench: &Bench) -> Result<Findings> {
    let (few, many) = (bench.database(100)?, bench.database(MANY)?);
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    eprintln!("  start: {STARTS} times each");
    for number in 0..STARTS {
        let fresh = bench.folder(&format!("start-{number}"))?;
        times[0].push(start(bench, &fresh, 100)?);
        times[1].push(start(bench, &few, 100)?);
        times[2].push(start(bench, &many, MANY)?);
    }
    let [fresh, existing, large] = times.map(|times| median(&times));
    let ms = |name: &str, value| Figure::new("start", name, value, "ms");
    let figures = vec![
        ms("fresh database", fresh).goal(Goal::AtMost(8.0)),
        ms("existing database", existing).goal(Goal::AtMost(5.0)),
        ms("1,000,000 accounts (goal: as existing, 10 % more at most)", large)
            .goal(Goal::AtMost(SAME * existing)),
    ];
    Ok(Findings { rows: Vec::new(), figures })
}

/// In milliseconds.
fn start(bench: &Bench, folder: &Path, accounts: u64) -> Result<f64> {
    let at = free_address()?;
    let (port, accounts) = (format!("--port={}", at.port()), format!("--accounts={accounts}"));
    let mut command = service(Command::new(&bench.artifacts.service), folder, &[&port, &accounts]);
    let start = Instant::now();
    let process = Process::start(&mut command)?;
    while !is_healthy(at)? {
        ensure!(start.elapsed() < SOON, "it does not become healthy: {:?}", process.said);
        thread::sleep(TRY);
    }
    let took = start.elapsed();
    stop(process)?;
    Ok(took.as_secs_f64() * 1e3)
}

/// Whoever is not there yet is not healthy; whoever answers something else never will be.
fn is_healthy(at: SocketAddr) -> Result<bool> {
    let Ok(mut client) = Client::connect(at) else { return Ok(false) };
    let reply = client.ask("/health")?;
    ensure!(reply.status == 200, "{}", reply.text);
    Ok(true)
}

/// In bytes. The image is made from scratch: the two binaries and an empty folder.
pub(super) fn size(bench: &Bench) -> Result<Findings> {
    let size = |path: &Path| Ok::<_, anyhow::Error>(float(fs::metadata(path)?.len()));
    let (service, probe) = (size(&bench.artifacts.service)?, size(&bench.artifacts.probe)?);
    let bytes = |name: &str, value, goal| {
        Figure::new("size", name, value, "bytes").goal(Goal::AtMost(goal))
    };
    let figures = vec![
        bytes("accountservice", service, 2_800_000.0),
        bytes("healthchecker", probe, 450_000.0),
        bytes("image: both, and an empty folder", service + probe, 3_500_000.0),
    ];
    Ok(Findings { rows: Vec::new(), figures })
}
