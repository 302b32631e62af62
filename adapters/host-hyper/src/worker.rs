//! A worker: a thread with a current-thread runtime, and the load of that thread.
//!
//! It runs handlers in place, since an embedded store answers in microseconds. It does not choose
//! connections: the server spawns them here.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::deadline::millis;

/// A handler that blocks its thread for longer is taken for one that never returns: longer than any
/// probe waits, so that a slow handler is not reported before the probe itself gives up.
pub(crate) const STALLED_AFTER: Duration = Duration::from_secs(5);

/// The runtime of a thread, and the load of the thread.
pub(crate) struct Worker {
    pub(crate) runtime: Handle,
    /// Connections that it serves.
    pub(crate) open: AtomicUsize,
    started_at: Instant,
    /// When the handler was called that has not returned yet, in milliseconds since the start; 0 if
    /// there is none.
    handling_since: AtomicU64,
}

impl Worker {
    pub(crate) fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            open: AtomicUsize::new(0),
            started_at: Instant::now(),
            handling_since: AtomicU64::new(0),
        }
    }

    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Awaits a handler, and notes during each poll that it may block the thread.
    pub(crate) async fn watch<F: Future>(&self, mut handler: Pin<&mut F>) -> F::Output {
        poll_fn(|cx| {
            self.handling_since.store(self.now().max(1), Ordering::Relaxed);
            let poll = handler.as_mut().poll(cx);
            self.handling_since.store(0, Ordering::Relaxed);
            poll
        })
        .await
    }

    /// Whether a handler blocks the thread.
    pub(crate) fn is_stalled(&self) -> bool {
        let since = self.handling_since.load(Ordering::Relaxed);
        since != 0 && Duration::from_millis(self.now().saturating_sub(since)) >= STALLED_AFTER
    }

    fn now(&self) -> u64 {
        millis(self.started_at.elapsed())
    }
}

/// Runs a worker until it is dropped.
pub(crate) struct WorkerThread {
    pub(crate) worker: Arc<Worker>,
    /// The thread drops its receiver after its connections.
    running: mpsc::Sender<()>,
}

impl WorkerThread {
    pub(crate) fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let worker = Arc::new(Worker::new(runtime.handle().clone()));
        let (running, mut stopped) = mpsc::channel(1);
        thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            runtime.block_on(stopped.recv());
            drop(runtime);
            drop(stopped);
        })?;
        Ok(Self { worker, running })
    }

    /// Ends the thread. A blocked one is not waited for.
    pub(crate) async fn end(self) {
        // An error states that the thread has ended already.
        let _ = self.running.try_send(());
        if !self.worker.is_stalled() {
            self.running.closed().await;
        }
    }
}
