//! Checks whether a deployment can succeed, before anything is changed. Each problem comes with the
//! command that solves it. It asks Docker, and binds the port on this machine. `deploy` calls it;
//! other commands use its explanation of an engine that does not answer.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

use anyhow::{Result, anyhow, ensure};

use crate::docker::{
    Container, Engine, Info, Network, Node, docker, engine_is_local, find, inspect,
};
use crate::service::{Port, Service, Task};
use crate::settings::{Publish, Settings};

/// The first engine API that knows all that the plan asks for (Docker 20.10).
const LEAST_API: (u32, u32) = (1, 41);

/// The engine, or all problems at once.
pub(crate) fn run(settings: &Settings) -> Result<Engine, Vec<String>> {
    let text = |error| format!("{error:#}");
    let engine = engine().map_err(|error| vec![text(error)])?;
    let (major, minor) = engine.api;
    let is_old = engine.api < LEAST_API;
    let mut problems = Vec::from_iter(is_old.then(|| {
        format!(
            "the engine speaks API {major}.{minor}; limits on processes need 1.41: install Docker \
             20.10 or later"
        )
    }));
    problems.extend(swarm().err().map(text));
    if !problems.is_empty() {
        return Err(problems);
    }
    let problems = look(settings).map_err(|error| vec![text(error)])?;
    if problems.is_empty() { Ok(engine) } else { Err(problems) }
}

/// An engine that answers.
pub(crate) fn engine() -> Result<Engine> {
    Engine::ask().map_err(|error| {
        if docker(["--version"]).succeeds().is_err() {
            return anyhow!(
                "there is no `docker` command: install Docker, for example with \
                 `apt-get install docker.io`"
            );
        }
        anyhow!(
            "no engine answers: start it, for example with `systemctl start docker`, or name \
             another with DOCKER_HOST or `docker context use NAME`. Docker says: {error:#}"
        )
    })
}

/// A swarm that can be managed from here.
pub(crate) fn swarm() -> Result<Info> {
    let info = Info::ask()?;
    let state = &info.swarm.local_node_state;
    let is_manager = info.swarm.control_available;
    ensure!(
        is_manager || state != "active",
        "this node is a worker of its swarm: talk to a manager, with \
         `docker context use NAME` or DOCKER_HOST=ssh://USER@MANAGER"
    );
    ensure!(is_manager, "the engine is in no swarm (its state is {state}): docker swarm init");
    Ok(info)
}

fn look(settings: &Settings) -> Result<Vec<String>> {
    let services = docker(["service", "ls", "--quiet"]).read()?;
    let services: Vec<Service> = inspect("service", &services)?;
    let current = services.iter().find(|service| service.spec.name == settings.service);
    let mut problems = Vec::new();
    problems.extend(network(&settings.network)?);
    let replicas = current.map(|service| service.spec.replicas()).transpose()?;
    if replicas == Some(None) {
        problems.push(format!(
            "the service {0} runs once on each node, which cannot be changed: docker service rm {0}",
            settings.service
        ));
    }
    problems.extend(port(settings, &services, current)?);
    Ok(problems)
}

/// A network of that name which a service cannot join.
fn network(name: &str) -> Result<Option<String>> {
    let network: Option<Network> = find("network", name)?;
    let unfit = network.filter(|found| found.driver != "overlay" || found.scope != "swarm");
    Ok(unfit.map(|Network { driver, scope, .. }| {
        format!(
            "the network {name} is not an overlay network of the swarm but `{driver} {scope}`: choose \
             another with --network NAME, or remove it with `docker network rm {name}`"
        )
    }))
}

/// Who has the port, if the engine would refuse it or could not place all containers. The routing
/// mesh takes a port that a container or a process of this node has, and one of both is no longer
/// reached: that is refused too.
fn port(
    settings: &Settings,
    services: &[Service],
    current: Option<&Service>,
) -> Result<Option<String>> {
    let port = settings.port;
    let problem = |holder: String| {
        Some(format!(
            "port {port} is taken by {holder}: stop that, or choose another with --port N"
        ))
    };
    if settings.publish == Publish::None {
        return Ok(None);
    }
    let takes = |other: &&Port| other.protocol == "tcp" && other.published_port == port;
    let mut shared = Vec::new();
    for service in services.iter().filter(|other| other.spec.name != settings.service) {
        for other in service.ports()?.iter().filter(takes) {
            // Two services may publish a port of the nodes, as long as there are nodes for both.
            if other.publish_mode == "host" && settings.publish == Publish::Host {
                shared.push(service.spec.name.as_str());
            } else {
                return Ok(problem(format!("the service {}", service.spec.name)));
            }
        }
    }
    shared.dedup();
    let replicas = settings.replicas as usize;
    if settings.publish == Publish::Host {
        match free_nodes(&shared)? {
            free if free >= replicas => {}
            0 if !shared.is_empty() => {
                return Ok(problem(format!("the service {} on every node", shared.join(", "))));
            }
            free => {
                return Ok(Some(format!(
                    "port {port} is free on {free} of the nodes, and publish = \"host\" needs one for \
                     each of {replicas} replicas: choose fewer with --replicas N"
                )));
            }
        }
    }
    let containers = Container::running()?;
    let mut holders = containers.iter().filter(|one| one.has_tcp_port(port));
    let is_known = |one: &Container| {
        one.service().is_some_and(|name| name == settings.service || shared.contains(&name))
    };
    if let Some(container) = holders.clone().find(|one| !is_known(one)) {
        return Ok(problem(format!("the container {}", container.name())));
    }
    // The engine itself listens on the ports of the services and the containers that it has.
    let own = current.map(Service::ports).transpose()?.unwrap_or_default();
    let is_of_engine =
        own.iter().any(|one| takes(&one)) || !shared.is_empty() || holders.next().is_some();
    if is_of_engine || !engine_is_local() {
        return Ok(None);
    }
    let is_taken = |address: IpAddr| {
        let listener = TcpListener::bind((address, port));
        listener.is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
    };
    let is_taken = is_taken(Ipv4Addr::UNSPECIFIED.into()) || is_taken(Ipv6Addr::UNSPECIFIED.into());
    let holder = format!("a process; `ss --listening --tcp --processes 'sport = :{port}'`");
    Ok(is_taken.then_some(holder).and_then(problem))
}

/// How many nodes run none of these.
fn free_nodes(services: &[&str]) -> Result<usize> {
    let mut busy = BTreeSet::new();
    for service in services {
        let tasks = Task::of(service)?.into_iter();
        busy.extend(tasks.filter(Task::is_wanted).map(|task| task.node));
    }
    Ok(Node::all_active()?.into_iter().filter(|node| !busy.contains(&node.id)).count())
}
