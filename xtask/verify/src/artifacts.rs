//! The static binaries for this machine, as they ship: built and checked by `cargo xtask dist`.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::command::{read, target, xtask};

pub(crate) struct Artifacts {
    pub(crate) service: PathBuf,
    pub(crate) probe: PathBuf,
    /// Where the binaries are, unless they are built.
    folder: Option<PathBuf>,
}

impl Artifacts {
    /// Takes the binaries of this folder, or builds them.
    pub(crate) fn get(folder: Option<&Path>) -> Result<Self> {
        let folder = folder.map(std::path::absolute).transpose()?;
        let binaries = folder.clone().map_or_else(|| build("hyper"), Ok)?;
        let (service, probe) =
            (file(&binaries, "accountservice")?, file(&binaries, "healthchecker")?);
        Ok(Self { service, probe, folder })
    }

    /// The host for AWS Lambda, from the same folder if it is there, or built now.
    pub(crate) fn bootstrap(&self) -> Result<PathBuf> {
        let given = self.folder.as_ref().map(|folder| folder.join("bootstrap"));
        given.filter(|path| path.is_file()).map_or_else(|| file(&build("lambda")?, "bootstrap"), Ok)
    }
}

fn file(folder: &Path, name: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    ensure!(path.is_file(), "there is no {}", path.display());
    Ok(path)
}

fn build(host: &str) -> Result<PathBuf> {
    let triple = triple();
    read(&mut xtask(&["dist", "--host", host, "--target", &triple]))?;
    Ok(target().join(triple).join("release"))
}

/// The target that the binaries for this machine are built for.
pub(crate) fn triple() -> String {
    format!("{}-unknown-linux-musl", std::env::consts::ARCH)
}
