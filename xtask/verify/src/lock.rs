//! One run at a time on an engine: a second one would remove the services of the first, and the swarm
//! that it joined. It is no lock on what Cargo builds, which xtask has. `deployment` takes it.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};

use anyhow::{Context, Result};

use crate::command::read;
use crate::docker::docker;

/// Waits until no other run on this machine has the engine, and says which one has. The lock is held
/// until the file is dropped, or the process ends.
pub(crate) fn lock() -> Result<File> {
    let engine = read(&mut docker(&["info", "--format={{.ID}}"]));
    let engine = engine.context("no engine answers; .ci/run starts one")?;
    // Several checkouts may share an engine.
    let path = std::env::temp_dir().join(format!("verify-{engine}.lock"));
    let cannot_lock = || format!("cannot lock {}", path.display());
    let mut file = File::options();
    let file = file.read(true).write(true).create(true).truncate(false);
    let mut file = file.open(&path).with_context(cannot_lock)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder)?;
            eprintln!("Waiting for {} ({})", holder.trim(), path.display());
            file.lock().with_context(cannot_lock)?;
        }
        Err(TryLockError::Error(error)) => return Err(error).with_context(cannot_lock),
    }
    let command: Vec<_> = std::env::args().skip(1).collect();
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "process {}: cargo xtask {}", std::process::id(), command.join(" "))?;
    Ok(file)
}
