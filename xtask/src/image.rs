//! `image`: the two binaries and the Dockerfile in a folder, and `docker build` on it. The folder
//! and the tag are named by the hash of the content, so that runs at the same time do not mix their
//! files and an image holds what was hashed. The commit is a label that the hash leaves out, or
//! else every commit would be a new version: it names the commit that first built this content.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::arg::Arg;
use crate::dist::{self, Artifacts};
use crate::docker::{Image, find};
use crate::dockerfile::dockerfile;
use crate::hash::hash;
use crate::revision::revision;
use crate::settings::Settings;
use crate::workspace::target;
use crate::{plan, preflight};

const DOCKERFILE: &str = "Dockerfile";

pub(crate) struct Prepared {
    /// With the tag.
    pub(crate) name: String,
    context: PathBuf,
}

/// Builds the image, or only what goes into it, and prints its name.
pub(crate) fn run(settings: &Settings, binaries: Option<&Path>, prepare_only: bool) -> Result<()> {
    let engine = preflight::engine()?;
    let artifacts = dist::for_arch(settings, &engine.arch, binaries)?;
    let image = prepare(settings, &artifacts, engine.api)?;
    drop(artifacts);
    if !prepare_only {
        build(settings, &image)?;
    }
    println!("{}", image.name);
    Ok(())
}

/// Fills the folder for `docker build` and names the image that it will make.
pub(crate) fn prepare(
    settings: &Settings,
    artifacts: &Artifacts,
    api: (u32, u32),
) -> Result<Prepared> {
    let images = target()?.join("image");
    // The artifacts keep other runs away; what a killed one has left is removed.
    let filling = images.join(".filling");
    let filled = fill(&filling, settings, artifacts, api);
    let tag = filled.with_context(|| format!("cannot fill {}", filling.display()))?;
    let context = images.join(&tag);
    if hash_of(&context, settings).is_ok_and(|hash| hash == tag) {
        // Another run may be building from it.
        fs::remove_dir_all(&filling)?;
    } else {
        let _ = fs::remove_dir_all(&context);
        fs::rename(&filling, &context)
            .with_context(|| format!("cannot make {}", context.display()))?;
    }
    Ok(Prepared { name: format!("{}:{tag}", settings.image), context })
}

/// Builds the image unless it is there, pushes it if the settings say so, and returns what Swarm is
/// to be told to run.
pub(crate) fn build(settings: &Settings, image: &Prepared) -> Result<String> {
    let name = Arg::from(image.name.as_str());
    let context = image.context.display().to_string();
    for step in plan::image_steps(settings, &name, &revision().into(), &context.into()) {
        step.run()?;
    }
    let built: Image =
        find("image", &image.name)?.with_context(|| format!("{} is not there", image.name))?;
    let ceiling = settings.image_max_bytes;
    ensure!(
        built.size <= ceiling,
        "the image has {} bytes, over its ceiling of {ceiling}, which is image_max_bytes in \
         infra/deploy.toml",
        built.size
    );
    Ok(if settings.push { image.name.clone() } else { built.id })
}

/// Copies everything into a folder, and returns the hash of what is there then.
fn fill(
    context: &Path,
    settings: &Settings,
    artifacts: &Artifacts,
    api: (u32, u32),
) -> Result<String> {
    let _ = fs::remove_dir_all(context);
    let data = context.join("root/data");
    fs::create_dir_all(&data)?;
    fs::set_permissions(&data, fs::Permissions::from_mode(0o1777))?;
    fs::write(context.join(DOCKERFILE), dockerfile(settings, Some(api))?)?;
    for (name, from) in &artifacts.files {
        let to = context.join(name);
        fs::copy(from, &to)?;
        fs::set_permissions(&to, fs::Permissions::from_mode(0o755))?;
    }
    hash_of(context, settings)
}

/// The hash of the files in a folder that was filled.
fn hash_of(context: &Path, settings: &Settings) -> Result<String> {
    let mut files = Vec::new();
    for name in [DOCKERFILE, &settings.program.binary, &settings.probe.binary] {
        let file = fs::read(context.join(name))?;
        files.extend((file.len() as u64).to_le_bytes());
        files.extend(file);
    }
    Ok(hash(&files))
}
