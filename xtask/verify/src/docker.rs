//! What verify reads from Docker, as JSON, through the `docker` command line. What it changes, it
//! changes by `cargo xtask`.

use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::command::{command, read, show};

pub(crate) fn docker<I>(args: I) -> Command
where
    I: IntoIterator,
    I::Item: AsRef<std::ffi::OsStr>,
{
    command("docker", args)
}

/// The JSON that it prints.
pub(crate) fn json<T: DeserializeOwned>(command: &mut Command) -> Result<T> {
    let text = read(command)?;
    serde_json::from_str(&text)
        .with_context(|| format!("cannot read what `{}` printed", show(command)))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Swarm {
    /// `inactive`, `pending`, `active`, `error` or `locked`.
    pub(crate) local_node_state: String,
}

impl Swarm {
    pub(crate) fn ask() -> Result<Self> {
        json(&mut docker(["info", "--format={{json .Swarm}}"]))
    }
}

/// A container on the node that `docker` talks to.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) restart_count: u64,
    pub(crate) config: Config,
    pub(crate) host_config: HostConfig,
    pub(crate) network_settings: NetworkSettings,
    pub(crate) state: State,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Config {
    pub(crate) user: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HostConfig {
    pub(crate) cap_drop: Vec<String>,
    pub(crate) privileged: bool,
    pub(crate) readonly_rootfs: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NetworkSettings {
    #[serde(rename = "IPAddress")]
    pub(crate) ip_address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct State {
    pub(crate) health: Health,
    #[serde(rename = "OOMKilled")]
    pub(crate) oom_killed: bool,
    pub(crate) pid: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Health {
    pub(crate) failing_streak: u64,
    /// `starting`, `healthy`, `unhealthy`.
    pub(crate) status: String,
}

impl Container {
    /// The running containers of a service.
    pub(crate) fn of(service: &str) -> Result<Vec<Self>> {
        let filter = format!("--filter=label=com.docker.swarm.service.name={service}");
        let ids = read(&mut docker(["ps", "--quiet", "--no-trunc", &filter]))?;
        ids.lines().map(Self::find).collect()
    }

    pub(crate) fn find(id: &str) -> Result<Self> {
        json(&mut docker(["inspect", "--type=container", "--format={{json .}}", id]))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    update_status: Option<UpdateStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateStatus {
    state: String,
}

/// Whether an update of this service is under way.
pub(crate) fn is_updating(service: &str) -> Result<bool> {
    let found: Service = json(&mut docker(["service", "inspect", "--format={{json .}}", service]))?;
    Ok(found.update_status.is_some_and(|status| status.state == "updating"))
}
