//! Ctrl-C and SIGTERM end a wait, not the process: the command still says what state things are in.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result};

/// Receives the wish to stop. There can be one of it in a process.
pub(crate) struct Interrupt(Receiver<()>);

impl Interrupt {
    pub(crate) fn listen() -> Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let wish = move || {
            // Without a receiver the command is at its end anyway.
            let _ = sender.send(());
        };
        ctrlc::set_handler(wish).context("cannot listen for Ctrl-C")?;
        Ok(Self(receiver))
    }

    /// Waits, and says whether the wait was cut short.
    pub(crate) fn within(&self, time: Duration) -> bool {
        !matches!(self.0.recv_timeout(time), Err(RecvTimeoutError::Timeout))
    }
}
