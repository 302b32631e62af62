//! A container of a deployment with default settings that stands still or turns unhealthy: is it
//! replaced when it has to be, and kept when it need not be? These faults need an engine.

use std::thread;
use std::time::{Duration, Instant};

use accountservice_host::testing::eventually;
use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use serde::Deserialize;

use super::{Fault, Observed, Run, Skipped};
use crate::command::read;
use crate::deployment::Deployment;
use crate::docker::{Container, Probe, docker};

pub(super) const FAULTS: [Fault; 4] = [
    ("A container that stands still for 4 s", stands_still),
    ("A container that stands still for good", stops),
    ("A container that is forced unhealthy", |run| heals(run, "", "health check")),
    ("A container that ends when it is unhealthy", |run| {
        heals(run, "health.exit_when_unhealthy = \"1s\"", "exit")
    }),
];

const NAME: &str = "accountservice-faults";
/// Between two looks at a container.
const PAUSE: Duration = Duration::from_millis(200);
/// How long the replacement of a container may take.
const LONG: Duration = Duration::from_mins(1);
/// In seconds, on average, on a busy machine.
const HEALED: f64 = 15.0;

fn stands_still(run: &Run) -> Observed {
    run.does("SIGSTOP 0.5, 1 and 1.5 s after a probe, each time SIGCONT 4 s later");
    deployment(run)?;
    let before = Container::only(NAME)?;
    let mut failed = 0;
    for offset in [500, 1_000, 1_500] {
        let last = until_probe(&before, probes(&before)?.last()).pop();
        thread::sleep(Duration::from_millis(offset));
        signal(&before, "STOP")?;
        thread::sleep(Duration::from_secs(4));
        signal(&before, "CONT")?;
        failed += until_probe(&before, last.as_ref()).iter().filter(|it| it.exit_code != 0).count();
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
    let stopped_at = Instant::now();
    let is_new = |it: &Container| it.id != before.id && it.state.health.status == "healthy";
    while !Container::of(NAME).is_ok_and(|containers| containers.iter().any(is_new)) {
        ensure!(stopped_at.elapsed() < LONG, "no new container is healthy within {LONG:?}");
        thread::sleep(PAUSE);
    }
    Ok(format!("a new container is healthy after {:.1} s", stopped_at.elapsed().as_secs_f64()))
}

/// Forces containers with these settings unhealthy; they must be replaced in this way.
fn heals(run: &Run, changes: &str, way: &str) -> Observed {
    let times = if run.long { 20_u8 } else { 3 };
    run.does(format!("{times} times `cargo xtask heal`, at random moments; {changes}"));
    let deployment = deployment(run)?;
    deployment.run_inside(&["deploy"], changes, 0)?;
    let mut random = Rng::with_seed(run.seed);
    let (mut answers, mut healthy) = (0.0, 0.0);
    for _ in 0..times {
        thread::sleep(Duration::from_secs(3).mul_f64(random.f64()));
        let timeline = deployment.run(&["heal", "--json"], changes, 0)?;
        let timeline: Timeline = serde_json::from_str(&timeline)?;
        ensure!(timeline.way == way, "it was replaced by way of {}", timeline.way);
        answers += timeline.seconds / f64::from(times);
        healthy += timeline.phases.last().context("no phase")?.at / f64::from(times);
    }
    let figures =
        format!("answers after {answers:.1} s and is healthy after {healthy:.1} s on average");
    ensure!(answers <= HEALED, "{figures}");
    Ok(figures)
}

/// What `heal --json` prints; the last phase ends when the new container is healthy.
#[derive(Deserialize)]
struct Timeline {
    way: String,
    seconds: f64,
    phases: Vec<Phase>,
}

#[derive(Deserialize)]
struct Phase {
    at: f64,
}

/// The deployment that these faults share; it is removed at the end of the run.
fn deployment(run: &Run) -> Result<&Deployment> {
    if let Some(deployment) = run.deployment.get() {
        return Ok(deployment);
    }
    read(&mut docker(&["info"])).context(Skipped("no engine answers"))?;
    let deployment = Deployment::prepare(NAME, None)?;
    deployment.run_inside(&["deploy"], "", 0)?;
    Ok(run.deployment.get_or_init(|| deployment))
}

fn signal(container: &Container, signal: &str) -> Result<()> {
    read(&mut docker(&["kill", &format!("--signal={signal}"), &container.id])).map(drop)
}

/// Waits for a successful probe after this one, and returns all after this one.
fn until_probe(container: &Container, last: Option<&Probe>) -> Vec<Probe> {
    let mut new = Vec::new();
    eventually("a probe is successful", || {
        thread::sleep(PAUSE);
        let probes = probes(container).unwrap_or_default();
        new = probes.into_iter().rev().take_while(|probe| Some(probe) != last).collect();
        new.reverse();
        new.last().is_some_and(|probe| probe.exit_code == 0)
    });
    new
}

/// The last five probes.
fn probes(container: &Container) -> Result<Vec<Probe>> {
    Ok(Container::find(&container.id)?.state.health.log)
}
