//! `soak`: the service as `deploy` runs it, at load for long. A leak shows as memory or descriptors that
//! grow; the memory limit of the container turns it into a restart. Needs an engine on this machine.

use std::fs;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::deployment::Deployment;
use crate::docker::{Container, addresses};
use crate::load::Reconnect;
use crate::pool::{ClientPool, per_second};
use crate::service::{SOON, get};
use crate::usage::Usage;

const NAME: &str = "accountservice-soak";
const METRICS_PORT: u16 = 6768;
const CLIENTS: usize = 200;
/// Of a client, before it opens a new connection.
const RESPONSES: u64 = 3_000;
/// What memory may grow by from the second quarter to the last, in KiB: an allocator is never still.
const TOLERANCE: u64 = 1 << 10;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long, 1 or more
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let deployment = Deployment::prepare(NAME, None)?;
    let changes = format!("environment.ACCOUNTSERVICE_METRICS_PORT = \"{METRICS_PORT}\"");
    deployment.run_inside(&["deploy"], &changes, 0)?;
    let container = Container::only(NAME)?;
    let process = container.state.pid;
    let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    ensure!(name.trim() == "accountservice", "the engine must be on this machine");
    let (_, address) = addresses(NAME)?.pop().context("the container has no address")?;

    let time = Duration::from_secs(60 * args.minutes);
    eprintln!("Soaking for {} min: {CLIENTS} keep-alive clients and new ones.", args.minutes);
    let pool = ClientPool::start(address, CLIENTS, Reconnect::After(RESPONSES))?;
    let every = Duration::from_secs(if args.minutes < 5 { 2 } else { 10 });
    let (start, mut samples, mut most, mut before) = (Instant::now(), Vec::new(), 0, 0);
    while start.elapsed() < time {
        thread::sleep(every);
        let (sample, counts) = (Usage::of(process)?, pool.counts());
        eprintln!(
            "  {:>4} s  {:>6} KiB  {:>4} descriptors  {:>6} requests/s  {} errors",
            start.elapsed().as_secs(),
            sample.memory,
            sample.descriptors,
            per_second(counts.right - before, every),
            counts.lost + counts.wrong + counts.rejected
        );
        before = counts.right;
        samples.push(sample.memory);
        most = most.max(sample.descriptors);
    }
    let took = start.elapsed();
    let metrics = get((address.ip(), METRICS_PORT).into(), "/metrics");
    let counts = pool.stop()?;
    let mut failures: Vec<_> = memory_growth(&samples).into_iter().collect();
    failures.extend(descriptor_leak(process, most)?);
    println!(
        "{} requests in {} s, {}/s, over {} connections; {} lost, {} wrong, {} rejected",
        counts.right,
        took.as_secs(),
        per_second(counts.right, took),
        counts.connections,
        counts.lost,
        counts.wrong,
        counts.rejected
    );
    failures.extend(counts.no_errors().err().map(|error| error.to_string()));
    let after = Container::only(NAME)?;
    let health = &after.state.health;
    println!("container: {}, {} failed probes in a row", health.status, health.failing_streak);
    let checks = [
        (counts.rejected == 0, "requests were rejected"),
        (health.failing_streak == 0, "the last probe failed"),
        (after.id == container.id && after.state.pid == process, "the container was replaced"),
        (metrics.is_ok_and(|metrics| metrics.status() == 200), "/metrics does not answer"),
    ];
    failures.extend(checks.iter().filter(|(holds, _)| !holds).map(|(_, what)| (*what).to_owned()));
    for failure in &failures {
        println!("FAIL: {failure}");
    }
    if failures.is_empty() {
        println!("pass: memory flat, no error, no descriptor leaked, the container healthy");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

/// Why memory, in KiB, does not count as flat.
fn memory_growth(samples: &[u64]) -> Option<String> {
    let quarter = samples.len() / 4;
    let median = |samples: &[u64]| {
        let mut samples = samples.to_vec();
        samples.sort_unstable();
        samples.get(samples.len() / 2).copied().unwrap_or_default()
    };
    let second = median(&samples[quarter..2 * quarter]);
    let last = median(&samples[samples.len() - quarter..]);
    println!("memory: median of the second quarter {second} KiB, of the last {last} KiB");
    (last > second + TOLERANCE).then(|| format!("memory grew by {} KiB", last - second))
}

/// Each client takes a descriptor of the service; without clients they must be closed soon.
fn descriptor_leak(process: u32, most: usize) -> Result<Option<String>> {
    let allowed = most.saturating_sub(CLIENTS / 2);
    let closed = || Usage::of(process).is_ok_and(|usage| usage.descriptors <= allowed);
    let start = Instant::now();
    while !closed() && start.elapsed() < SOON {
        thread::sleep(Duration::from_millis(50));
    }
    let left = Usage::of(process)?.descriptors;
    println!("descriptors: {most} at most, {left} after the clients had left");
    Ok((left > allowed).then(|| format!("of {most} descriptors {left} are left without clients")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(memory: impl Fn(u64) -> u64) -> Vec<u64> {
        (0..100).map(memory).collect()
    }

    #[test]
    fn memory_that_settles_is_flat_and_memory_that_grows_is_not() {
        assert_eq!(memory_growth(&samples(|i| if i < 20 { 100 * i } else { 2_000 })), None);
        let growth = memory_growth(&samples(|i| 100 * i));
        assert_eq!(growth.as_deref(), Some("memory grew by 5000 KiB"));
    }
}
