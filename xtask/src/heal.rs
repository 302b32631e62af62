//! `heal`: forces one replica unhealthy and times what Swarm does about it. All times are the
//! engine's own, from its events, so neither polling nor the way to the engine is in them.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::Value;

use crate::docker::{Container, Service, docker};
use crate::exit::Exit;
use crate::plan::{CONTAINER_PORT, TESTABILITY};
use crate::settings::Settings;
use crate::units::Span;

/// The phases, in the order in which they come.
const PHASES: [&str; 6] = [
    "probe fails",
    "marked unhealthy",
    "old container stopped",
    "new container started",
    "healthy",
    "answering",
];

/// When each phase was over, in seconds after the replica was forced unhealthy.
#[derive(Serialize)]
struct Timeline {
    old: String,
    new: String,
    phases: Vec<(&'static str, f64)>,
    seconds: f64,
}

pub(crate) fn run(settings: &Settings, budget: Option<Span>, json: bool) -> Result<Exit> {
    let name = &settings.service;
    let service = Service::find(name)?
        .with_context(|| format!("{name} is not deployed: cargo xtask deploy --testability"))?;
    let on = format!("{TESTABILITY}=true");
    ensure!(
        service.environment.contains(&on),
        "{name} runs without its testability route: cargo xtask deploy --testability"
    );
    let containers = Container::of(name, false)?;
    let old = containers.into_iter().find(|container| container.health == "healthy");
    let old = old.with_context(|| {
        format!("{name} has no healthy container on this node: cargo xtask status")
    })?;
    let timeline = Watch::start(name)?.heal(&old, settings)?;
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
        for (phase, at) in &self.phases {
            println!("{at:6.1} s  {:+5.1}  {phase}", at - before);
            before = *at;
        }
        println!("Replaced {} by {}.", short(&self.old), short(&self.new));
    }
}

/// The engine's events about the containers of one service.
struct Watch {
    docker: Child,
    events: Receiver<Event>,
}

struct Event {
    container: String,
    name: String,
    action: String,
    exec: String,
    exit: String,
    nanos: u64,
}

impl Watch {
    /// Listens from now on, by the engine's clock: nothing is lost while the listener starts.
    fn start(service: &str) -> Result<Self> {
        let now = docker(["info", "--format={{.SystemTime}}"]).read()?;
        let command = docker(["events", "--format={{json .}}", "--filter=type=container"])
            .args([format!("--filter=label=com.docker.swarm.service.name={service}")])
            .args([format!("--since={}", now.trim())]);
        let mut docker = command.command().stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(docker.stdout.take().context("docker events has no output")?);
        let (sender, events) = mpsc::channel();
        std::thread::spawn(move || {
            let events = lines.lines().map_while(Result::ok).filter_map(|line| Event::read(&line));
            // Ends with the listener, or when nobody waits any longer.
            for event in events {
                if sender.send(event).is_err() {
                    break;
                }
            }
        });
        Ok(Self { docker, events })
    }

    fn heal(&self, old: &Container, settings: &Settings) -> Result<Timeline> {
        let slot = slot(&old.name);
        let forced = ask(&old.id, "/testability/healthy/false")?;
        let force = self.next("the replica to be forced", &settings.deadline, |event| {
            event.action.starts_with("exec_create") && event.action.contains("/testability/")
        })?;
        let start = self.next("the replica to be forced", &settings.deadline, |event| {
            event.action == "exec_die" && event.exec == force.exec
        })?;
        ensure!(forced, "{} did not take /testability/healthy/false", short(&old.id));
        let mut times = Vec::new();
        let mut new = String::new();
        for phase in &PHASES[..5] {
            let event = self.next(phase, &settings.deadline, |event| {
                let is_old = event.container == old.id;
                match *phase {
                    "probe fails" => is_old && event.action == "exec_die" && event.exit != "0",
                    "marked unhealthy" => is_old && event.action == "health_status: unhealthy",
                    "old container stopped" => is_old && event.action == "die",
                    "new container started" => {
                        !is_old && event.action == "start" && self::slot(&event.name) == slot
                    }
                    _ => event.container == new && event.action == "health_status: healthy",
                }
            })?;
            if *phase == "new container started" {
                new.clone_from(&event.container);
            }
            times.push((*phase, seconds(&start, &event)));
        }
        ensure!(ask(&new, "/accounts/10000")?, "the new container does not answer");
        let answered = self.next("answering", &settings.deadline, |event| {
            event.container == new && event.action == "exec_die" && event.exit == "0"
        })?;
        let seconds = seconds(&start, &answered);
        times.push((PHASES[5], seconds));
        Ok(Timeline { old: old.id.clone(), new, phases: times, seconds })
    }

    /// The next event of a kind; those before it are passed over.
    fn next(&self, what: &str, patience: &Span, is: impl Fn(&Event) -> bool) -> Result<Event> {
        let end = Instant::now() + patience.0;
        loop {
            match self.events.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(event) if is(&event) => return Ok(event),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    bail!("waited {patience} in vain for: {what}. cargo xtask status shows more")
                }
                Err(RecvTimeoutError::Disconnected) => bail!("the engine's events have ended"),
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.docker.kill();
        let _ = self.docker.wait();
    }
}

impl Event {
    fn read(line: &str) -> Option<Self> {
        let event: Value = serde_json::from_str(line).ok()?;
        let text = |pointer| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        Some(Self {
            container: text("/Actor/ID").to_owned(),
            name: text("/Actor/Attributes/name").to_owned(),
            action: text("/Action").to_owned(),
            exec: text("/Actor/Attributes/execID").to_owned(),
            exit: text("/Actor/Attributes/exitCode").to_owned(),
            nanos: event.get("timeNano")?.as_u64()?,
        })
    }
}

/// Asks a container over its own loopback, with the probe that it carries: this works wherever the
/// engine is and whatever is published.
fn ask(container: &str, path: &str) -> Result<bool> {
    docker(["exec", container, "/healthchecker"])
        .args([format!("-port={CONTAINER_PORT}"), format!("--path={path}")])
        .succeeds()
}

fn seconds(from: &Event, to: &Event) -> f64 {
    Duration::from_nanos(to.nanos.saturating_sub(from.nanos)).as_secs_f64()
}

/// `accountservice.1` of `accountservice.1.f9vmtx1k0m2njhn58ocha6de9`.
fn slot(container: &str) -> &str {
    container.rsplit_once('.').map_or(container, |(slot, _)| slot)
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
