//! The threads that serve connections, and the choice of a thread for each connection.
//!
//! A worker is a thread with a current-thread runtime. It runs handlers in place: an embedded store
//! answers in microseconds.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;

use accountservice_host::Handler;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::connection;
use crate::context::ConnectionContext;
use crate::state::{ConnectionPermit, ServerState, WorkerStats};

/// All workers of one server.
pub(crate) struct Workers<H> {
    threads: Vec<Worker>,
    server: Arc<ServerState>,
    handler: Arc<H>,
}

struct Worker {
    runtime: Handle,
    stats: Arc<WorkerStats>,
    /// Dropped to end the thread.
    running: oneshot::Sender<()>,
    /// Completes when the thread has dropped its connections, and with them the handler.
    ended: oneshot::Receiver<()>,
}

impl<H: Handler> Workers<H> {
    pub(crate) fn start(server: &Arc<ServerState>, handler: &Arc<H>) -> io::Result<Self> {
        let workers = server.workers.iter().enumerate();
        let workers = workers.map(|(number, stats)| Worker::start(number, stats));
        Ok(Self {
            threads: workers.collect::<io::Result<_>>()?,
            server: Arc::clone(server),
            handler: Arc::clone(handler),
        })
    }

    /// The runtimes of the workers, in the order of their stats in the server state.
    pub(crate) fn runtimes(&self) -> Vec<Handle> {
        self.threads.iter().map(|worker| worker.runtime.clone()).collect()
    }

    /// Hands the connection to the worker with the fewest, or returns it if all are blocked.
    pub(crate) fn dispatch(&self, stream: TcpStream, peer: SocketAddr) -> Result<(), TcpStream> {
        let now = self.server.now();
        let free = self.threads.iter().filter(|worker| !worker.stats.is_stalled(now));
        let Some(worker) = free.min_by_key(|worker| worker.stats.open()) else {
            return Err(stream);
        };
        let permit = ConnectionPermit::new(&worker.stats, &self.server);
        let context =
            ConnectionContext::new(&self.server, &self.handler, &worker.stats, peer, false);
        worker.runtime.spawn(connection::serve(Arc::new(context), stream, permit));
        Ok(())
    }

    /// Whether no worker can serve a connection.
    pub(crate) fn are_blocked(&self) -> bool {
        let now = self.server.now();
        self.threads.iter().all(|worker| worker.stats.is_stalled(now))
    }

    /// Connections that can still come to an end: those of workers that are not blocked.
    pub(crate) fn open_and_running(&self) -> usize {
        let now = self.server.now();
        let running = self.threads.iter().filter(|worker| !worker.stats.is_stalled(now));
        running.map(|worker| worker.stats.open()).sum()
    }

    /// Ends all threads that are not blocked, and waits until they have dropped the handler.
    pub(crate) async fn end(self) {
        let now = self.server.now();
        for Worker { running, ended, stats, .. } in self.threads {
            drop(running);
            if !stats.is_stalled(now) {
                // An error states that the thread has ended, too.
                let _ = ended.await;
            }
        }
    }
}

impl Worker {
    fn start(number: usize, stats: &Arc<WorkerStats>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (running, stopped) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel();
        thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            // Completes with an error when the sender is dropped.
            let _ = runtime.block_on(stopped);
            drop(runtime);
            let _ = end.send(());
        })?;
        Ok(Self { runtime: handle, stats: Arc::clone(stats), running, ended })
    }
}
