//! `status`: the tasks of the service, how long each has been what it is, and what its last probe
//! said.

use std::time::SystemTime;

use anyhow::Result;

use crate::docker::{Container, Service, Task, docker};
use crate::settings::Settings;

pub(crate) fn run(settings: &Settings) -> Result<()> {
    let name = &settings.service;
    let Some(service) = Service::find(name)? else {
        println!("{name} is not deployed: cargo xtask deploy");
        return Ok(());
    };
    let tasks = Task::of(name)?;
    let up = tasks.iter().filter(|task| task.is_up()).count();
    println!("{name}: {up} of {} healthy, {}", service.replicas, service.image);
    if !service.update_state.is_empty() {
        println!("last update: {}", service.update_state.replace('_', " "));
    }
    let now = docker(["info", "--format={{.SystemTime}}"]).read()?;
    let now = humantime::parse_rfc3339_weak(now.trim()).unwrap_or_else(|_| SystemTime::now());
    for task in tasks {
        let container = match &task.container {
            Some(id) => Container::find(id)?,
            None => None,
        };
        let id = task.container.as_deref().and_then(|id| id.get(..12)).unwrap_or("-");
        let state = format!("{} for {}", task.state, age(&task.since, now));
        println!("\n{name}.{}  {id}  {state}", task.slot);
        if !task.error.is_empty() {
            println!("    error: {}", task.error);
        }
        match container {
            None => println!("    node: {}", task.node),
            Some(container) => {
                let health = Some(container.health).filter(|health| !health.is_empty());
                println!("    health: {}", health.as_deref().unwrap_or("no check yet"));
                if let Some((exit, said)) = container.probes.last() {
                    println!("    last probe: exit status {exit} {said}");
                }
            }
        }
    }
    Ok(())
}

/// How long ago that was, to the second, by the engine's clock.
fn age(since: &str, now: SystemTime) -> String {
    let since = humantime::parse_rfc3339_weak(since);
    let age = since.ok().and_then(|since| now.duration_since(since).ok()).unwrap_or_default();
    humantime::format_duration(std::time::Duration::from_secs(age.as_secs())).to_string()
}
