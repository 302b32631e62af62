//! `destroy`: removes the service and waits until it is gone: `docker service rm` returns while the
//! containers are still stopping. It removes what it can, and names the rest with the reason.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

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
    preflight::engine()?;
    let interrupt = Interrupt::listen()?;
    let mut left = Vec::new();
    let mut note = |what: Result<Vec<String>>| match what {
        Ok(more) => left.extend(more),
        Err(error) => left.push(format!("{error:#}")),
    };
    let Settings { service, network, image, .. } = settings;
    // An engine outside a swarm has no services, but perhaps images.
    match preflight::swarm() {
        Ok(_) => note(remove_service(settings, &interrupt)),
        Err(problem) => eprintln!("No service: {problem:#}"),
    }
    if all && !interrupt.is_set() {
        let removed = remove_network(network, &interrupt).map(|()| Vec::new());
        note(removed.with_context(|| format!("the network {network}")));
        note(Ok(stored::remove_unused(service, None)));
        note(remove_images(image));
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

/// Returns the containers that have not stopped.
fn remove_service(settings: &Settings, interrupt: &Interrupt) -> Result<Vec<String>> {
    let name = &settings.service;
    let found = Service::find(name).with_context(|| format!("the service {name}"))?;
    if found.is_some() {
        let removed = docker(["service", "rm", name]).read();
        removed.with_context(|| format!("the service {name}"))?;
    }
    let started_at = Instant::now();
    loop {
        let left = Container::of(name, true);
        let left = left.with_context(|| format!("the containers of {name}"))?;
        if left.is_empty() {
            println!("{name} is gone.");
            return Ok(Vec::new());
        }
        let is_over = started_at.elapsed() > settings.restart.stop_grace.0 + settings.deadline.0;
        if is_over || interrupt.within(PAUSE) {
            let still = |container: &Container| {
                let name = container.name();
                format!("the container {name}, which has not stopped: docker rm --force {name}")
            };
            return Ok(left.iter().map(still).collect());
        }
    }
}

fn remove_network(name: &str, interrupt: &Interrupt) -> Result<()> {
    let network: Option<Network> = find("network", name)?;
    // A network of another kind is not one of ours.
    let network = network.filter(|found| found.name == name && found.driver == "overlay");
    let Some(network) = network else { return Ok(()) };
    let started_at = Instant::now();
    loop {
        match docker(["network", "rm", &network.id]).read() {
            Err(_) if started_at.elapsed() < NETWORK_LAG && !interrupt.within(PAUSE) => {}
            removed => {
                removed?;
                println!("The network {name} is gone.");
                return Ok(());
            }
        }
    }
}

/// Returns those that cannot be removed.
fn remove_images(name: &str) -> Result<Vec<String>> {
    let list = docker(["image", "ls", "--quiet", "--no-trunc"])
        .args([format!("--filter=reference={name}"), format!("--filter=reference={name}:*")]);
    let images = list.read().and_then(|ids| inspect("image", &ids));
    let mut images: Vec<Image> = images.with_context(|| format!("the images {name}"))?;
    images.dedup_by(|a, b| a.id == b.id);
    let mut left = Vec::new();
    for image in &images {
        // The same image may have names of others, which stay.
        let tags = image.repo_tags.iter().filter(|tag| is_of(name, tag, ':'));
        let digests = image.repo_digests.iter().filter(|tag| is_of(name, tag, '@'));
        for reference in tags.chain(digests) {
            // With its last tag an image loses its digests.
            if !docker(["image", "inspect", reference]).succeeds().unwrap_or(false) {
                continue;
            }
            match docker(["image", "rm", reference]).read() {
                Ok(_) => println!("The image {reference} is gone."),
                Err(error) => left.push(format!("the image {reference}: {error:#}")),
            }
        }
    }
    Ok(left)
}

fn is_of(name: &str, reference: &str, separator: char) -> bool {
    reference.rsplit_once(separator).is_some_and(|(repository, _)| repository == name)
}
