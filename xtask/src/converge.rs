//! Waits until Swarm has done what it was asked to, under a deadline: `docker service update` waits
//! without one, and ends with 0 even after it has rolled back. `deploy` calls it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::docker::{Container, docker};
use crate::interrupt::Interrupt;
use crate::service::{Service, Spec, Task};

const PAUSE: Duration = Duration::from_millis(500);
const LOG_LINES: &str = "--tail=10";
/// How many containers may end, per replica, before a first deployment is called a failure.
const TRIES: usize = 3;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Converged,
    /// The version before serves again: all its replicas are healthy.
    RolledBack,
    /// It is now what another deployment asked for.
    Replaced,
    /// Swarm has stopped halfway and waits for a person.
    Paused,
    /// There is nothing to go back to, and every try fails.
    Failing,
    Expired,
    Interrupted,
}

/// Waits until the service has become what it was asked to be, or something else is certain. Swarm
/// watches the containers of an update for a while; `monitor` is for those of a new service.
pub(crate) fn wait(
    asked: &Spec,
    monitor: Duration,
    deadline: Duration,
    interrupt: &Interrupt,
) -> Result<Verdict> {
    let mut progress = Progress::new(&asked.name);
    // Since when it has been as it should be, and how many containers had ended by then.
    let mut good: Option<(Instant, usize)> = None;
    loop {
        let verdict = look(asked, &mut progress);
        match verdict {
            Ok(Some(Verdict::Converged)) => {
                let (since, _) = good.get_or_insert((Instant::now(), progress.ended));
                if since.elapsed() >= monitor {
                    return Ok(Verdict::Converged);
                }
            }
            Ok(Some(verdict)) => return Ok(verdict),
            Ok(None) if good.is_some_and(|(_, ended)| progress.ended > ended) => {
                return Ok(Verdict::Failing);
            }
            _ => {}
        }
        // An interrupt also ends a `docker` that is being asked, so it is checked first.
        if interrupt.within(PAUSE) {
            return Ok(Verdict::Interrupted);
        }
        verdict?;
        if progress.started_at.elapsed() > deadline {
            return Ok(Verdict::Expired);
        }
    }
}

fn look(asked: &Spec, progress: &mut Progress) -> Result<Option<Verdict>> {
    let name = &asked.name;
    let service = Service::find(name)?.with_context(|| format!("the service {name} is gone"))?;
    let tasks = Task::of(name)?;
    progress.show(&service, &tasks);
    let replicas = service.spec.replicas()?.unwrap_or_default() as usize;
    Ok(match service.update_state() {
        _ if service.is_updating() => None,
        _ if service.is_paused() => Some(Verdict::Paused),
        // Something else than was asked for serves, with as many replicas as it is to have.
        state if service.spec != *asked => {
            let healthy = tasks.iter().filter(|task| task.is_up()).count();
            let is_back = state.starts_with("rollback");
            let verdict = if is_back { Verdict::RolledBack } else { Verdict::Replaced };
            (healthy == replicas).then_some(verdict)
        }
        _ if is_done(&service, &tasks, replicas) => Some(Verdict::Converged),
        _ if progress.ended >= TRIES * replicas.max(1) => Some(Verdict::Failing),
        _ => None,
    })
}

/// All replicas are what the service says and healthy, and no other is to run.
fn is_done(service: &Service, tasks: &[Task], replicas: usize) -> bool {
    let mut wanted = tasks.iter().filter(|task| task.is_wanted());
    wanted.clone().count() == replicas && wanted.all(|task| task.is_up() && task.is_of(service))
}

/// Waits until nothing is being updated, however it ends.
pub(crate) fn settle(service: &str, deadline: Duration, interrupt: &Interrupt) -> Result<bool> {
    let mut progress = Progress::new(service);
    while let Some(found) = Service::find(service)?.filter(Service::is_updating) {
        progress.show(&found, &Task::of(service)?);
        if interrupt.within(PAUSE) || progress.started_at.elapsed() > deadline {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Says why the newest task that has ended did so, or else why one does not get healthy, as far as
/// this node knows.
pub(crate) fn explain(service: &str) -> Result<()> {
    let tasks = Task::of(service)?;
    let newest = |ill: fn(&&Task) -> bool| {
        tasks.iter().filter(ill).max_by(|a, b| a.created_at.cmp(&b.created_at))
    };
    let ended = newest(|task| task.has_ended());
    let Some(task) = ended.or_else(|| newest(|task| task.is_wanted() && !task.is_up())) else {
        return Ok(());
    };
    let why = or(&task.status.err, "no error given");
    eprintln!("\n{service}.{} is {}: {why}", task.slot, task.status.state);
    let Some(id) = task.container() else {
        return Ok(());
    };
    match Container::find(id)? {
        None => eprintln!("Its container is on node {}.", task.node),
        Some(container) => {
            eprintln!("Its last probes:");
            for probe in container.last_probes() {
                let said = or(probe.output.trim(), "(silent)");
                eprintln!("  exit status {}: {said}", probe.exit_code);
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
    started_at: Instant,
    tasks: HashMap<String, String>,
    update: String,
    /// How many containers have been seen to end.
    ended: usize,
}

impl<'a> Progress<'a> {
    fn new(service: &'a str) -> Self {
        Self {
            service,
            started_at: Instant::now(),
            tasks: HashMap::new(),
            update: String::new(),
            ended: 0,
        }
    }

    fn show(&mut self, service: &Service, tasks: &[Task]) {
        let first = self.tasks.is_empty();
        let seconds = self.started_at.elapsed().as_secs_f64();
        for task in tasks {
            let state = format!("{} {}", task.status.state, task.status.err);
            let known = self.tasks.insert(task.id.clone(), state.clone());
            // What had ended before is no news.
            let is_old = first && (task.desired_state == "shutdown" || task.has_ended());
            if known.as_ref() == Some(&state) || is_old {
                continue;
            }
            self.ended += usize::from(task.has_ended());
            let id = task.id.get(..12).unwrap_or_default();
            eprintln!("{seconds:7.1} s  {}.{}  {id}  {state}", self.service, task.slot);
        }
        let Some(update) = &service.update_status else {
            return;
        };
        let news = service.is_updating() || !first;
        if news && update.state != self.update {
            eprintln!("{seconds:7.1} s  {}: {}", update.state.replace('_', " "), update.message);
        }
        self.update.clone_from(&update.state);
    }
}
