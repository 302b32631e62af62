//! `emit` and `deploy --dry-run`: the plan as files that people read and can run by hand. They are
//! committed, and the gate compares them with the plan.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::arg::Arg;
use crate::desired::Facts;
use crate::dockerfile::dockerfile;
use crate::plan::{self, Plan};
use crate::service::Service;
use crate::settings::Settings;
use crate::stored::{self, Stored};
use crate::workspace::root;

const HEADER: &str = r"#!/bin/sh
# Emitted from infra/deploy.toml by `cargo xtask emit`; edit that instead.
#
# The commands of `cargo xtask deploy`, to be read or run by hand. `deploy` also checks first whether
# it can succeed, changes only what differs, removes variables, constraints and networks that are no
# longer in deploy.toml, waits, and reports the outcome.
set -eu
unset CDPATH IFS
export LC_ALL=C
";

const BUILD: &str = r#"
# Both binaries, static, and the Dockerfile, in one folder; the image is named by their hash.
image="${1:-$(cargo xtask image --prepare @IMAGE@)}"
context="${CARGO_TARGET_DIR:-target}/image/${image##*:}"
revision="$(git describe --always --abbrev=40 --dirty '--exclude=*' 2>/dev/null || echo unknown)"
"#;

/// What an update has to take away: ports but the wanted one, and secrets and configs, which are
/// added again. Its words are flags.
const STALE: &str = r#"
# What an update takes away first: other ports; secrets and configs, which it adds again.
stale="$(docker service inspect --format='
  {{range .Spec.EndpointSpec.Ports}}{{if not @WANTED@}}
    --publish-rm=target={{.TargetPort}},protocol={{.Protocol}},mode={{.PublishMode}}
  {{end}}{{end}}
  {{range .Spec.TaskTemplate.ContainerSpec.Secrets}} --secret-rm={{.SecretName}} {{end}}
  {{range .Spec.TaskTemplate.ContainerSpec.Configs}} --config-rm={{.ConfigName}} {{end}}
  ' @SERVICE@ 2>/dev/null || true)"
"#;

/// Writes both files into a folder, or, to check, compares them with what is there.
pub(crate) fn run(settings: &Settings, folder: Option<&Path>, check: bool) -> Result<()> {
    let root = root()?;
    let folder = match folder {
        Some(folder) => std::path::absolute(folder)?,
        None => root.join("infra"),
    };
    if !check {
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    // A symbolic link on the way would make `..` lead elsewhere.
    let folder = folder.canonicalize().unwrap_or(folder);
    let script = script(settings, None, &way(&folder, &root.canonicalize()?))?;
    let files = [("Dockerfile", dockerfile(settings, None)?), ("swarm.sh", script)];
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

/// Prints the plan as a script, for the service as it is now.
pub(crate) fn dry_run(settings: &Settings) -> Result<()> {
    let current = Service::find(&settings.service).ok().flatten();
    print!("{}", script(settings, current, &change_to(&root()?))?);
    Ok(())
}

fn script(settings: &Settings, current: Option<Service>, change_folder: &str) -> Result<String> {
    let [image, reference, revision, context] =
        ["image", "reference", "revision", "context"].map(Arg::variable);
    let config = settings.file.as_ref().map_or_else(String::new, |file| {
        format!(" {}", Arg::from(format!("--config={}", file.display())))
    });
    let prepare = format!("--image={}{config}", Arg::from(settings.image.as_str()));
    let mut script = format!("{HEADER}{change_folder}\n{}", BUILD.replace("@IMAGE@", &prepare));
    for step in plan::image_steps(settings, &image, &revision, &context) {
        let _ = write!(script, "\n{step}");
    }
    let (why, reference_is) = match plan::reference(settings, &image) {
        Some(id) => ("by its id: no registry knows it", format!("$({id})")),
        None => ("by its name and the digest in the registry", "$image".to_owned()),
    };
    let _ = write!(script, "\n# Swarm runs it {why}.\nreference=\"{reference_is}\"\n");
    let stored = stored::for_script(settings);
    for Stored { kind, key, source, prefix, .. } in &stored {
        let (before, behind) = source.in_shell();
        let _ = write!(
            script,
            "\n{kind}_{key}=\"{prefix}$({before}sha256sum{behind} | cut -c1-16)\"\n"
        );
    }
    let is_unknown = current.is_none();
    let plan = Plan::new(settings, &Facts { image, reference, stored, current })?;
    for step in plan.stored.iter().chain([&plan.network]) {
        let _ = write!(script, "\n{step}");
    }
    if is_unknown {
        script += &stale(settings);
    }
    let _ = write!(script, "\n{}", plan.service);
    Ok(script)
}

fn stale(settings: &Settings) -> String {
    let wanted = match settings.publish.mode() {
        Some(mode) => format!(
            "(and (eq .Protocol \"tcp\") (eq .PublishMode \"{mode}\") (eq .PublishedPort {}) \
             (eq .TargetPort {}))",
            settings.port, settings.program.port
        ),
        None => "false".to_owned(),
    };
    STALE.replace("@WANTED@", &wanted).replace("@SERVICE@", &settings.service)
}

/// How a script in this folder changes to the root of the workspace: by a relative path if it is in
/// the workspace, so that the workspace can be moved.
fn way(folder: &Path, root: &Path) -> String {
    let Ok(below) = folder.strip_prefix(root) else {
        return change_to(root);
    };
    let up = below.components().map(|_| "..").collect::<Vec<_>>().join("/");
    let up = if up.is_empty() { "." } else { &up };
    format!("case \"$0\" in */*) cd -P -- \"${{0%/*}}/{up}\" ;; *) cd -P {up} ;; esac")
}

fn change_to(folder: &Path) -> String {
    format!("cd -P -- {}", Arg::from(folder.display().to_string()))
}
