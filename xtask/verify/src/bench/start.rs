//! The start, from exec to the first 200 of `/health`, and the size of what is started.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use accountservice_host::testing::{Client, Process};
use anyhow::{Result, ensure};
use http::Method;

use super::report::{Figure, Findings, Goal};
use super::rounds::median;
use super::{Bench, float};
use crate::service::{SOON, command, free_address};

/// Starts of each kind.
const STARTS: usize = 20;
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_micros(50);
const MANY: u64 = 1_000_000;
/// In milliseconds.
const SOON_ENOUGH: Goal = Goal::AtMost(20.0);

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
    let names = ["fresh database", "existing database", "1,000,000 accounts"];
    let figures = names
        .into_iter()
        .zip(times)
        .map(|(name, times)| Figure::new("start", name, median(times), "ms").goal(SOON_ENOUGH));
    Ok(Findings { rows: Vec::new(), figures: figures.collect() })
}

/// In milliseconds.
fn start(bench: &Bench, folder: &Path, accounts: u64) -> Result<f64> {
    let address = free_address()?;
    let (port, accounts) = (format!("--port={}", address.port()), format!("--accounts={accounts}"));
    let args = ["--metrics-port=0", &port, &accounts];
    let mut command = command(&bench.artifacts.service, folder, &args);
    let start = Instant::now();
    let process = Process::spawn(&mut command)?;
    let mut client = loop {
        if let Ok(client) = Client::try_connect(address, SOON) {
            break client;
        }
        ensure!(start.elapsed() < SOON, "it does not listen");
        thread::sleep(PAUSE);
    };
    let response = client.try_request(&Method::GET, "/health")?;
    let took = start.elapsed();
    ensure!(response.status() == 200, "{response:?}");
    process.stop();
    Ok(took.as_secs_f64() * 1e3)
}

/// In bytes. The image is made from scratch: the two binaries and an empty folder.
pub(super) fn size(bench: &Bench) -> Result<Findings> {
    let size = |path: &Path| Ok::<_, anyhow::Error>(float(fs::metadata(path)?.len()));
    let (service, probe) = (size(&bench.artifacts.service)?, size(&bench.artifacts.probe)?);
    let bytes = |name: &str, value, most| {
        Figure::new("size", name, value, "bytes").goal(Goal::AtMost(most))
    };
    let figures = vec![
        bytes("accountservice", service, 2_800_000.0),
        bytes("healthchecker", probe, 450_000.0),
        bytes("image: both, and an empty folder", service + probe, 3_500_000.0),
    ];
    Ok(Findings { rows: Vec::new(), figures })
}
