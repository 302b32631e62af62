//! `emit`: the plan as files that people read and can run by hand. They are committed, and the gate
//! compares them with the plan.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::command::variable;
use crate::docker::Service;
use crate::plan::{self, Facts, Plan, dockerfile};
use crate::settings::Settings;

const HEADER: &str = r#"#!/bin/sh
# Emitted from infra/deploy.toml by `cargo xtask emit`; edit that instead.
#
# What `cargo xtask deploy` runs, in this order, to be read or run by hand. `deploy` also checks the
# ground first, leaves a service alone that is as it should be, takes away variables, constraints and
# networks that are no longer in deploy.toml, waits, and gives its verdict.
set -eu
cd "$(dirname "$0")/.."

# Both binaries, static, and the Dockerfile, in one folder; the image is named by their hash.
context="${CARGO_TARGET_DIR:-target}/image"
image="${1:-$(cargo xtask image --prepare --image=@IMAGE@)}"
revision="$(git describe --always --abbrev=40 --dirty '--exclude=*' 2>/dev/null || echo unknown)"
"#;

/// Writes both files into a folder, or, to check, compares them with what is there.
pub(crate) fn run(settings: &Settings, folder: &Path, check: bool) -> Result<()> {
    let files = [("Dockerfile", dockerfile(settings, None)), ("swarm.sh", script(settings, None))];
    let mut stale = Vec::new();
    for (name, text) in files {
        let path = folder.join(name);
        if check {
            if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
                stale.push(path.display().to_string());
            }
            continue;
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", path.display());
    }
    if !stale.is_empty() {
        bail!("{}: not what infra/deploy.toml says: cargo xtask emit", stale.join(" and "));
    }
    Ok(())
}

/// The plan as a shell script, for a service as it is now.
pub(crate) fn script(settings: &Settings, current: Option<Service>) -> String {
    let [image, reference, revision, context] =
        ["image", "reference", "revision", "context"].map(variable);
    let named = plan::reference(settings, &image);
    let steps = plan::image_steps(settings, &image, &revision, &context);
    let plan = Plan::new(settings, &Facts { image, reference, current });
    let mut script = HEADER.replace("@IMAGE@", &settings.image);
    for step in &steps {
        let _ = write!(script, "\n{step}");
    }
    let _ = match named {
        Some(id) => write!(
            script,
            "\n# Swarm runs it by its id: no registry knows it.\nreference=\"$({id})\"\n"
        ),
        None => write!(
            script,
            "\n# Swarm runs it by its name and the digest in the registry.\nreference=\"$image\"\n"
        ),
    };
    let _ = write!(script, "\n{}\n{}", plan.network, plan.service);
    script
}
