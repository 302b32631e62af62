//! The static binaries for this machine, as they ship: built and checked by `cargo xtask dist`.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::command::{read, target, xtask};

pub(crate) struct Artifacts {
    pub(crate) service: PathBuf,
    pub(crate) probe: PathBuf,
}

impl Artifacts {
    /// Takes the binaries of this folder, or builds them.
    pub(crate) fn get(folder: Option<&Path>) -> Result<Self> {
        let folder = match folder {
            Some(folder) => std::path::absolute(folder)?,
            None => build()?,
        };
        let (service, probe) = (folder.join("accountservice"), folder.join("healthchecker"));
        for path in [&service, &probe] {
            ensure!(path.is_file(), "there is no {}", path.display());
        }
        Ok(Self { service, probe })
    }
}

fn build() -> Result<PathBuf> {
    let triple = triple();
    read(&mut xtask(&["dist", "--target", &triple]))?;
    Ok(target().join(triple).join("release"))
}

/// The target that the binaries for this machine are built for.
pub(crate) fn triple() -> String {
    format!("{}-unknown-linux-musl", std::env::consts::ARCH)
}
