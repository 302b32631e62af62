//! The start, from exec to the first 200 of `/health`, and the size of what is started.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};

use super::report::{Figure, Findings, Goal};
use super::rounds::median;
use super::{Bench, float};
use crate::service::{Service, command, get};

/// Starts of each kind.
const STARTS: usize = 20;
const MANY: u64 = 1_000_000;
/// In milliseconds.
const SOON_ENOUGH: Goal = Goal::AtMost(20.0);

pub(super) fn run(bench: &Bench) -> Result<Findings> {
    let (few, many) = (bench.database(100)?, bench.database(MANY)?);
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    eprintln!("  start: {STARTS} times each");
    for number in 0..STARTS {
        let fresh = bench.scratch.folder(format!("start-{number}"))?;
        times[0].push(start(bench, &fresh, 100)?);
        times[1].push(start(bench, &few, 100)?);
        times[2].push(start(bench, &many, MANY)?);
    }
    let names = ["fresh database", "existing database", "1,000,000 accounts"];
    let figures = names
        .into_iter()
        .zip(times)
        .map(|(name, times)| Figure::new(name, median(times), "ms").goal(SOON_ENOUGH));
    Ok(Findings { figures: figures.collect(), ..Findings::default() })
}

/// In milliseconds.
fn start(bench: &Bench, folder: &Path, accounts: u64) -> Result<f64> {
    let args = ["--metrics-port=0", &format!("--accounts={accounts}")];
    let mut command = command(&bench.artifacts.service, folder, &args);
    let start = Instant::now();
    let service = Service::start(&mut command)?;
    let response = get(service.address, "/health")?;
    let took = start.elapsed();
    ensure!(response.status() == 200, "{response:?}");
    service.process.stop();
    Ok(took.as_secs_f64() * 1e3)
}

/// In bytes. The image is made from scratch: the two binaries and an empty folder.
pub(super) fn size(bench: &Bench) -> Result<Findings> {
    let size = |path: &Path| Ok::<_, anyhow::Error>(float(fs::metadata(path)?.len()));
    let (service, probe) = (size(&bench.artifacts.service)?, size(&bench.artifacts.probe)?);
    let bytes =
        |name: &str, value, most| Figure::new(name, value, "bytes").goal(Goal::AtMost(most));
    let figures = vec![
        bytes("accountservice", service, 2_800_000.0),
        bytes("healthchecker", probe, 450_000.0),
        bytes("image: both, and an empty folder", service + probe, 3_500_000.0),
    ];
    Ok(Findings { figures, ..Findings::default() })
}
