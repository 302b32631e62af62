//! `soak`: the service as `deploy` runs it, at load for long. Growing memory or descriptors
//! show a leak; so does a restart of the container. Needs an engine on this machine.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::bench::float;
use crate::bench::rounds::median;
use crate::deployment::Deployment;
use crate::docker::{Container, addresses};
use crate::load::Reconnect;
use crate::pool::{ClientPool, per_second};
use crate::service::{SOON, Usage, get};

const NAME: &str = "accountservice-soak";
const METRICS_PORT: u16 = 6768;
const CLIENTS: usize = 200;
/// Of a client, before it opens a new connection.
const RESPONSES: u64 = 3_000;
/// By how many KiB memory may grow from the second quarter to the last: allocators vary.
const TOLERANCE: f64 = 1_024.0;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long, 1 or more
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
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
            counts.errors()
        );
        before = counts.right;
        samples.push(float(sample.memory));
        most = most.max(sample.descriptors);
    }
    let took = start.elapsed();
    let metrics = get((address.ip(), METRICS_PORT).into(), "/metrics");
    let counts = pool.stop()?;
    let (memory, descriptors) = (has_flat_memory(&samples), has_no_descriptor_leak(process, most));
    let (rate, connections) = (per_second(counts.right, took), counts.connections);
    println!("in {} s {counts}; {rate}/s, {connections} connections", took.as_secs());
    let after = Container::only(NAME)?;
    let health = &after.state.health;
    println!("container: {}, {} failed probes in a row", health.status, health.failing_streak);
    memory?;
    descriptors?;
    counts.no_errors()?;
    ensure!(counts.rejected == 0, "requests were rejected");
    ensure!(health.failing_streak == 0, "the last probe failed");
    let is_same = after.id == container.id && after.state.pid == process;
    ensure!(is_same, "the container was replaced");
    ensure!(metrics.is_ok_and(|it| it.status() == 200), "/metrics does not answer");
    println!("pass: memory flat, no error, no descriptor leaked, the container healthy");
    Ok(())
}

/// Fails if memory, in KiB, has grown.
fn has_flat_memory(samples: &[f64]) -> Result<()> {
    let quarter = samples.len() / 4;
    let second = median(samples[quarter..2 * quarter].to_vec());
    let last = median(samples[samples.len() - quarter..].to_vec());
    println!("memory: median of the second quarter {second} KiB, of the last {last} KiB");
    let growth = last - second;
    ensure!(growth <= TOLERANCE, "memory grew by {growth} KiB");
    Ok(())
}

/// Each client takes a descriptor of the service; without clients they must be closed soon.
fn has_no_descriptor_leak(process: u32, most: usize) -> Result<()> {
    let allowed = most.saturating_sub(CLIENTS / 2);
    let (start, mut left) = (Instant::now(), most);
    while left > allowed && start.elapsed() < SOON {
        left = Usage::of(process)?.descriptors;
        thread::sleep(Duration::from_millis(50));
    }
    println!("descriptors: {most} at most, {left} after the clients had left");
    ensure!(left <= allowed, "of {most} descriptors {left} are left without clients");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(memory: impl Fn(f64) -> f64) -> Vec<f64> {
        (0..100).map(|i| memory(f64::from(i))).collect()
    }

    #[test]
    fn memory_that_settles_is_flat_and_memory_that_grows_is_not() {
        has_flat_memory(&samples(|i| if i < 20.0 { 100.0 * i } else { 2_000.0 })).unwrap();
        let growth = has_flat_memory(&samples(|i| 100.0 * i)).unwrap_err();
        assert_eq!(growth.to_string(), "memory grew by 5000 KiB");
    }
}
