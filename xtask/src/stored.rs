//! Secrets and configs: what the settings ask for, their names in the swarm, and the removal of
//! those that are no longer used. Creating them is a step of the plan.

use anyhow::Result;

use crate::arg::Arg;
use crate::docker::{self, docker, inspect};
use crate::hash::hash;
use crate::service::{FileReference, Service};
use crate::settings::Settings;
use crate::source::Source;

/// On secrets and configs: the service that they were made for.
pub(crate) const SERVICE_LABEL: &str = "xtask.service";

pub(crate) struct Stored {
    /// `secret` or `config`.
    pub(crate) kind: &'static str,
    pub(crate) key: String,
    pub(crate) source: Source,
    /// The start of its name in the swarm; the hash of its content follows.
    pub(crate) prefix: String,
    /// The whole name.
    pub(crate) name: Arg,
    /// Its file in the container.
    pub(crate) target: String,
}

/// All that the settings ask for; variables of a script stand for their names.
pub(crate) fn for_script(settings: &Settings) -> Vec<Stored> {
    let stored = |kind, key: &str, source: &Source, target: String| Stored {
        kind,
        key: key.to_owned(),
        source: source.clone(),
        prefix: format!("{}-{key}-", settings.service),
        name: Arg::variable(&format!("{kind}_{key}")),
        target,
    };
    let secrets = settings.all_secrets().into_iter();
    let secrets = secrets.map(|(key, source)| stored("secret", key, source, key.to_owned()));
    let configs = settings.configs.iter();
    let configs =
        configs.map(|(key, source)| stored("config", key, source, format!("/run/configs/{key}")));
    secrets.chain(configs).collect()
}

/// The same, with their names: this reads all sources.
pub(crate) fn read(settings: &Settings) -> Result<Vec<Stored>> {
    let mut all = for_script(settings);
    for stored in &mut all {
        stored.name = format!("{}{}", stored.prefix, hash(&stored.source.read()?)).into();
    }
    Ok(all)
}

/// Removes those that were made for this service and that it does not use. What cannot be removed
/// is returned, with the reason.
pub(crate) fn remove_unused(service: &str, current: Option<&Service>) -> Vec<String> {
    let left = [("secret", "Secrets"), ("config", "Configs")].map(|(kind, key)| {
        let removed = remove(kind, key, service, current);
        removed.unwrap_or_else(|error| vec![format!("the {kind}s of {service}: {error:#}")])
    });
    left.concat()
}

fn remove(kind: &str, key: &str, service: &str, current: Option<&Service>) -> Result<Vec<String>> {
    let mut used: Vec<FileReference> = Vec::new();
    if let Some(current) = current {
        used = current.spec.at(&format!("/TaskTemplate/ContainerSpec/{key}"))?;
    }
    let filter = format!("--filter=label={SERVICE_LABEL}={service}");
    let found: Vec<docker::Stored> =
        inspect(kind, &docker([kind, "ls", "--quiet", &filter]).read()?)?;
    let unused = found.iter().filter(|one| used.iter().all(|used| used.name != one.spec.name));
    let failed = unused.filter_map(|one| {
        let error = docker([kind, "rm", &one.id]).read().err()?;
        Some(format!("the {kind} {}: {error:#}", one.spec.name))
    });
    Ok(failed.collect())
}
