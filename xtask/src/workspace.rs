//! Where the workspace and its target folder are, and the lock on the latter: a second run of
//! xtask waits, because it would overwrite binaries that the first is about to copy.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The root of the workspace from which `cargo xtask` was called. Cargo says it at run time; a path
/// that is compiled in would be that of another checkout where several share a target folder.
pub(crate) fn root() -> Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let root = package.as_deref().and_then(Path::parent);
    let root = root.filter(|root| root.join("xtask/Cargo.toml").is_file());
    root.map(Path::to_path_buf).context("CARGO_MANIFEST_DIR is not set: run this as `cargo xtask`")
}

/// Where Cargo builds.
pub(crate) fn target() -> Result<PathBuf> {
    let folder = std::env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty());
    Ok(root()?.join(folder.unwrap_or_else(|| "target".into())))
}

/// Held until it is dropped, or the process ends.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until no other run has it, and says which one has.
    pub(crate) fn take() -> Result<Self> {
        let folder = target()?;
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join("xtask.lock");
        let cannot_lock = || format!("cannot lock {}", path.display());
        let file = File::options().append(true).create(true).open(&path);
        let file = file.with_context(cannot_lock)?;
        let locked = match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&path)?;
                eprintln!("Waiting for {} ({})", holder.trim(), path.display());
                file.lock()
            }
            tried => tried.map_err(io::Error::from),
        };
        locked.with_context(cannot_lock)?;
        let command = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
        fs::write(&path, format!("process {}: cargo xtask {command}", std::process::id()))?;
        Ok(Self { _file: file })
    }
}
