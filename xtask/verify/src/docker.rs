//! What verify reads from Docker, as JSON, through the `docker` command line. What verify changes
//! on the engine, it changes by `cargo xtask`, as a user does.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::command::{command, read, show};

/// Where the service listens inside of its container.
pub(crate) const PORT: u16 = 6767;

pub(crate) fn docker(args: &[&str]) -> Command {
    command("docker", args)
}

/// Runs the command and reads the JSON that it prints.
pub(crate) fn json<T: DeserializeOwned>(command: &mut Command) -> Result<T> {
    let text = read(command)?;
    serde_json::from_str(&text).with_context(|| format!("unexpected JSON of `{}`", show(command)))
}

/// A container on the node that `docker` talks to.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) state: State,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct State {
    pub(crate) health: Health,
    pub(crate) pid: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Health {
    pub(crate) failing_streak: u64,
    /// `starting`, `healthy`, `unhealthy`.
    pub(crate) status: String,
    /// The last five probes, the newest last.
    pub(crate) log: Vec<Probe>,
}

#[derive(Clone, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Probe {
    pub(crate) start: String,
    pub(crate) exit_code: i64,
}

impl Container {
    pub(crate) fn find(id: &str) -> Result<Self> {
        json(&mut docker(&["inspect", "--type=container", "--format={{json .}}", id]))
    }

    /// The running containers of a service.
    pub(crate) fn of(service: &str) -> Result<Vec<Self>> {
        ids(service)?.iter().map(|id| Self::find(id)).collect()
    }

    /// The one running container of a service, which must be healthy.
    pub(crate) fn only(service: &str) -> Result<Self> {
        let count = |all: Vec<_>| anyhow!("{service} has {} containers, not 1", all.len());
        let [container] = <[Self; 1]>::try_from(Self::of(service)?).map_err(count)?;
        let status = &container.state.health.status;
        ensure!(status == "healthy", "the container is {status}");
        Ok(container)
    }
}

fn ids(service: &str) -> Result<Vec<String>> {
    let filter = format!("--filter=label=com.docker.swarm.service.name={service}");
    let ids = read(&mut docker(&["ps", "--quiet", "--no-trunc", &filter]))?;
    Ok(ids.lines().map(str::to_owned).collect())
}

/// The running containers of a service, and where this machine reaches each, published or not: its
/// address on the bridge by which the containers of an overlay network reach the outside.
pub(crate) fn addresses(service: &str) -> Result<Vec<(String, SocketAddr)>> {
    let ids = ids(service)?;
    let inspect = ["network", "inspect", "--format={{json .Containers}}", "docker_gwbridge"];
    let bridge: Value = json(&mut docker(&inspect))?;
    let found = ids.into_iter().filter_map(|id| {
        // A container that is just starting or ending is not there.
        let address = bridge[&id]["IPv4Address"].as_str()?.split('/').next()?;
        Some((id, SocketAddr::from((address.parse::<Ipv4Addr>().ok()?, PORT))))
    });
    Ok(found.collect())
}
