//! Waits until Swarm has brought about what was asked, under a deadline of its own: `docker service
//! update` waits for ever, and ends with 0 even after it has rolled back.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::docker::{Container, Service, Task, docker};
use crate::interrupt::Interrupt;

/// How often Swarm is asked.
const PAUSE: Duration = Duration::from_millis(500);
/// How much of a failed container's log is shown.
const LOG_LINES: &str = "--tail=10";
/// How many containers may end, per replica, before a first deployment is called a failure.
const TRIES: usize = 3;

/// What the service is to be.
pub(crate) struct Goal<'a> {
    pub(crate) service: &'a str,
    pub(crate) reference: &'a str,
    pub(crate) version: &'a str,
    pub(crate) identity: &'a str,
    pub(crate) replicas: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Converged,
    /// The version before serves again: all its replicas are healthy.
    RolledBack,
    /// Swarm has stopped halfway and waits for a person.
    Paused,
    /// There is nothing to go back to, and every try fails.
    Failing,
    Expired,
    Interrupted,
}

impl Goal<'_> {
    /// Swarm has been asked for exactly this.
    pub(crate) fn is_asked_of(&self, service: &Service) -> bool {
        same_image(&service.reference, self.reference)
            && service.plan == self.identity
            && service.replicas == self.replicas
    }

    /// All replicas are this version and healthy, and no other is to run.
    fn is_met_by(&self, tasks: &[Task]) -> bool {
        let wanted: Vec<_> = tasks.iter().filter(|task| task.desired == "running").collect();
        wanted.len() == self.replicas
            && wanted.iter().all(|task| {
                task.is_up()
                    && same_image(&task.reference, self.reference)
                    && task.version == self.version
            })
    }

    pub(crate) fn wait(&self, deadline: Duration, interrupt: &Interrupt) -> Result<Verdict> {
        let mut progress = Progress::new(self.service);
        loop {
            let verdict = self.look(&mut progress);
            if let Ok(Some(verdict)) = verdict {
                return Ok(verdict);
            }
            // An interrupt also ends a `docker` that is being asked, so it is looked at first.
            if interrupt.within(PAUSE) {
                return Ok(Verdict::Interrupted);
            }
            verdict?;
            if progress.start.elapsed() > deadline {
                return Ok(Verdict::Expired);
            }
        }
    }

    fn look(&self, progress: &mut Progress) -> Result<Option<Verdict>> {
        let service = Service::find(self.service)?
            .with_context(|| format!("the service {} is gone", self.service))?;
        let tasks = Task::of(self.service)?;
        progress.show(&service, &tasks);
        let asked = self.is_asked_of(&service);
        Ok(match service.update_state.as_str() {
            "updating" | "rollback_started" => None,
            "paused" | "rollback_paused" => Some(Verdict::Paused),
            _ if !asked => is_serving(&service, &tasks).then_some(Verdict::RolledBack),
            _ if self.is_met_by(&tasks) => Some(Verdict::Converged),
            _ if progress.ended >= TRIES * self.replicas.max(1) => Some(Verdict::Failing),
            _ => None,
        })
    }
}

/// As many are healthy as the service, whatever it is now, is to have.
fn is_serving(service: &Service, tasks: &[Task]) -> bool {
    tasks.iter().filter(|task| task.is_up()).count() == service.replicas
}

/// What Swarm runs is what it was told to, to which `docker service` may have added a digest.
fn same_image(runs: &str, told: &str) -> bool {
    runs.strip_prefix(told).is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
}

/// Waits until nothing is being updated, however it ends.
pub(crate) fn settle(service: &str, deadline: Duration, interrupt: &Interrupt) -> Result<bool> {
    let mut progress = Progress::new(service);
    while let Some(found) = Service::find(service)?.filter(Service::is_updating) {
        progress.show(&found, &Task::of(service)?);
        if interrupt.within(PAUSE) || progress.start.elapsed() > deadline {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Says why the newest task that has ended did so, or else what ails one that does not get healthy,
/// as far as this node can tell.
pub(crate) fn explain(service: &str) -> Result<()> {
    let tasks = Task::of(service)?;
    let newest =
        |ill: fn(&&Task) -> bool| tasks.iter().filter(ill).max_by(|a, b| a.created.cmp(&b.created));
    let ended = newest(|task| task.has_ended());
    let Some(task) = ended.or_else(|| newest(|task| task.desired == "running" && !task.is_up()))
    else {
        return Ok(());
    };
    eprintln!("\n{service}.{} is {}: {}", task.slot, task.state, or(&task.error, "no error given"));
    let Some(id) = &task.container else {
        return Ok(());
    };
    match Container::find(id)? {
        None => eprintln!("Its container is on node {}.", task.node),
        Some(container) => {
            eprintln!("Its last probes:");
            for (exit, said) in container.probes.iter().rev().take(3).rev() {
                eprintln!("  exit status {exit}: {}", or(said, "(silent)"));
            }
            let logs = docker(["logs", LOG_LINES, id]).output()?;
            eprintln!("The tail of its log:");
            for text in [logs.stdout, logs.stderr] {
                String::from_utf8_lossy(&text).lines().for_each(|line| eprintln!("  {line}"));
            }
        }
    }
    Ok(())
}

fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

/// Shows what changes, one line each: as good in a log as on a screen.
struct Progress<'a> {
    service: &'a str,
    start: Instant,
    tasks: HashMap<String, String>,
    update: String,
    /// How many containers have been seen to end.
    ended: usize,
}

impl<'a> Progress<'a> {
    fn new(service: &'a str) -> Self {
        Self {
            service,
            start: Instant::now(),
            tasks: HashMap::new(),
            update: String::new(),
            ended: 0,
        }
    }

    fn show(&mut self, service: &Service, tasks: &[Task]) {
        let first = self.tasks.is_empty();
        let seconds = self.start.elapsed().as_secs_f64();
        for task in tasks {
            let state = format!("{} {}", task.state, task.error);
            let known = self.tasks.insert(task.id.clone(), state.clone());
            // What had ended before is no news.
            if known.as_ref() == Some(&state) || first && task.desired == "shutdown" {
                continue;
            }
            self.ended += usize::from(task.has_ended());
            let id = task.id.get(..12).unwrap_or_default();
            let replica = format!("{}.{}", self.service, task.slot);
            eprintln!("{seconds:7.1} s  {replica}  {id}  {state}");
        }
        let update = &service.update_state;
        let news = service.is_updating() || !first && !update.is_empty();
        if news && *update != self.update {
            eprintln!("{seconds:7.1} s  {}: {}", update.replace('_', " "), service.update_message);
        }
        self.update.clone_from(update);
    }
}
