//! Other programs, started in the root of the workspace: `cargo xtask`, `docker`, `git`. They have
//! no shell in between. Servers that are observed while they run are in `service.rs`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cleanup::Cleanup;

/// The root of the workspace. Cargo says at run time where the package is: a path that was compiled
/// in may belong to another checkout.
pub(crate) fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| "xtask/verify".into());
    let package = Path::new(&package);
    package.ancestors().nth(2).unwrap_or(package).to_path_buf()
}

/// Where Cargo builds.
pub(crate) fn target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// A folder for this process alone, removed at the end.
pub(crate) struct Scratch {
    pub(crate) path: PathBuf,
    _removed: Cleanup,
}

impl Scratch {
    /// Makes a new folder below `parent`.
    pub(crate) fn new(parent: &Path) -> Result<Self> {
        let path = std::path::absolute(parent.join(std::process::id().to_string()))?;
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let removed = path.clone();
        Ok(Self { path, _removed: Cleanup::new(move || drop(fs::remove_dir_all(removed))) })
    }

    /// A folder in it, which is made if need be.
    pub(crate) fn folder(&self, name: impl AsRef<Path>) -> Result<PathBuf> {
        let folder = self.path.join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

pub(crate) fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root()).stdin(Stdio::null());
    command
}

/// `cargo xtask`, whose progress is shown.
pub(crate) fn xtask(args: &[&str]) -> Command {
    let mut command = command("cargo", &["xtask"]);
    command.args(args).stderr(Stdio::inherit());
    command
}

/// Runs the command and returns its standard output, without blanks at both ends.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let name = show(command);
    let output = command.output().with_context(|| format!("cannot start `{name}`"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{name}` ended with {}: {}", output.status, stderr.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Program and arguments, for people.
pub(crate) fn show(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
