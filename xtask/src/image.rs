//! `image`: the two binaries and the Dockerfile in a folder, and `docker build` on it. The tag is the
//! hash of what is in the folder. The commit is a label that the hash leaves out, or else every commit
//! would be a new version: it names the commit that first built this content.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::command::{Cmd, target};
use crate::dist::{self, Dist};
use crate::docker::Engine;
use crate::plan::{self, dockerfile, hash};
use crate::settings::Settings;

/// Builds the image, or only what goes into it, and prints its name.
pub(crate) fn run(settings: &Settings, binaries: Option<&Path>, prepare_only: bool) -> Result<()> {
    let engine = Engine::ask()?;
    let dist = dist::for_arch(&engine.arch, binaries)?;
    let image = prepare(settings, &dist, engine.api)?;
    if !prepare_only {
        build(settings, &image)?;
    }
    println!("{image}");
    Ok(())
}

/// Fills the folder for `docker build` and names the image that it will make.
pub(crate) fn prepare(settings: &Settings, dist: &Dist, api: (u32, u32)) -> Result<String> {
    let context = context();
    fill(&context, settings, dist, api)
        .with_context(|| format!("cannot fill {}", context.display()))?;
    let files = ["Dockerfile", "accountservice", "healthchecker"];
    let contents = files.map(|name| fs::read(context.join(name)));
    let contents = contents.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(format!("{}:{}", settings.image, hash(contents.iter().map(Vec::as_slice))))
}

/// The folder that is handed to `docker build`.
pub(crate) fn context() -> PathBuf {
    target().join("image")
}

/// The commit that is being built.
fn revision() -> String {
    let args = ["describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"];
    let described = Cmd::new("git", args).read();
    described.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// Builds the image unless it is there, pushes it if the settings say so, and returns what Swarm is
/// to be told to run.
pub(crate) fn build(settings: &Settings, image: &str) -> Result<String> {
    let context = context().display().to_string();
    for step in plan::image_steps(settings, image, &revision(), &context) {
        step.run()?;
    }
    match plan::reference(settings, image) {
        Some(ask) => Ok(ask.read()?.trim().to_owned()),
        None => Ok(image.to_owned()),
    }
}

fn fill(context: &Path, settings: &Settings, dist: &Dist, api: (u32, u32)) -> Result<()> {
    let _ = fs::remove_dir_all(context);
    let data = context.join("root/data");
    fs::create_dir_all(&data)?;
    fs::set_permissions(&data, fs::Permissions::from_mode(0o1777))?;
    fs::write(context.join("Dockerfile"), dockerfile(settings, Some(api)))?;
    for (from, name) in [(&dist.service, "accountservice"), (&dist.probe, "healthchecker")] {
        let to = context.join(name);
        fs::copy(from, &to)?;
        fs::set_permissions(&to, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}
