//! The static binaries for this machine, as they ship: built and checked by `cargo xtask dist`.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Result, ensure};

use crate::command::{command, read, target};
use crate::deployment::write_settings;

/// What infra/deploy.toml says that this takes, for a database whose URL is not needed here.
const SHARED: &str = r#"
    image_max_bytes = 5_000_000
    program.max_bytes = 4_500_000
    database.url = "env:URL"
    update.monitor = "82s"
    rollback.monitor = "82s"
"#;

pub(crate) struct Artifacts {
    pub(crate) service: PathBuf,
    pub(crate) probe: PathBuf,
    /// Where the binaries are, unless they are built.
    folder: Option<PathBuf>,
    shared: OnceCell<PathBuf>,
}

impl Artifacts {
    /// Takes the binaries of this folder, or builds them.
    pub(crate) fn get(folder: Option<&Path>) -> Result<Self> {
        let folder = folder.map(std::path::absolute).transpose()?;
        let binaries = folder.clone().map_or_else(|| build(&target(), "--host=hyper"), Ok)?;
        let (service, probe) =
            (file(&binaries, "accountservice")?, file(&binaries, "healthchecker")?);
        Ok(Self { service, probe, folder, shared: OnceCell::new() })
    }

    /// The service with the shared store, as `deploy` builds it for a database. The tests of xtask
    /// on an engine build it in the same folder.
    pub(crate) fn shared(&self) -> Result<&Path> {
        if let Some(path) = self.shared.get() {
            return Ok(path);
        }
        let folder = target().join("tmp/database");
        fs::create_dir_all(&folder)?;
        let config = write_settings(&folder, SHARED)?;
        let built = build(&folder, &format!("--config={}", config.display()))?;
        let built = file(&built, "accountservice")?;
        Ok(self.shared.get_or_init(|| built))
    }

    /// The host for AWS Lambda, from the same folder if it is there, or built now.
    pub(crate) fn bootstrap(&self) -> Result<PathBuf> {
        let given = self.folder.as_ref().map(|folder| folder.join("bootstrap"));
        let built = || file(&build(&target(), "--host=lambda")?, "bootstrap");
        given.filter(|path| path.is_file()).map_or_else(built, Ok)
    }
}

fn file(folder: &Path, name: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    ensure!(path.is_file(), "there is no {}", path.display());
    Ok(path)
}

/// Builds for this machine below this folder. xtask itself stays in the usual one.
fn build(folder: &Path, what: &str) -> Result<PathBuf> {
    let triple = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let mut xtask = command("cargo", &["run", "--quiet", "--package=xtask", "--target-dir"]);
    xtask.arg(target()).args(["--", "dist", what, "--target", &triple]);
    read(xtask.env("CARGO_TARGET_DIR", folder).stderr(Stdio::inherit()))?;
    Ok(folder.join(triple).join("release"))
}
