//! Undoes what a command has started, when the command ends and when it is interrupted: mounts,
//! folders, deployments. Child processes need no entry here: they are killed when they are dropped,
//! and all of them on an interrupt.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

type Undo = Box<dyn FnOnce() + Send>;

static PENDING: Mutex<BTreeMap<u64, Undo>> = Mutex::new(BTreeMap::new());

/// Runs its action when it is dropped, or before the process ends by Ctrl-C or SIGTERM.
#[must_use]
pub(crate) struct Cleanup(u64);

impl Cleanup {
    /// The action must not make or drop a `Cleanup`: the list is locked while it runs.
    pub(crate) fn new(undo: impl FnOnce() + Send + 'static) -> Self {
        let mut pending = lock();
        let id = pending.last_key_value().map_or(0, |(id, _)| id + 1);
        pending.insert(id, Box::new(undo));
        Self(id)
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        let mut pending = lock();
        if let Some(undo) = pending.remove(&self.0) {
            undo();
        }
    }
}

/// From now on Ctrl-C and SIGTERM kill all child processes, undo everything, the newest first, and
/// end the process with 130. The main thread is not asked: it may be blocked.
pub(crate) fn on_interrupt() -> Result<()> {
    let end = || {
        let mut pending = lock();
        eprintln!("Interrupted; ending what was started.");
        for child in children().unwrap_or_default() {
            let _ = kill(child, Signal::SIGKILL);
        }
        while let Some((_, undo)) = pending.pop_last() {
            undo();
        }
        std::process::exit(130);
    };
    ctrlc::set_handler(end).context("cannot listen for Ctrl-C")
}

fn children() -> Result<Vec<Pid>> {
    let mut children = Vec::new();
    for task in procfs::process::Process::myself()?.tasks()? {
        children.extend(task?.children()?);
    }
    Ok(children.into_iter().filter_map(|id| Some(Pid::from_raw(id.try_into().ok()?))).collect())
}

fn lock() -> MutexGuard<'static, BTreeMap<u64, Undo>> {
    PENDING.lock().unwrap_or_else(PoisonError::into_inner)
}
