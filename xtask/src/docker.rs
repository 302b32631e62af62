//! What xtask reads from Docker, through the `docker` command line alone, so that contexts,
//! `DOCKER_HOST` and ssh work as they do by hand. What it changes stands in the plan.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::command::Cmd;

/// On the service: the image with its tag, as people know it.
pub(crate) const IMAGE_LABEL: &str = "accountservice.image";
/// On the service: identifies the plan it was made from.
pub(crate) const PLAN_LABEL: &str = "accountservice.plan";
/// On the containers: identifies the settings they were made from.
pub(crate) const VERSION_LABEL: &str = "accountservice.version";

pub(crate) fn docker<I>(args: I) -> Cmd
where
    I: IntoIterator,
    I::Item: Into<String>,
{
    Cmd::new("docker", args)
}

/// The engine behind the `docker` command line.
pub(crate) struct Engine {
    pub(crate) version: String,
    pub(crate) api: (u32, u32),
    /// As Docker spells it: `amd64`, `arm64`.
    pub(crate) arch: String,
}

/// A Swarm service, as far as it matters here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Service {
    /// What Swarm was told to run: an id, or a name with its digest.
    pub(crate) reference: String,
    /// The image with its tag.
    pub(crate) image: String,
    pub(crate) replicas: usize,
    pub(crate) plan: String,
    pub(crate) environment: Vec<String>,
    pub(crate) constraints: Vec<String>,
    /// The names of the networks it is attached to.
    pub(crate) networks: Vec<String>,
    pub(crate) ports: Vec<u16>,
    /// `updating`, `completed`, `rollback_started`...; empty if it was never updated.
    pub(crate) update_state: String,
    pub(crate) update_message: String,
}

/// One try at running one replica.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) slot: u32,
    pub(crate) reference: String,
    pub(crate) version: String,
    pub(crate) state: String,
    pub(crate) desired: String,
    pub(crate) created: String,
    pub(crate) since: String,
    pub(crate) error: String,
    pub(crate) node: String,
    pub(crate) container: Option<String>,
}

impl Engine {
    pub(crate) fn ask() -> Result<Self> {
        let server = json(&docker(["version", "--format={{json .Server}}"]))?;
        let api = text(&server, "/ApiVersion");
        let parts = api.split_once('.');
        let api = parts
            .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
            .with_context(|| format!("cannot read the engine's API version {api:?}"))?;
        Ok(Self { version: text(&server, "/Version"), api, arch: text(&server, "/Arch") })
    }
}

/// What the engine's node is to the swarm.
pub(crate) struct Swarm {
    /// `inactive`, `pending`, `active`, `error` or `locked`.
    pub(crate) state: String,
    pub(crate) is_manager: bool,
}

impl Swarm {
    pub(crate) fn ask() -> Result<Self> {
        let swarm = json(&docker(["info", "--format={{json .Swarm}}"]))?;
        let is_manager = swarm.pointer("/ControlAvailable") == Some(&Value::Bool(true));
        Ok(Self { state: text(&swarm, "/LocalNodeState"), is_manager })
    }
}

impl Service {
    /// The service of this name, if there is one.
    pub(crate) fn find(name: &str) -> Result<Option<Self>> {
        let names = docker(["service", "ls", "--format={{.Name}}"])
            .args([format!("--filter=name={name}")])
            .read()?;
        // Docker's filter takes a name for a prefix.
        if !names.lines().any(|line| line == name) {
            return Ok(None);
        }
        let found = json(&docker(["service", "inspect", "--format={{json .}}", name]))?;
        let task = &found["Spec"]["TaskTemplate"];
        let networks = list(task, "/Networks").iter().map(|network| {
            let id = text(network, "/Target");
            let name = docker(["network", "inspect", "--format={{.Name}}", &id]).read()?;
            Ok(name.trim().to_owned())
        });
        let ports = list(&found, "/Endpoint/Ports").iter();
        Ok(Some(Self {
            reference: text(task, "/ContainerSpec/Image"),
            image: text(&found["Spec"]["Labels"][IMAGE_LABEL], ""),
            replicas: number(&found, "/Spec/Mode/Replicated/Replicas"),
            plan: text(&found["Spec"]["Labels"][PLAN_LABEL], ""),
            environment: texts(task, "/ContainerSpec/Env"),
            constraints: texts(task, "/Placement/Constraints"),
            networks: networks.collect::<Result<_>>()?,
            ports: ports.map(|port| number(port, "/PublishedPort")).collect(),
            update_state: text(&found, "/UpdateStatus/State"),
            update_message: text(&found, "/UpdateStatus/Message"),
        }))
    }

    /// Swarm has stopped halfway through an update or a rollback.
    pub(crate) fn is_paused(&self) -> bool {
        ["paused", "rollback_paused"].contains(&self.update_state.as_str())
    }

    /// Swarm is at work on it.
    pub(crate) fn is_updating(&self) -> bool {
        ["updating", "rollback_started"].contains(&self.update_state.as_str())
    }
}

impl Task {
    /// All tasks of a service that Swarm remembers, the newest of each slot first.
    pub(crate) fn of(service: &str) -> Result<Vec<Self>> {
        let list = docker(["service", "ps", "--quiet", "--no-trunc", service]).read()?;
        if list.trim().is_empty() {
            return Ok(Vec::new());
        }
        // A task may be forgotten between the two questions; the others are printed all the same.
        let inspect = docker(["inspect", "--type=task"]).args(list.lines());
        let found: Vec<Value> = serde_json::from_slice(&inspect.output()?.stdout)
            .with_context(|| format!("cannot understand what `{inspect}` printed"))?;
        let mut tasks: Vec<Self> = found.iter().map(Self::read).collect();
        tasks.sort_by(|a, b| (a.slot, &b.created).cmp(&(b.slot, &a.created)));
        Ok(tasks)
    }

    fn read(task: &Value) -> Self {
        let container = text(task, "/Status/ContainerStatus/ContainerID");
        let spec = &task["Spec"]["ContainerSpec"];
        Self {
            id: text(task, "/ID"),
            slot: number(task, "/Slot"),
            reference: text(spec, "/Image"),
            version: text(&spec["Labels"][VERSION_LABEL], ""),
            state: text(task, "/Status/State"),
            desired: text(task, "/DesiredState"),
            created: text(task, "/CreatedAt"),
            since: text(task, "/Status/Timestamp"),
            error: text(task, "/Status/Err"),
            node: text(task, "/NodeID"),
            container: (!container.is_empty()).then_some(container),
        }
    }

    /// Running and, as there is a health check, healthy.
    pub(crate) fn is_up(&self) -> bool {
        self.state == "running" && self.desired == "running"
    }

    /// It has ended though it never should. One that was unhealthy and then stopped as it was told
    /// to counts as complete.
    pub(crate) fn has_ended(&self) -> bool {
        ["complete", "failed", "rejected"].contains(&self.state.as_str())
    }
}

/// A container on the node that `docker` talks to.
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) name: String,
    /// `starting`, `healthy`, `unhealthy`.
    pub(crate) health: String,
    /// The exit status and output of the last probes, the newest last.
    pub(crate) probes: Vec<(i64, String)>,
}

impl Container {
    /// The containers of a service on this node, running or not.
    pub(crate) fn of(service: &str, also_stopped: bool) -> Result<Vec<Self>> {
        let list = docker(["ps", "--quiet", "--no-trunc"])
            .args(also_stopped.then_some("--all"))
            .args([format!("--filter=label=com.docker.swarm.service.name={service}")])
            .read()?;
        let found = list.lines().map(Self::find);
        Ok(found.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// The container of this id, if this node has it.
    pub(crate) fn find(id: &str) -> Result<Option<Self>> {
        let inspect = docker(["inspect", "--type=container", "--format={{json .}}", id]);
        let output = inspect.output()?;
        if !output.status.success() {
            return Ok(None);
        }
        let found: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("cannot understand what `{inspect}` printed"))?;
        let probes = list(&found, "/State/Health/Log").iter().map(|probe| {
            let exit = probe["ExitCode"].as_i64().unwrap_or_default();
            (exit, text(probe, "/Output").trim().to_owned())
        });
        Ok(Some(Self {
            id: text(&found, "/Id"),
            name: text(&found, "/Name").trim_start_matches('/').to_owned(),
            health: text(&found, "/State/Health/Status"),
            probes: probes.collect(),
        }))
    }
}

fn json(command: &Cmd) -> Result<Value> {
    serde_json::from_str(&command.read()?)
        .with_context(|| format!("cannot understand what `{command}` printed"))
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn number<T: TryFrom<u64> + Default>(value: &Value, pointer: &str) -> T {
    let number = value.pointer(pointer).and_then(Value::as_u64);
    number.and_then(|number| number.try_into().ok()).unwrap_or_default()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn texts(value: &Value, pointer: &str) -> Vec<String> {
    list(value, pointer).iter().map(|item| text(item, "")).collect()
}
