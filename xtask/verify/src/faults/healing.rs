//! A container of a deployment with default settings that stands still or turns unhealthy: is it
//! replaced when it has to be, and kept when it need not be? These faults need an engine.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use serde_json::Value;

use super::{Fault, Observed, Run, Skipped};
use crate::command::read;
use crate::deployment::Deployment;
use crate::docker::{Container, Probe, docker};

pub(super) const FAULTS: [Fault; 3] = [
    ("A container that stands still for 4 s", stands_still),
    ("A container that stands still for good", stops),
    ("A container that is forced unhealthy", forced),
];

const NAME: &str = "accountservice-faults";
/// Between two looks at a container.
const PAUSE: Duration = Duration::from_millis(200);
/// How long the next probe or the replacement of a container may take.
const LONG: Duration = Duration::from_mins(1);
/// In seconds. On an idle machine it takes 11 s on average.
const HEALED: f64 = 15.0;

fn stands_still(run: &Run) -> Observed {
    run.does("SIGSTOP 0.5, 1 and 1.5 s after a probe, each time SIGCONT 4 s later");
    deployment(run)?;
    let before = Container::only(NAME)?;
    let mut failed = 0;
    for offset in [500, 1_000, 1_500] {
        let last = until_probe(&before, probes(&before)?.last())?.pop();
        thread::sleep(Duration::from_millis(offset));
        signal(&before, "STOP")?;
        thread::sleep(Duration::from_secs(4));
        signal(&before, "CONT")?;
        failed +=
            until_probe(&before, last.as_ref())?.iter().filter(|it| it.exit_code != 0).count();
    }
    let after = Container::only(NAME)?;
    ensure!(after.id == before.id && after.state.pid == before.state.pid, "it was replaced");
    ensure!(failed > 0, "no probe failed: the container did not stand still");
    Ok(format!("{failed} probes failed; the same container, healthy"))
}

fn stops(run: &Run) -> Observed {
    run.does("SIGSTOP, and no SIGCONT");
    deployment(run)?;
    let before = Container::only(NAME)?;
    signal(&before, "STOP")?;
    let is_new = |container: &Container| container.id != before.id && container.is_healthy();
    let took = until("a new container is healthy", || {
        Container::of(NAME).is_ok_and(|containers| containers.iter().any(is_new))
    })?;
    Ok(format!("a new container is healthy after {:.1} s", took.as_secs_f64()))
}

fn forced(run: &Run) -> Observed {
    let times = run.count(5, 20);
    run.does(format!("{times} times `cargo xtask heal`, at random moments"));
    let deployment = deployment(run)?;
    let mut random = Rng::with_seed(run.seed);
    let mut healed = Vec::new();
    for _ in 0..times {
        thread::sleep(Duration::from_secs(3).mul_f64(random.f64()));
        let timeline = deployment.run(&["heal", "--json"], "", 0)?;
        let timeline: Value = serde_json::from_str(&timeline)?;
        healed.push(timeline["seconds"].as_f64().context("heal --json has no seconds")?);
    }
    let mean = healed.iter().sum::<f64>() / f64::from(u32::try_from(times)?);
    let longest = healed.iter().copied().fold(0.0, f64::max);
    let figures = format!("answers again after {mean:.1} s on average, {longest:.1} s at most");
    ensure!(mean <= HEALED, "{figures}");
    Ok(figures)
}

/// The deployment that these faults share; it is removed at the end of the run.
fn deployment(run: &Run) -> Result<&Deployment> {
    if let Some(deployment) = run.deployment.get() {
        return Ok(deployment);
    }
    if let Err(error) = read(&mut docker(&["info"])) {
        bail!(Skipped(format!("no engine answers: {error:#}")));
    }
    let deployment = Deployment::prepare(NAME, run.artifacts.service.parent())?;
    deployment.run_inside(&["deploy"], "", 0)?;
    Ok(run.deployment.get_or_init(|| deployment))
}

fn signal(container: &Container, signal: &str) -> Result<()> {
    read(&mut docker(&["kill", &format!("--signal={signal}"), &container.id])).map(drop)
}

/// Waits for a successful probe after this one, and returns all after this one.
fn until_probe(container: &Container, last: Option<&Probe>) -> Result<Vec<Probe>> {
    let mut new = Vec::new();
    until("a probe is successful", || {
        let probes = probes(container).unwrap_or_default();
        new = probes.into_iter().rev().take_while(|probe| Some(probe) != last).collect();
        new.reverse();
        new.last().is_some_and(|probe| probe.exit_code == 0)
    })?;
    Ok(new)
}

/// The last five probes.
fn probes(container: &Container) -> Result<Vec<Probe>> {
    Ok(Container::find(&container.id)?.state.health.log)
}

fn until(what: &str, mut holds: impl FnMut() -> bool) -> Result<Duration> {
    let start = Instant::now();
    while !holds() {
        ensure!(start.elapsed() < LONG, "not within {LONG:?}: {what}");
        thread::sleep(PAUSE);
    }
    Ok(start.elapsed())
}
