//! Ctrl-C and SIGTERM end a wait, not the process: the command still reports the state of things.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result};

/// Receives the signals. There can be one of it in a process.
pub(crate) struct Interrupt {
    signals: Receiver<()>,
    is_set: Arc<AtomicBool>,
}

impl Interrupt {
    pub(crate) fn listen() -> Result<Self> {
        let (sender, signals) = mpsc::channel();
        let is_set = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&is_set);
        let handler = move || {
            set.store(true, Ordering::Relaxed);
            // Without a receiver the command is at its end anyway.
            let _ = sender.send(());
        };
        ctrlc::set_handler(handler).context("cannot listen for Ctrl-C")?;
        Ok(Self { signals, is_set })
    }

    /// Waits, and says whether the wait was cut short.
    pub(crate) fn within(&self, time: Duration) -> bool {
        !matches!(self.signals.recv_timeout(time), Err(RecvTimeoutError::Timeout))
    }

    /// Whether a signal has come so far.
    pub(crate) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Relaxed)
    }
}
