//! The threads that serve connections, and how connections are spread over them.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tracing::{error, warn};

use crate::Limits;
use crate::connection::{Common, Connections};
use crate::exchange::Handler;
use crate::observer::Observer;
use crate::outbox::Outbox;
use crate::request_id::RequestIds;
use crate::watch::millis;

/// A handler that takes longer than this is taken for one that never returns: longer than any probe
/// waits, so that a slow one is not called dead by us before the probe has its own opinion.
const STALLED_AFTER: Duration = Duration::from_secs(5);

/// What connections, workers and the accepting thread tell each other.
pub(crate) struct Shared {
    observer: Arc<dyn Observer>,
    born: Instant,
    stalled: AtomicBool,
    draining: AtomicBool,
    drain: Notify,
    closed: Notify,
}

impl Shared {
    pub(crate) fn new(observer: Arc<dyn Observer>) -> Self {
        Self {
            observer,
            born: Instant::now(),
            stalled: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            drain: Notify::new(),
            closed: Notify::new(),
        }
    }

    pub(crate) fn observer(&self) -> &dyn Observer {
        &*self.observer
    }

    /// Has every connection finish what it is at, and end.
    pub(crate) fn start_to_drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.drain.notify_waiters();
    }

    pub(crate) fn draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Over when the server drains; at once if it does already.
    pub(crate) async fn drain(&self) {
        let notified = self.drain.notified();
        if !self.draining() {
            notified.await;
        }
    }

    /// Over when a connection has been closed since the last call.
    pub(crate) async fn closed(&self) {
        self.closed.notified().await;
    }

    /// Some handler has not returned for long.
    pub(crate) fn stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    /// A handler has returned after all, if it took so long that it may have been missed. Without
    /// this a client that keeps its connection, and has everybody else stay away while the service
    /// is down, would hear for ever that it is.
    pub(crate) fn returned(&self, time: Duration) {
        if time > STALLED_AFTER {
            // If another one is stuck, the next look finds out.
            self.stalled.store(false, Ordering::Relaxed);
        }
    }

    /// What all clocks of this server count from.
    pub(crate) fn born(&self) -> Instant {
        self.born
    }
}

/// What one thread has to do.
#[derive(Default)]
pub(crate) struct Load {
    open: AtomicUsize,
    /// When the handler was called that has not returned yet, in milliseconds; 0 if there is none.
    handling_since: AtomicU64,
    pub(crate) request_ids: RequestIds,
    pub(crate) outbox: Outbox,
}

impl Load {
    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Counts one more connection.
    pub(crate) fn slot(load: &Arc<Self>, shared: &Arc<Shared>) -> Slot {
        load.open.fetch_add(1, Ordering::AcqRel);
        shared.observer.opened();
        Slot { load: Arc::clone(load), shared: Arc::clone(shared) }
    }

    pub(crate) fn handling(&self, now: Duration) {
        self.handling_since.store(millis(now).max(1), Ordering::Relaxed);
    }

    pub(crate) fn handled(&self) {
        self.handling_since.store(0, Ordering::Relaxed);
    }

    fn stalled(&self, now: u64) -> bool {
        let since = self.handling_since.load(Ordering::Relaxed);
        since != 0 && Duration::from_millis(now.saturating_sub(since)) > STALLED_AFTER
    }
}

/// A connection's place in the count of its thread, given back when it is dropped.
pub(crate) struct Slot {
    load: Arc<Load>,
    shared: Arc<Shared>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.load.open.fetch_sub(1, Ordering::AcqRel);
        self.shared.observer.closed();
        self.shared.closed.notify_one();
    }
}

/// All workers of one server.
pub(crate) struct Workers {
    workers: Vec<Worker>,
    shared: Arc<Shared>,
}

struct Worker {
    queue: mpsc::UnboundedSender<(TcpStream, SocketAddr, Slot)>,
    load: Arc<Load>,
    /// Comes when the thread has let go of the handler.
    done: oneshot::Receiver<()>,
}

impl Workers {
    pub(crate) fn start(
        handler: &Arc<Handler>,
        limits: &Limits,
        shared: &Arc<Shared>,
    ) -> io::Result<Self> {
        let start = |number| {
            let load = Arc::<Load>::default();
            let connections =
                Connections::new(Common::new(handler, limits.clone(), shared, &load, false));
            Worker::start(number, connections, load)
        };
        let workers = (0..limits.workers.get()).map(start).collect::<io::Result<_>>()?;
        Ok(Self { workers, shared: Arc::clone(shared) })
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.workers.iter().map(|worker| worker.load.open()).sum()
    }

    /// Looks whether a worker is stuck.
    pub(crate) fn look(&self) {
        let now = millis(self.shared.born.elapsed());
        let mut stalled = false;
        for worker in self.workers.iter().filter(|worker| worker.load.stalled(now)) {
            stalled = true;
            // Those that were answered before the handler was called.
            worker.load.outbox.send();
        }
        let known = self.shared.stalled.swap(stalled, Ordering::Relaxed);
        if stalled && !known {
            error!("A handler has not returned for {STALLED_AFTER:?}");
        }
    }

    /// Gives the connection to the worker that has the fewest, and to one that is stuck only if all
    /// are.
    pub(crate) fn hand_out(&self, stream: TcpStream, peer: SocketAddr) {
        let now = millis(self.shared.born.elapsed());
        let emptiest = |worker: &&Worker| (worker.load.stalled(now), worker.load.open());
        let Some(worker) = self.workers.iter().min_by_key(emptiest) else { return };
        let slot = Load::slot(&worker.load, &self.shared);
        if worker.queue.send((stream, peer, slot)).is_err() {
            warn!("Lost a connection: its worker is gone");
        }
    }

    /// Ends all threads, and waits until they have let go of the handler.
    pub(crate) async fn end(self) {
        for Worker { queue, done, .. } in self.workers {
            drop(queue);
            // An error says that the thread is gone, which is as good.
            let _ = done.await;
        }
    }
}

impl Worker {
    fn start(number: usize, connections: Connections, load: Arc<Load>) -> io::Result<Self> {
        let (queue, mut accepted) = mpsc::unbounded_channel();
        let (ended, done) = oneshot::channel();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let own = Arc::clone(&load);
        thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            runtime.block_on(async {
                // A task waits in line behind those that have something to read.
                let sender = Arc::clone(&own);
                tokio::spawn(poll_fn(move |cx| sender.outbox.poll_send(cx)));
                while let Some((stream, peer, slot)) = accepted.recv().await {
                    connections.spawn(stream, peer, slot);
                }
            });
            own.outbox.send();
            drop(runtime);
            drop(connections);
            let _ = ended.send(());
        })?;
        Ok(Self { queue, load, done })
    }
}
