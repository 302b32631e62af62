//! `heal`: forces one replica unhealthy and times how it is replaced. All times are the engine's own,
//! from its events, so neither polling nor the way to the engine is in them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use crate::docker::{Container, docker};
use crate::exit::Exit;
use crate::preflight;
use crate::service::Service;
use crate::settings::Settings;
use crate::units::Span;

/// How the engine says so.
const HEALTHY: &str = "health_status: healthy";

/// What `--json` prints.
#[derive(Serialize)]
struct Timeline {
    old: String,
    new: String,
    /// `health check`: Swarm stopped the container. `exit`: the process ended by itself.
    way: &'static str,
    phases: Vec<Phase>,
    /// Until the new container answered.
    seconds: f64,
}

#[derive(Serialize)]
struct Phase {
    name: &'static str,
    /// When it was over, in seconds after the replica was forced unhealthy.
    at: f64,
}

pub(crate) fn run(settings: &Settings, budget: Option<Span>, json: bool) -> Result<Exit> {
    let name = &settings.service;
    preflight::engine()?;
    let info = preflight::swarm()?;
    let service = Service::find(name)?
        .with_context(|| format!("{name} is not deployed: cargo xtask deploy --testability"))?;
    let on = format!("{}=true", settings.variable("TESTABILITY"));
    let variables: Vec<String> = service.spec.at("/TaskTemplate/ContainerSpec/Env")?;
    ensure!(
        variables.contains(&on),
        "{name} runs without its testability route: cargo xtask deploy --testability"
    );
    let containers = Container::of(name, false)?;
    let old = containers.into_iter().find(|container| container.health() == Some("healthy"));
    let old = old.with_context(|| {
        format!("{name} has no healthy container on this node: cargo xtask status")
    })?;
    let timeline = Events::listen(settings, &info.system_time)?.heal(&old, settings)?;
    if json {
        println!("{}", serde_json::to_string(&timeline)?);
    } else {
        timeline.print();
    }
    match budget {
        Some(budget) if timeline.seconds > budget.0.as_secs_f64() => {
            eprintln!("{:.1} s is over the budget of {budget}.", timeline.seconds);
            Ok(Exit::OverBudget)
        }
        _ => Ok(Exit::Done),
    }
}

impl Timeline {
    fn print(&self) {
        println!("   0.0 s          forced unhealthy: {}", short(&self.old));
        let mut before = 0.0;
        for Phase { name, at } in &self.phases {
            println!("{at:6.1} s  {:+5.1}  {name}", at - before);
            before = *at;
        }
        println!("Replaced {} by {} ({}).", short(&self.old), short(&self.new), self.way);
    }
}

/// The engine's events about the containers of one service.
struct Events {
    docker: Child,
    received: Receiver<Event>,
    /// For each event that is waited for.
    deadline: Span,
}

#[derive(Clone, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    actor: Actor,
    #[serde(rename = "timeNano")]
    nanoseconds: u64,
}

#[derive(Clone, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Actor {
    #[serde(rename = "ID")]
    id: String,
    attributes: BTreeMap<String, String>,
}

impl Events {
    /// Listens from this time on, by the engine's clock: nothing is lost while the listener starts.
    fn listen(settings: &Settings, since: &str) -> Result<Self> {
        let service = &settings.service;
        let command = docker(["events", "--format={{json .}}", "--filter=type=container"])
            .args([format!("--filter=label=com.docker.swarm.service.name={service}")])
            .args([format!("--since={since}")]);
        let mut docker = command.command()?.stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(docker.stdout.take().context("docker events has no output")?);
        let (sender, events) = mpsc::channel();
        std::thread::spawn(move || {
            let events = lines.lines().map_while(Result::ok);
            // Ends with the listener, or when nothing waits any longer.
            for event in events.filter_map(|line| serde_json::from_str(&line).ok()) {
                if sender.send(event).is_err() {
                    break;
                }
            }
        });
        Ok(Self { docker, received: events, deadline: settings.deadline })
    }

    fn heal(&self, old: &Container, settings: &Settings) -> Result<Timeline> {
        let slot = slot(old.name());
        let forced = ask(settings, &old.id, "/testability/healthy/false")?;
        let force = self.next("the replica to be forced", |event| {
            event.action.starts_with("exec_create") && event.action.contains("/testability/")
        })?;
        let start = self.next("the replica to be forced", |event| {
            event.action == "exec_die" && event.attribute("execID") == force.attribute("execID")
        })?;
        ensure!(forced, "{} did not take /testability/healthy/false", short(&old.id));
        let mut phases = Vec::new();
        let seconds_to = |event: &Event| {
            let nanoseconds = event.nanoseconds.saturating_sub(start.nanoseconds);
            Duration::from_nanos(nanoseconds).as_secs_f64()
        };
        let mut over = |name, event: &Event| phases.push(Phase { name, at: seconds_to(event) });
        let mut is_marked = false;
        let mut has_failed = false;
        let stopped = self.next("the old container to stop", |event| {
            if event.actor.id != old.id {
                return false;
            }
            let is_probe = event.action == "exec_die" && event.attribute("exitCode") != "0";
            if is_probe && !has_failed {
                has_failed = true;
                over("probe fails", event);
            } else if event.action == "health_status: unhealthy" {
                is_marked = true;
                over("marked unhealthy", event);
            }
            event.action == "die"
        })?;
        over("old container stopped", &stopped);
        let started = self.next("a new container", |event| {
            event.actor.id != old.id
                && event.action == "start"
                && self::slot(event.attribute("name")) == slot
        })?;
        over("new container started", &started);
        let new = &started.actor.id;
        ensure!(ask(settings, new, "/accounts/10000")?, "the new container does not answer");
        let mut exec = String::new();
        let mut healthy = None;
        let answered = self.next("the new container to answer", |event| {
            if event.actor.id != *new {
                return false;
            }
            if event.action.starts_with("exec_create") && event.action.contains("/accounts/") {
                event.attribute("execID").clone_into(&mut exec);
            } else if event.action == HEALTHY {
                healthy = Some(event.clone());
            }
            event.action == "exec_die" && event.attribute("execID") == exec
        })?;
        over("answering", &answered);
        let healthy = match healthy {
            Some(healthy) => healthy,
            None => self.next("the new container to be healthy", |event| {
                event.actor.id == *new && event.action == HEALTHY
            })?,
        };
        over("healthy", &healthy);
        let seconds = seconds_to(&answered);
        let way = if is_marked { "health check" } else { "exit" };
        Ok(Timeline { old: old.id.clone(), new: new.clone(), way, phases, seconds })
    }

    /// The next event of a kind; those before it are passed over.
    fn next(&self, what: &str, mut is: impl FnMut(&Event) -> bool) -> Result<Event> {
        let deadline = Instant::now() + self.deadline.0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.received.recv_timeout(left) {
                Ok(event) if is(&event) => return Ok(event),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    let time = self.deadline;
                    bail!("waited {time} in vain for {what}. cargo xtask status shows more")
                }
                Err(RecvTimeoutError::Disconnected) => bail!("the engine's events have ended"),
            }
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.docker.kill();
        let _ = self.docker.wait();
    }
}

impl Event {
    fn attribute(&self, name: &str) -> &str {
        self.actor.attributes.get(name).map_or("", String::as_str)
    }
}

/// Asks a container over its own loopback, with the probe that it carries: this works wherever the
/// engine is and whatever is published.
fn ask(settings: &Settings, container: &str, path: &str) -> Result<bool> {
    let probe = format!("/{}", settings.probe.binary);
    docker(["exec", container, &probe])
        .args([format!("-port={}", settings.program.port), format!("--path={path}")])
        .args(["--wait=10s"])
        .succeeds()
}

/// `accountservice.1` of `accountservice.1.f9vmtx1k0m2njhn58ocha6de9`.
fn slot(container: &str) -> &str {
    container.rsplit_once('.').map_or(container, |(slot, _)| slot)
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
