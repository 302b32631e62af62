//! `destroy`: removes the service and waits until it is really gone: `docker service rm` comes back
//! while the containers are still stopping.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::docker::{Container, Service, docker};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::settings::Settings;

/// How often the engine is asked.
const PAUSE: Duration = Duration::from_millis(250);

pub(crate) fn run(settings: &Settings, all: bool) -> Result<Exit> {
    let name = &settings.service;
    let interrupt = Interrupt::listen()?;
    if Service::find(name)?.is_some() {
        docker(["service", "rm", name]).read()?;
    }
    let start = Instant::now();
    loop {
        let left = Container::of(name, true)?;
        if left.is_empty() {
            break;
        }
        if interrupt.within(PAUSE) {
            eprintln!("Stopped waiting; {} containers are still there.", left.len());
            return Ok(Exit::Interrupted);
        }
        if start.elapsed() > settings.restart.stop_grace.0 + settings.deadline.0 {
            let names: Vec<_> = left.into_iter().map(|container| container.name).collect();
            bail!("still there: {}; docker rm --force removes them", names.join(", "));
        }
    }
    println!("{name} is gone.");
    if all {
        remove_network(&settings.network)?;
        remove_images(&settings.image)?;
    }
    Ok(Exit::Done)
}

fn remove_network(name: &str) -> Result<()> {
    if !docker(["network", "inspect", name]).succeeds()? {
        return Ok(());
    }
    docker(["network", "rm", name]).read()?;
    println!("The network {name} is gone.");
    Ok(())
}

fn remove_images(name: &str) -> Result<()> {
    let list = docker(["image", "ls", "--format={{.Repository}}:{{.Tag}}", name]).read()?;
    if list.trim().is_empty() {
        return Ok(());
    }
    docker(["image", "rm"]).args(list.lines()).read()?;
    println!("The images {} are gone.", list.trim().replace('\n', ", "));
    Ok(())
}
