//! `destroy`: removes the service and waits until it is gone: `docker service rm` returns while the
//! containers are still stopping. It does what it can: what it has to leave it names with the reason.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::command::Cmd;
use crate::docker::{Container, Image, Network, docker, find, inspect};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::service::Service;
use crate::settings::Settings;
use crate::{preflight, stored};

/// How often the engine is asked.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a network counts as in use after the last container is gone.
const NETWORK_LAG: Duration = Duration::from_secs(5);

pub(crate) fn run(settings: &Settings, all: bool) -> Result<Exit> {
    preflight::engine().map_err(|problem| anyhow!(problem))?;
    let interrupt = Interrupt::listen()?;
    let mut left = Vec::new();
    // An engine outside a swarm has no services, but perhaps images.
    match preflight::swarm() {
        Ok(_) => left.extend(remove_service(settings, &interrupt)),
        Err(problem) => eprintln!("No service: {problem}"),
    }
    if all && !interrupt.is_set() {
        left.extend(remove_network(&settings.network, &interrupt));
        left.extend(stored::remove_unused(&settings.service, None));
        left.extend(remove_images(&settings.image));
    }
    for what in &left {
        eprintln!("Left: {what}");
    }
    Ok(match () {
        () if interrupt.is_set() => Exit::Interrupted,
        () if left.is_empty() => Exit::Done,
        () => Exit::Left,
    })
}

fn remove_service(settings: &Settings, interrupt: &Interrupt) -> Vec<String> {
    let name = &settings.service;
    let removed = Service::find(name).and_then(|found| {
        found.map_or(Ok(()), |_| docker(["service", "rm", name]).read().map(drop))
    });
    if let Err(error) = removed {
        return vec![format!("the service {name}: {error:#}")];
    }
    let started_at = Instant::now();
    loop {
        let left = match Container::of(name, true) {
            Ok(left) => left,
            Err(error) => return vec![format!("the containers of {name}: {error:#}")],
        };
        if left.is_empty() {
            println!("{name} is gone.");
            return Vec::new();
        }
        let is_over = started_at.elapsed() > settings.restart.stop_grace.0 + settings.deadline.0;
        if is_over || interrupt.within(PAUSE) {
            let still = |container: &Container| {
                let name = container.name();
                format!("the container {name}, which has not stopped: docker rm --force {name}")
            };
            return left.iter().map(still).collect();
        }
    }
}

fn remove_network(name: &str, interrupt: &Interrupt) -> Option<String> {
    let network: Option<Network> = match find("network", name) {
        Ok(network) => network,
        Err(error) => return Some(format!("the network {name}: {error:#}")),
    };
    // A network of another kind is not one of ours.
    let network = network.filter(|found| found.name == name && found.driver == "overlay")?;
    let started_at = Instant::now();
    loop {
        match docker(["network", "rm", &network.id]).read() {
            Ok(_) => {
                println!("The network {name} is gone.");
                return None;
            }
            Err(_) if started_at.elapsed() < NETWORK_LAG && !interrupt.within(PAUSE) => {}
            Err(error) => return Some(format!("the network {name}: {error:#}")),
        }
    }
}

fn remove_images(name: &str) -> Vec<String> {
    let list = docker(["image", "ls", "--quiet", "--no-trunc"])
        .args([format!("--filter=reference={name}"), format!("--filter=reference={name}:*")]);
    let images: Result<Vec<Image>> = list.read().and_then(|ids| inspect("image", &ids));
    let mut images = match images {
        Ok(images) => images,
        Err(error) => return vec![format!("the images {name}: {error:#}")],
    };
    images.dedup_by(|a, b| a.id == b.id);
    let mut left = Vec::new();
    for image in &images {
        // The same image may have names of others, which stay.
        let tags = image.repo_tags.iter().flatten().filter(|tag| is_of(name, tag, ':'));
        let digests = image.repo_digests.iter().flatten().filter(|tag| is_of(name, tag, '@'));
        let names: Vec<_> = tags.chain(digests).collect();
        for reference in names {
            // With its last tag an image loses its digests.
            let is_there = docker(["image", "inspect", reference]).succeeds();
            if is_there.is_ok_and(|is_there| is_there) {
                left.extend(remove(&docker(["image", "rm", reference]), reference));
            }
        }
    }
    left
}

fn is_of(name: &str, reference: &str, separator: char) -> bool {
    reference.rsplit_once(separator).is_some_and(|(repository, _)| repository == name)
}

fn remove(command: &Cmd, image: &str) -> Option<String> {
    match command.read() {
        Ok(_) => {
            println!("The image {image} is gone.");
            None
        }
        Err(error) => Some(format!("the image {image}: {error:#}")),
    }
}
