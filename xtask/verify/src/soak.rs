//! `soak`: the image in a container as deploy runs it, under its memory limit and at load for long. A
//! leak shows as memory or descriptors that grow; the limit of the container turns it into a death.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::command::{read, read_loudly, xtask};
use crate::docker::{self, docker};
use crate::faults::{descriptors, memory};
use crate::interrupt::Interrupt;
use crate::load::{Crowd, Manner, Tally, per_second};
use crate::{http, settings};

const IMAGE: &str = "accountservice-soak/accountservice";
/// Connections that are kept, and the threads that drive them.
const CLIENTS: usize = 200;
const THREADS: usize = 4;
/// What memory may grow by from the second quarter to the last: an allocator never quite stands still.
const TOLERANCE: u64 = 1 << 10;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long, 1 or more
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
}

/// What was seen at one moment.
#[derive(Clone, Copy)]
struct Sample {
    /// Resident memory in KiB.
    memory: u64,
    /// Open descriptors, where `/proc` shows them.
    descriptors: Option<u64>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let limits = settings::committed()?.remove("limits").context("deploy.toml has no limits")?;
    let image = read_loudly(&mut xtask(["image", "--image", IMAGE]))?;
    let image = image.trim();
    let interrupt = Interrupt::listen()?;
    let container = Container::start(&limits.try_into()?, image)?;
    let time = Duration::from_secs(60 * args.minutes);
    eprintln!(
        "Soaking {image} for {} min at {}: {CLIENTS} keep-alive clients and new ones.",
        args.minutes, container.at
    );
    let crowd = Crowd::gather(container.at, CLIENTS, THREADS, Manner::Change);
    let every = Duration::from_secs(if args.minutes < 5 { 2 } else { 10 });
    let (start, mut samples, mut before) = (Instant::now(), Vec::new(), 0);
    while start.elapsed() < time {
        if interrupt.within(every) {
            eprintln!("error: interrupted; the container has been removed");
            drop(container);
            return Ok(ExitCode::from(130));
        }
        let sample = container.sample()?;
        let right = Tally::get(&crowd.tally.right);
        let errors = Tally::get(&crowd.tally.lost) + Tally::get(&crowd.tally.wrong);
        eprintln!(
            "  {:>4} s  {:>6} KiB  {:>4} descriptors  {:>6} requests/s  {errors} errors",
            start.elapsed().as_secs(),
            sample.memory,
            sample.descriptors.map_or_else(|| "?".to_owned(), |count| count.to_string()),
            per_second(right - before, every)
        );
        before = right;
        samples.push(sample);
    }
    let took = start.elapsed();
    let metrics = http::get(&container.metrics.to_string(), "/metrics");
    let tally = crowd.dismiss();
    thread::sleep(Duration::from_secs(1));
    let after = container.sample()?;
    let complaints = container.wrong(metrics.is_ok_and(|answer| answer.status == 200))?;
    let [right, away, lost, wrong, connections] =
        [&tally.right, &tally.turned_away, &tally.lost, &tally.wrong, &tally.connections]
            .map(Tally::get);
    println!(
        "{right} requests in {} s, {}/s, over {connections} connections; {lost} lost, \
         {wrong} wrong, {away} turned away",
        took.as_secs(),
        per_second(right, took)
    );
    let mut failures = verdict(&samples, after);
    failures.extend(complaints);
    if lost + wrong + away > 0 {
        failures.push(format!("{} requests failed: {}", lost + wrong + away, tally.examples()));
    }
    for failure in &failures {
        println!("FAIL: {failure}");
    }
    if failures.is_empty() {
        println!("pass: memory flat, no error, no descriptor leaked, the container healthy");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

/// Why memory or descriptors do not count as flat.
fn verdict(samples: &[Sample], rest: Sample) -> Vec<String> {
    let quarter = samples.len() / 4;
    let median = |samples: &[Sample]| {
        let mut memory: Vec<_> = samples.iter().map(|sample| sample.memory).collect();
        memory.sort_unstable();
        memory.get(memory.len() / 2).copied().unwrap_or_default()
    };
    let second = median(&samples[quarter..2 * quarter]);
    let fourth = median(&samples[samples.len() - quarter..]);
    println!(
        "memory: median of the second quarter {second} KiB, of the last {fourth} KiB; {TOLERANCE} KiB \
         more are tolerated"
    );
    let mut failures = Vec::new();
    if fourth > second + TOLERANCE {
        failures.push(format!("memory grew by {} KiB", fourth - second));
    }
    let most = samples.iter().filter_map(|sample| sample.descriptors).max();
    if let (Some(most), Some(rest)) = (most, rest.descriptors) {
        println!("descriptors: at most {most}, {rest} when the clients had left");
        // Every client is one; nothing of them may be left but what the process itself needs.
        if rest + CLIENTS as u64 / 2 > most {
            failures.push(format!("of {most} descriptors {rest} are left without clients"));
        }
    }
    failures
}

/// As deploy.toml has them, in Docker's units.
#[derive(Deserialize)]
struct Limits {
    memory: String,
    cpus: f64,
    pids: u32,
    data: String,
}

/// Removed by its id when it is no longer needed.
struct Container {
    id: String,
    at: SocketAddr,
    metrics: SocketAddr,
    process: u32,
}

impl Container {
    /// Runs the image confined as deploy does.
    fn start(limits: &Limits, image: &str) -> Result<Self> {
        let mut run = docker(["run", "--detach", "--read-only", "--cap-drop=ALL"]);
        run.args([
            format!("--tmpfs=/data:size={},mode=1777", limits.data),
            format!("--memory={}", limits.memory),
            format!("--memory-swap={}", limits.memory),
            format!("--cpus={}", limits.cpus),
            format!("--pids-limit={}", limits.pids),
            "--env=ACCOUNTSERVICE_METRICS_PORT=6768".to_owned(),
            image.to_owned(),
        ]);
        let id = read(&mut run)?;
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let id = id.trim().to_owned();
        let mut container = Self { id, at: nowhere, metrics: nowhere, process: 0 };
        read(&mut docker(["exec", &container.id, "/healthchecker", "-port=6767", "--wait=20s"]))?;
        let found = container.inspect()?;
        let address = found.network_settings.ip_address.parse();
        let address = address.context("the container has no address on the bridge")?;
        container.at = SocketAddr::new(address, 6767);
        container.metrics = SocketAddr::new(address, 6768);
        container.process = found.state.pid;
        http::get(&container.at.to_string(), "/health").with_context(|| {
            format!(
                "the container is not reached at {}: the engine must be on this machine",
                container.at
            )
        })?;
        Ok(container)
    }

    fn inspect(&self) -> Result<docker::Container> {
        docker::Container::find(&self.id)
    }

    fn sample(&self) -> Result<Sample> {
        // The engine may be in another machine's process table: then this is not our process.
        let name = std::fs::read_to_string(format!("/proc/{}/comm", self.process));
        let visible = name.is_ok_and(|name| name.trim() == "accountservice");
        if let Some(memory) = memory(self.process, "VmRSS").filter(|_| visible) {
            let descriptors = descriptors(self.process).ok().map(|count| count as u64);
            return Ok(Sample { memory, descriptors });
        }
        let stats =
            read(&mut docker(["stats", "--no-stream", "--format={{.MemUsage}}", &self.id]))?;
        let memory = kib(&stats).with_context(|| format!("cannot read {stats:?}"))?;
        Ok(Sample { memory, descriptors: None })
    }

    /// What is wrong with it at the end.
    fn wrong(&self, metrics: bool) -> Result<Vec<String>> {
        let docker::Container { state, restart_count: restarts, .. } = self.inspect()?;
        let (health, failing) = (&state.health.status, state.health.failing_streak);
        println!("container: {health}, {failing} failed probes in a row, {restarts} restarts");
        let checks = [
            (health == "healthy" && failing == 0, "the container is not healthy"),
            (state.pid == self.process && restarts == 0, "the container was restarted"),
            (!state.oom_killed, "the container ran out of memory"),
            (metrics, "/metrics does not answer"),
        ];
        let wrong = checks.into_iter().filter(|(holds, _)| !holds);
        Ok(wrong.map(|(_, what)| what.to_owned()).collect())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = read(&mut docker(["rm", "--force", "--volumes", &self.id]));
    }
}

/// What stands before the slash in `3.5MiB / 64MiB`, in whole units, as KiB.
fn kib(usage: &str) -> Option<u64> {
    let used = usage.split('/').next()?.trim();
    let unit = used.find(|c: char| c.is_ascii_alphabetic())?;
    let factor = match &used[unit..] {
        "KiB" => 1,
        "MiB" => 1 << 10,
        "GiB" => 1 << 20,
        _ => return None,
    };
    let whole = used[..unit].split('.').next()?.parse::<u64>().ok()?;
    Some(whole * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(memory: impl Fn(u64) -> u64) -> Vec<Sample> {
        (0..100).map(|i| Sample { memory: memory(i), descriptors: Some(220) }).collect()
    }

    const REST: Sample = Sample { memory: 0, descriptors: Some(20) };

    #[test]
    fn memory_that_settles_is_flat_and_memory_that_grows_is_not() {
        assert!(verdict(&samples(|i| if i < 20 { 100 * i } else { 2_000 }), REST).is_empty());
        assert_eq!(verdict(&samples(|i| 100 * i), REST), ["memory grew by 5000 KiB"]);
    }

    #[test]
    fn descriptors_that_stay_without_clients_are_a_leak() {
        let rest = Sample { memory: 0, descriptors: Some(180) };
        let leak = ["of 220 descriptors 180 are left without clients"];
        assert_eq!(verdict(&samples(|_| 5_000), rest), leak);
    }

    #[test]
    fn what_docker_prints_is_read_in_its_units() {
        assert_eq!(kib("3.5MiB / 64MiB\n"), Some(3072));
        assert_eq!(kib("812KiB / 64MiB\n"), Some(812));
        assert_eq!(kib("nothing"), None);
    }
}
