//! Waits that Ctrl-C and SIGTERM end early. They do not end the process: `deploy` and `destroy`
//! still report the state of things.

use std::cell::Cell;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result};

/// Receives the signals. There can be one of it in a process.
pub(crate) struct Interrupt {
    signals: Receiver<()>,
    is_set: Cell<bool>,
}

impl Interrupt {
    pub(crate) fn listen() -> Result<Self> {
        let (sender, signals) = mpsc::channel();
        // Without a receiver the command is at its end anyway.
        let handler = move || sender.send(()).unwrap_or_default();
        ctrlc::set_handler(handler).context("cannot listen for Ctrl-C")?;
        Ok(Self { signals, is_set: Cell::new(false) })
    }

    /// Waits, and says whether a signal has cut the wait short.
    pub(crate) fn within(&self, time: Duration) -> bool {
        let received = !matches!(self.signals.recv_timeout(time), Err(RecvTimeoutError::Timeout));
        self.is_set.set(self.is_set.get() || received);
        received
    }

    /// Whether a signal has come so far.
    pub(crate) fn is_set(&self) -> bool {
        self.is_set.get() || self.within(Duration::ZERO)
    }
}
