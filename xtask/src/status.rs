//! `status`: the tasks of the service, how long each has been in its state, what its last probes
//! said, and how the service differs from `infra/deploy.toml`.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use serde::Serialize;

use crate::desired::{Desired, Facts};
use crate::docker::{Container, Image, ProbeRun, find};
use crate::preflight;
use crate::service::{Service, Task};
use crate::settings::Settings;
use crate::stored;

/// What `--json` prints.
#[derive(Default, Serialize)]
struct Report<'a> {
    service: &'a str,
    is_deployed: bool,
    healthy: usize,
    replicas: u32,
    image: ImageReport,
    /// Empty if it was never updated.
    update_state: String,
    update_message: String,
    /// The flags of `docker service update` that would undo the drift; the image aside.
    drift: Vec<String>,
    tasks: Vec<TaskReport>,
}

#[derive(Default, Serialize)]
struct ImageReport {
    name: String,
    reference: String,
    /// The id of the local image of that name, if there is one.
    local: Option<String>,
    is_local: bool,
}

#[derive(Serialize)]
struct TaskReport {
    replica: u32,
    task: String,
    container: Option<String>,
    node: String,
    state: String,
    desired_state: String,
    since: String,
    error: String,
    /// Of a container that has ended.
    exit_status: Option<i64>,
    /// How many containers of this replica ended before this one, as far as Swarm remembers.
    restarts: usize,
    /// `starting`, `healthy`, `unhealthy`; unknown on another node.
    health: Option<String>,
    /// The last ones, the newest last.
    probes: Vec<ProbeReport>,
}

#[derive(Serialize)]
struct ProbeReport {
    exit_status: i64,
    output: String,
}

pub(crate) fn run(settings: &Settings, json: bool) -> Result<()> {
    preflight::engine()?;
    let info = preflight::swarm()?;
    let report = match Service::find(&settings.service)? {
        Some(service) => look(settings, &service)?,
        None => Report { service: &settings.service, ..Report::default() },
    };
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        let now = humantime::parse_rfc3339_weak(&info.system_time);
        report.print(now.unwrap_or_else(|_| SystemTime::now()));
    }
    Ok(())
}

fn look<'a>(settings: &'a Settings, service: &Service) -> Result<Report<'a>> {
    let reference = service.spec.reference()?;
    let digest = reference.split_once('@').map(|(_, digest)| digest);
    let local: Option<Image> = find("image", service.image())?;
    let is_same = |image: &Image| {
        let mut digests = image.repo_digests.iter();
        image.id == reference
            || digest.is_some_and(|digest| digests.any(|one| one.ends_with(digest)))
    };
    let image = ImageReport {
        name: service.image().to_owned(),
        is_local: local.as_ref().is_some_and(is_same),
        local: local.map(|image| image.id),
        reference,
    };
    let tasks = Task::of(&settings.service)?;
    Ok(Report {
        service: &settings.service,
        is_deployed: true,
        healthy: tasks.iter().filter(|task| task.is_up()).count(),
        replicas: service.spec.replicas()?.unwrap_or_default(),
        image,
        update_state: service.update_state().to_owned(),
        update_message: service.update_status.as_ref().map_or("", |s| &s.message).to_owned(),
        drift: drift(settings, service).unwrap_or_else(|error| vec![format!("unknown: {error:#}")]),
        tasks: tasks.iter().map(|task| TaskReport::new(task, &tasks)).collect::<Result<_>>()?,
    })
}

/// What `deploy` would change, if it built the image that is there.
fn drift(settings: &Settings, service: &Service) -> Result<Vec<String>> {
    let image = service.image().into();
    let reference = service.spec.reference()?.split('@').next().unwrap_or_default().into();
    let stored = stored::read(settings)?;
    let desired = Desired::new(settings, &Facts { image, reference, stored, current: None });
    let changes = desired.changes(service)?.into_iter();
    Ok(changes.map(|change| format!("{} (now {})", change.flag, change.now)).collect())
}

impl ProbeReport {
    fn new(probe: &ProbeRun) -> Self {
        Self { exit_status: probe.exit_code, output: probe.output.trim().to_owned() }
    }
}

impl TaskReport {
    fn new(task: &Task, tasks: &[Task]) -> Result<Self> {
        let container = task.container().map(Container::find).transpose()?.flatten();
        let has_failed = |other: &&Task| {
            other.slot == task.slot && other.created_at < task.created_at && other.has_ended()
        };
        let probes = container.as_ref().map_or(&[][..], Container::last_probes);
        Ok(Self {
            replica: task.slot,
            task: task.id.clone(),
            container: task.container().map(str::to_owned),
            node: task.node.clone(),
            state: task.status.state.clone(),
            desired_state: task.desired_state.clone(),
            since: task.status.timestamp.clone(),
            error: task.status.err.clone(),
            exit_status: task.exit_status(),
            restarts: tasks.iter().filter(has_failed).count(),
            // Docker calls a container that has ended unhealthy.
            health: container
                .as_ref()
                .filter(|_| task.is_wanted())
                .and_then(Container::health)
                .map(str::to_owned),
            probes: probes.iter().map(ProbeReport::new).collect(),
        })
    }
}

impl Report<'_> {
    fn print(&self, now: SystemTime) {
        let name = self.service;
        if !self.is_deployed {
            println!("{name} is not deployed: cargo xtask deploy");
            return;
        }
        println!("{name}: {} of {} healthy, {}", self.healthy, self.replicas, self.image.name);
        match (&self.image.local, self.image.is_local) {
            (Some(_), true) => {}
            (Some(local), false) => {
                println!("image: runs {}, this machine has {local}", self.image.reference);
            }
            (None, _) => println!("image: runs {}, not on this machine", self.image.reference),
        }
        if !self.update_state.is_empty() {
            println!("last update: {}", self.update_state.replace('_', " "));
        }
        for difference in &self.drift {
            println!("differs from the settings: {difference}");
        }
        for task in &self.tasks {
            let id = task.container.as_deref().and_then(|id| id.get(..12)).unwrap_or("-");
            let since = age(&task.since, now);
            println!("\n{name}.{}  {id}  {} for {since}", task.replica, task.state);
            if task.restarts > 0 {
                println!("    restarts: {}", task.restarts);
            }
            if let Some(exit_status) = task.exit_status {
                println!("    exit status: {exit_status}");
            }
            if !task.error.is_empty() {
                println!("    error: {}", task.error);
            }
            match &task.health {
                Some(health) => println!("    health: {health}"),
                None => println!("    node: {}", task.node),
            }
            for probe in &task.probes {
                let line = format!("    probe: exit status {} {}", probe.exit_status, probe.output);
                println!("{}", line.trim_end());
            }
        }
    }
}

/// How long ago that was, to the second, by the engine's clock.
fn age(since: &str, now: SystemTime) -> String {
    let since = humantime::parse_rfc3339_weak(since);
    let age = since.ok().and_then(|since| now.duration_since(since).ok()).unwrap_or_default();
    humantime::format_duration(Duration::from_secs(age.as_secs())).to_string()
}
