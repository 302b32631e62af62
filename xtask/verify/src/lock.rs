//! One run at a time on an engine: a second one would remove the services and the swarm of the
//! first. xtask has another lock, on what Cargo builds. `deployment` takes it.

use std::fs::{self, File, TryLockError};
use std::io;

use anyhow::{Context, Result};

use crate::command::read;
use crate::docker::docker;

/// Waits until no other run on this machine has the engine, and says which one has. The lock is
/// held until the file is dropped, or the process ends.
pub(crate) fn lock() -> Result<File> {
    let engine = read(&mut docker(&["info", "--format={{.ID}}"]));
    let engine = engine.context("no engine answers; .ci/run starts one")?;
    // Several checkouts may share an engine.
    let path = std::env::temp_dir().join(format!("verify-{engine}.lock"));
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
    Ok(file)
}
