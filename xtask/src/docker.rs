//! What xtask reads from Docker, as JSON through the `docker` command line, so that contexts,
//! `DOCKER_HOST` and ssh work as they do by hand. A field that Docker always writes and that is
//! missing is an error that names it; fields that Docker leaves out when they are empty are
//! optional here. Services and tasks are in `service`. Nothing here changes anything.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use crate::arg::Arg;
use crate::command::Cmd;

/// Variables that would change what is built or run, without a word.
const FOREIGN: [&str; 1] = ["DOCKER_DEFAULT_PLATFORM"];

/// Types that Docker's JSON is read into: it writes its names in Pascal case, and leaves out fields
/// that are marked `= default` when they are empty.
macro_rules! from_docker {
    ($($(#[$meta:meta])* struct $name:ident {
        $($(#[$about:meta])* $field:ident: $type:ty $(= $default:ident)?,)*
    })*) => {
        $(#[derive(Clone, Debug, Default, serde::Deserialize, PartialEq)]
        #[serde(rename_all = "PascalCase")]
        #[allow(clippy::struct_field_names, reason = "Docker's names")]
        $(#[$meta])*
        pub(crate) struct $name {
            $($(#[$about])*
            $(#[serde($default, deserialize_with = "crate::docker::or_null")])?
            pub(crate) $field: $type,)*
        })*
    };
}
pub(crate) use from_docker;

/// Docker writes `null` for some lists and maps that are empty.
pub(crate) fn or_null<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

pub(crate) fn docker<I>(args: I) -> Cmd
where
    I: IntoIterator,
    I::Item: Into<Arg>,
{
    Cmd::new("docker", args).env_remove(&FOREIGN)
}

pub(crate) fn json<T: DeserializeOwned>(command: &Cmd) -> Result<T> {
    serde_json::from_str(&command.read()?)
        .with_context(|| format!("cannot understand what `{command}` printed"))
}

/// Inspects objects of a kind by their ids. One may disappear between two questions; the others are
/// printed all the same.
pub(crate) fn inspect<T: DeserializeOwned>(kind: &str, ids: &str) -> Result<Vec<T>> {
    if ids.trim().is_empty() {
        return Ok(Vec::new());
    }
    let command = docker(["inspect", "--type", kind]).args(ids.lines());
    let found = command.output()?.stdout;
    // A field that is missing must not be taken for an object that is gone.
    serde_json::from_slice(&found)
        .with_context(|| format!("cannot understand what `{command}` printed"))
}

/// The same, for one object; `None` if there is no such object.
pub(crate) fn find<T: DeserializeOwned>(kind: &str, id: &str) -> Result<Option<T>> {
    Ok(inspect(kind, id)?.into_iter().next())
}

from_docker! {
    /// The engine behind the `docker` command line.
    struct Engine {
        version: String,
        #[serde(rename = "ApiVersion", deserialize_with = "api_version")]
        api: (u32, u32),
        /// As Docker spells it: `amd64`, `arm64`.
        arch: String,
    }

    /// The node that `docker` talks to.
    struct Info {
        system_time: String,
        swarm: Swarm,
    }

    struct Swarm {
        /// `inactive`, `pending`, `active`, `error` or `locked`.
        local_node_state: String,
        control_available: bool,
    }

    /// A container on the node that `docker` talks to.
    struct Container {
        id: String,
        name: String,
        state: ContainerState,
        config: ContainerConfig,
        host_config: HostConfig,
        network_settings: NetworkSettings,
    }

    struct ContainerState {
        /// Not there before the container has been started.
        health: Option<Health> = default,
    }

    struct Health {
        /// `starting`, `healthy`, `unhealthy`.
        status: String,
        /// The last probes, the newest last.
        log: Vec<ProbeRun> = default,
    }

    struct ProbeRun {
        exit_code: i64,
        output: String,
    }

    struct ContainerConfig {
        labels: BTreeMap<String, String> = default,
    }

    struct HostConfig {
        network_mode: String,
    }

    struct NetworkSettings {
        /// By port and protocol inside, such as `6767/tcp`.
        ports: BTreeMap<String, Option<Vec<Binding>>> = default,
    }

    struct Binding {
        host_port: String,
    }

    struct Node {
        #[serde(rename = "ID")]
        id: String,
        spec: NodeSpec,
        status: NodeStatus,
    }

    struct NodeSpec {
        availability: String,
    }

    struct NodeStatus {
        state: String,
    }

    struct Image {
        id: String,
        size: u64,
        repo_tags: Vec<String> = default,
        repo_digests: Vec<String> = default,
    }

    struct Network {
        #[serde(rename = "Id")]
        id: String,
        name: String,
        driver: String,
        scope: String,
    }

    /// A secret or a config of the swarm.
    struct Stored {
        #[serde(rename = "ID")]
        id: String,
        spec: StoredSpec,
    }

    struct StoredSpec {
        name: String,
    }
}

/// A text such as `1.41`.
fn api_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(u32, u32), D::Error> {
    let text = String::deserialize(deserializer)?;
    let parts = text.split_once('.');
    parts
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
        .ok_or_else(|| D::Error::custom(format!("{text:?} is not a version of the API")))
}

impl Engine {
    pub(crate) fn ask() -> Result<Self> {
        json(&docker(["version", "--format={{json .Server}}"]))
    }
}

impl Info {
    pub(crate) fn ask() -> Result<Self> {
        json(&docker(["info", "--format={{json .}}"]))
    }
}

/// Whether the engine runs on this machine.
pub(crate) fn engine_is_local() -> bool {
    let host: Result<String> =
        json(&docker(["context", "inspect", "--format={{json .Endpoints.docker.Host}}"]));
    host.is_ok_and(|host| host.starts_with("unix://"))
}

impl Container {
    fn list(filter: Option<String>, also_stopped: bool) -> Result<Vec<Self>> {
        let list = docker(["ps", "--quiet", "--no-trunc"])
            .args(also_stopped.then_some("--all"))
            .args(filter.map(|filter| format!("--filter={filter}")));
        inspect("container", &list.read()?)
    }

    pub(crate) fn running() -> Result<Vec<Self>> {
        Self::list(None, false)
    }

    /// The containers of a service on this node.
    pub(crate) fn of(service: &str, also_stopped: bool) -> Result<Vec<Self>> {
        Self::list(Some(format!("label=com.docker.swarm.service.name={service}")), also_stopped)
    }

    pub(crate) fn find(id: &str) -> Result<Option<Self>> {
        find("container", id)
    }

    pub(crate) fn name(&self) -> &str {
        self.name.trim_start_matches('/')
    }

    pub(crate) fn health(&self) -> Option<&str> {
        self.state.health.as_ref().map(|health| health.status.as_str())
    }

    /// The last three probes, the newest last.
    pub(crate) fn last_probes(&self) -> &[ProbeRun] {
        let log = self.state.health.as_ref().map_or(&[][..], |health| &health.log);
        &log[log.len().saturating_sub(3)..]
    }

    /// The name of the service that Swarm runs it for.
    pub(crate) fn service(&self) -> Option<&str> {
        self.config.labels.get("com.docker.swarm.service.name").map(String::as_str)
    }

    /// Whether it holds this TCP port of the node.
    pub(crate) fn has_tcp_port(&self, port: u16) -> bool {
        let ports = self.network_settings.ports.iter();
        self.host_config.network_mode != "host"
            && ports.filter(|(inside, _)| inside.ends_with("/tcp")).any(|(_, bindings)| {
                let mut bindings = bindings.iter().flatten();
                bindings.any(|binding| binding.host_port.parse() == Ok(port))
            })
    }
}

impl Node {
    /// The nodes that take containers.
    pub(crate) fn all_active() -> Result<Vec<Self>> {
        let nodes: Vec<Self> = inspect("node", &docker(["node", "ls", "--quiet"]).read()?)?;
        let is_active =
            |node: &Self| node.spec.availability == "active" && node.status.state == "ready";
        Ok(nodes.into_iter().filter(is_active).collect())
    }
}
