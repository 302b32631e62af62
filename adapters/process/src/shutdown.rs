//! The signals that stop a process: SIGTERM, as from Docker, and SIGINT, as from Ctrl-C.

use std::io;

use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

/// Listens for the signals that stop the process.
pub struct Shutdown {
    terminate: Signal,
    interrupt: Signal,
    is_requested: bool,
}

impl Shutdown {
    /// Signals are heard from now on. A process with the id 1 would ignore them otherwise.
    pub fn listen() -> io::Result<Self> {
        let listen = |kind| {
            let error = |error| io::Error::other(format!("cannot listen for signals: {error}"));
            signal(kind).map_err(error)
        };
        let terminate = listen(SignalKind::terminate())?;
        let interrupt = listen(SignalKind::interrupt())?;
        Ok(Self { terminate, interrupt, is_requested: false })
    }

    /// Completes when a signal has come, and at once after that.
    pub async fn requested(&mut self) {
        if self.is_requested {
            return;
        }
        let name = select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        };
        info!("Stopping on {name}");
        self.is_requested = true;
    }
}
