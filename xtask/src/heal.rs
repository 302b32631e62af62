//! `heal`: forces one replica unhealthy and times how it is replaced. All times are the engine's
//! own, from its events. `answering` is the end of a probe that `heal` starts in the new container.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde::Serialize;

use crate::command::Running;
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
    _docker: Running,
    received: Receiver<Event>,
    /// Those that were received, the oldest first.
    seen: Vec<Event>,
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
        let mut docker = command.spawn(Stdio::piped())?;
        let lines = BufReader::new(docker.0.stdout.take().context("docker events has no output")?);
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
        let deadline = settings.deadline;
        Ok(Self { _docker: docker, received: events, seen: Vec::new(), deadline })
    }

    fn heal(&mut self, old: &Container, settings: &Settings) -> Result<Timeline> {
        let slot = slot(old.name());
        let forced = ask(settings, &old.id, "/testability/healthy/false")?;
        let start = self.end_of_exec("the replica to be forced", "/testability/")?.nanoseconds;
        ensure!(forced, "{} did not take /testability/healthy/false", short(&old.id));
        let stopped = self.event("the old container to stop", |event| event.is(&old.id, "die"))?;
        let started = self.event("a new container", |event| {
            event.actor.id != old.id
                && event.action == "start"
                && self::slot(event.attribute("name")) == slot
        })?;
        let new = started.actor.id.clone();
        ensure!(ask(settings, &new, "/health")?, "the new container does not answer");
        // The image's own probe has no such argument.
        let answering = self.end_of_exec("the new container to answer", "--path=/health")?;
        let healthy =
            self.event("the new container to be healthy", |event| event.is(&new, HEALTHY))?;
        let failed = self.seen.iter().find(|event| {
            event.is(&old.id, "exec_die")
                && event.attribute("exitCode") != "0"
                && event.nanoseconds > start
        });
        let marked = self.seen.iter().find(|event| event.is(&old.id, "health_status: unhealthy"));
        let seconds_to = |event: &Event| {
            Duration::from_nanos(event.nanoseconds.saturating_sub(start)).as_secs_f64()
        };
        let phases = [
            ("probe fails", failed),
            ("marked unhealthy", marked),
            ("old container stopped", Some(&stopped)),
            ("new container started", Some(&started)),
            ("answering", Some(&answering)),
            ("healthy", Some(&healthy)),
        ];
        let phases = phases.into_iter().filter_map(|(name, event)| Some((name, event?)));
        Ok(Timeline {
            old: old.id.clone(),
            new,
            way: if marked.is_some() { "health check" } else { "exit" },
            phases: phases.map(|(name, event)| Phase { name, at: seconds_to(event) }).collect(),
            seconds: seconds_to(&answering),
        })
    }

    /// When a request that `ask` made has been answered.
    fn end_of_exec(&mut self, what: &str, path: &str) -> Result<Event> {
        let create = self.event(what, |event| {
            event.action.starts_with("exec_create") && event.action.contains(path)
        })?;
        self.event(what, |event| {
            event.action == "exec_die" && event.attribute("execID") == create.attribute("execID")
        })
    }

    /// The first event of a kind; waits for it.
    fn event(&mut self, what: &str, is: impl Fn(&Event) -> bool) -> Result<Event> {
        if let Some(event) = self.seen.iter().find(|event| is(event)) {
            return Ok(event.clone());
        }
        let deadline = Instant::now() + self.deadline.0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self.received.recv_timeout(left).map_err(|error| match error {
                RecvTimeoutError::Timeout => {
                    let time = self.deadline;
                    anyhow!("waited {time} in vain for {what}. cargo xtask status shows more")
                }
                RecvTimeoutError::Disconnected => anyhow!("the engine's events have ended"),
            })?;
            self.seen.push(event.clone());
            if is(&event) {
                return Ok(event);
            }
        }
    }
}

impl Event {
    fn is(&self, container: &str, action: &str) -> bool {
        self.actor.id == container && self.action == action
    }

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
