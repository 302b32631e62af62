//! Secrets and configs: their names in the swarm, and the removal of those that are no longer used.
//! Creating them is a step of the plan.

use anyhow::Result;

use crate::arg::Arg;
use crate::docker::{self, docker, inspect};
use crate::facts::Stored;
use crate::plan::{self, SERVICE_LABEL};
use crate::service::Service;
use crate::settings::Settings;

const KINDS: [&str; 2] = ["secret", "config"];

/// Reads all sources and names each by the hash of its content.
pub(crate) fn read(settings: &Settings) -> Result<Vec<Stored>> {
    Stored::all(settings, &|_, key, source| {
        let hash = plan::hash(&source.read()?);
        Ok(Arg::from(format!("{}{hash}", plan::stored_prefix(settings, key))))
    })
}

/// Removes those that were made for this service and that it does not use. What cannot be removed is
/// returned, with the reason.
pub(crate) fn remove_unused(service: &str, current: Option<&Service>) -> Vec<String> {
    let mut used = Vec::new();
    if let Some(service) = current {
        let container = service.container();
        used.extend(container.secrets.iter().map(|one| &one.secret_name));
        used.extend(container.configs.iter().map(|one| &one.config_name));
    }
    let mut left = Vec::new();
    for kind in KINDS {
        let filter = format!("--filter=label={SERVICE_LABEL}={service}");
        let list = docker([kind, "ls", "--quiet", &filter]).read();
        match list.and_then(|list| inspect::<docker::Stored>(kind, &list)) {
            Ok(found) => {
                for stored in found.iter().filter(|one| !used.contains(&&one.spec.name)) {
                    if let Err(error) = docker([kind, "rm", &stored.id]).read() {
                        left.push(format!("the {kind} {}: {error:#}", stored.spec.name));
                    }
                }
            }
            Err(error) => left.push(format!("the {kind}s of {service}: {error:#}")),
        }
    }
    left
}
