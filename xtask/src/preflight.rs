//! What must be so before anything is changed. Each thing that is not says what to type.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

use crate::docker::{Engine, Service, Swarm, docker};
use crate::settings::{Publish, Settings};

/// The first engine API that knows all that the plan asks for (Docker 20.10).
const LEAST_API: (u32, u32) = (1, 41);

/// What was found.
pub(crate) struct Ground {
    pub(crate) engine: Engine,
    /// The service as it is, if it is there.
    pub(crate) current: Option<Service>,
}

/// All that is missing, at once.
pub(crate) fn run(settings: &Settings) -> Result<Ground, Vec<String>> {
    let engine = Engine::ask().map_err(|error| vec![no_engine(&format!("{error:#}"))])?;
    let mut missing = Vec::new();
    if engine.api < LEAST_API {
        let (major, minor) = engine.api;
        missing.push(format!(
            "the engine speaks API {major}.{minor}; limits on processes need 1.41: install Docker \
             20.10 or later"
        ));
    }
    match Swarm::ask() {
        Ok(swarm) if swarm.is_manager => {}
        Ok(swarm) if swarm.state == "active" => missing.push(
            "this node is a worker of its swarm: talk to a manager, with \
             `docker context use NAME` or DOCKER_HOST=ssh://USER@MANAGER"
                .to_owned(),
        ),
        Ok(swarm) => missing.push(format!(
            "the engine is in no swarm (its state is {}): docker swarm init",
            swarm.state
        )),
        Err(error) => missing.push(format!("{error:#}")),
    }
    if !missing.is_empty() {
        return Err(missing);
    }
    let current = match Service::find(&settings.service) {
        Ok(current) => current,
        Err(error) => return Err(vec![format!("{error:#}")]),
    };
    missing.extend(network(&settings.network));
    let ours = current.as_ref().is_some_and(|service| service.ports.contains(&settings.port));
    if settings.publish != Publish::None && !ours {
        missing.extend(port(settings.port, &settings.service));
    }
    if missing.is_empty() { Ok(Ground { engine, current }) } else { Err(missing) }
}

/// Whether the engine runs on this machine.
pub(crate) fn engine_is_local() -> bool {
    let host = docker(["context", "inspect", "--format={{.Endpoints.docker.Host}}"]).read();
    host.is_ok_and(|host| host.starts_with("unix://"))
}

fn no_engine(why: &str) -> String {
    if docker(["--version"]).succeeds().is_err() {
        return "there is no `docker` command: install Docker, for example with \
                `apt-get install docker.io`"
            .to_owned();
    }
    format!(
        "no engine answers: start it, for example with `systemctl start docker`, or name another \
         with DOCKER_HOST or `docker context use NAME`. Docker says: {why}"
    )
}

/// A network of that name which a service cannot join.
fn network(name: &str) -> Option<String> {
    let inspect = docker(["network", "inspect", "--format={{.Driver}} {{.Scope}}", name]);
    let found = inspect.read().ok()?;
    (found.trim() != "overlay swarm").then(|| {
        format!(
            "the network {name} is not an overlay network of the swarm but `{}`: choose another \
             with --network NAME, or remove it with `docker network rm {name}`",
            found.trim()
        )
    })
}

/// Whoever has the port.
fn port(port: u16, service: &str) -> Option<String> {
    let containers = containers_at(port);
    // A container of ours that is still stopping: Swarm waits for the port by itself.
    if containers.iter().any(|name| name.starts_with(&format!("{service}."))) {
        return None;
    }
    let container = containers.first().map(|name| format!("the container {name}"));
    let holder = services_at(port).or(container).or_else(|| {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
        let taken = listener.is_err_and(|error| error.kind() == ErrorKind::AddrInUse);
        (taken && engine_is_local())
            .then(|| format!("a process; `ss --listening --tcp --processes 'sport = :{port}'`"))
    })?;
    Some(format!("port {port} is taken by {holder}: stop that, or choose another with --port N"))
}

fn services_at(port: u16) -> Option<String> {
    let services = docker(["service", "ls", "--format={{.Name}} {{.Ports}}"]).read().ok()?;
    let taken = services.lines().find(|line| line.contains(&format!(":{port}->")))?;
    Some(format!("the service {}", taken.split(' ').next()?))
}

fn containers_at(port: u16) -> Vec<String> {
    let names = docker(["ps", "--format={{.Names}}"]).args([format!("--filter=publish={port}")]);
    names.read().unwrap_or_default().lines().map(str::to_owned).collect()
}
