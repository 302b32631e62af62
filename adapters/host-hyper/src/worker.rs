//! The threads that serve connections, and how connections are spread over them.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use bytes::Bytes;
use http::{Request, Response};
use tokio::runtime;
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::warn;

use crate::Limits;
use crate::connection::Connections;

/// All workers of one server.
pub(crate) struct Workers {
    workers: Vec<Worker>,
    shared: Arc<Shared>,
}

struct Worker {
    queue: mpsc::UnboundedSender<Accepted>,
    open: Arc<AtomicUsize>,
    /// Comes when the thread has let go of the handler.
    done: oneshot::Receiver<()>,
}

type Accepted = (TcpStream, SocketAddr, Slot);

/// What connections, workers and the accepting thread tell each other.
#[derive(Default)]
pub(crate) struct Shared {
    draining: AtomicBool,
    drain: Notify,
    closed: Notify,
}

impl Shared {
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
}

/// A connection's place in the count of its worker, given back when it is dropped.
pub(crate) struct Slot {
    open: Arc<AtomicUsize>,
    shared: Arc<Shared>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
        self.shared.closed.notify_one();
    }
}

impl Workers {
    pub(crate) fn start<H>(handler: H, limits: &Limits) -> io::Result<Self>
    where
        H: Fn(Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
    {
        let shared = Arc::new(Shared::default());
        let handler = Arc::new(handler);
        let start = |number| {
            let connections = Connections::new(&handler, limits, &shared);
            Worker::start(number, connections)
        };
        let workers = (0..limits.workers.get()).map(start).collect::<io::Result<_>>()?;
        Ok(Self { workers, shared })
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.workers.iter().map(Worker::open).sum()
    }

    /// Waits until fewer than `limit` connections are open.
    pub(crate) async fn below(&self, limit: usize) {
        while self.open() >= limit {
            self.shared.closed.notified().await;
        }
    }

    /// Gives the connection to the worker that has the fewest.
    pub(crate) fn hand_out(&self, stream: TcpStream, peer: SocketAddr) {
        let Some(worker) = self.workers.iter().min_by_key(|worker| worker.open()) else { return };
        worker.open.fetch_add(1, Ordering::AcqRel);
        let slot = Slot { open: Arc::clone(&worker.open), shared: Arc::clone(&self.shared) };
        if worker.queue.send((stream, peer, slot)).is_err() {
            warn!("Lost a connection: its worker is gone");
        }
    }

    /// Has every connection finish what it is at, also those that come yet.
    pub(crate) fn drain(&self) {
        self.shared.draining.store(true, Ordering::Release);
        self.shared.drain.notify_waiters();
    }

    /// Waits until all connections have gone and all workers have ended.
    pub(crate) async fn end(self) {
        self.below(1).await;
        for Worker { queue, done, .. } in self.workers {
            drop(queue);
            // An error says that the thread is gone, which is as good.
            let _ = done.await;
        }
    }
}

impl Worker {
    fn start<H>(number: usize, connections: Connections<H>) -> io::Result<Self>
    where
        H: Fn(Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
    {
        let (queue, mut accepted) = mpsc::unbounded_channel::<Accepted>();
        let (ended, done) = oneshot::channel();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            runtime.block_on(async {
                while let Some((stream, peer, slot)) = accepted.recv().await {
                    connections.spawn(stream, peer, slot);
                }
            });
            drop(runtime);
            drop(connections);
            let _ = ended.send(());
        })?;
        Ok(Self { queue, open: Arc::default(), done })
    }

    fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }
}
