//! The server: it accepts connections, chooses a worker for each, and stops without losing one.
//!
//! It reads no bytes of a client. A binary calls it with a listener, a handler and a shutdown signal.

use std::io;
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use accountservice_host::{Handler, Observer};
use socket2::{SockFilter, SockRef};
use tokio::net::TcpListener;
use tokio::select;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, error, info, warn};

use crate::ServerConfig;
use crate::connection;
use crate::context::ConnectionContext;
use crate::health_check::HealthCheck;
use crate::overload::Overload;
use crate::state::ServerState;
use crate::worker::WorkerThread;

/// How long accepting pauses when the machine has no file descriptor or no memory for one more
/// connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The shortest time between two warnings about the connection limit.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// How often the server looks for a blocked handler when no connection comes in.
const STALL_INTERVAL: Duration = Duration::from_secs(1);

/// How long handshakes under way may take to complete when the listener closes.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(50);

/// Hosts a handler on a listener. The caller owns the listener and the moment to shut down.
///
/// ```
/// # use std::io;
/// use accountservice_host_hyper::Server;
/// use http::{Request, Response};
/// use tokio::net::TcpListener;
///
/// # fn main() -> io::Result<()> {
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let shutdown = async {};
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let handler = |request: Request<bytes::Bytes>| async { Response::new(request.into_body()) };
/// Server::new(listener, handler).serve(shutdown).await
/// # })
/// # }
/// ```
pub struct Server<H> {
    listener: TcpListener,
    health: HealthCheck<H>,
    config: ServerConfig,
    observer: Arc<dyn Observer>,
}

impl<H: Handler> Server<H> {
    /// A server with the default configuration and without an observer.
    pub fn new(listener: TcpListener, handler: H) -> Self {
        Self {
            listener,
            health: HealthCheck { handler: Arc::new(handler), server: Arc::default() },
            config: ServerConfig::default(),
            observer: Arc::new(()),
        }
    }

    /// Sets limits and timeouts.
    #[must_use]
    pub fn config(self, config: ServerConfig) -> Self {
        Self { config, ..self }
    }

    /// Sets the receiver of events.
    #[must_use]
    pub fn observer(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer, ..self }
    }

    /// A check of the server's health without a connection.
    pub fn health_check(&self) -> HealthCheck<H> {
        self.health.clone()
    }

    /// Serves until `shutdown` completes. Then, in this order: health is 503 for the drain delay
    /// while connections are still accepted; the listener closes; requests in flight complete and
    /// idle connections are closed, within the shutdown timeout.
    ///
    /// A blocked handler is not waited for. Runs on a tokio runtime with I/O and time.
    ///
    /// # Errors
    ///
    /// If a worker's thread or runtime cannot be created: never because of a client.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let Self { listener, health, config, observer } = self;
        let ServerConfig { drain_delay, shutdown_timeout, .. } = config;
        let threads = (0..config.workers.get()).map(WorkerThread::start);
        let threads = threads.collect::<io::Result<Vec<_>>>()?;
        let workers = threads.iter().map(|thread| Arc::clone(&thread.worker)).collect();
        let server = Arc::new(ServerState::new(health.handler, config, observer, workers));
        health.server.get_or_init(|| Arc::clone(&server));
        let overload = Overload::new(&server);
        let mut acceptor = Acceptor { server, threads, overload, warned_at: None };

        acceptor.accept_until(&listener, shutdown).await;
        acceptor.server.draining.store(true, Ordering::Release);
        if !drain_delay.is_zero() {
            info!("Accepting connections for another {drain_delay:?}");
            acceptor.accept_until(&listener, sleep(drain_delay)).await;
        }
        let shutdown_end = sleep(shutdown_timeout);
        acceptor.server.start_closing();
        acceptor.close(listener).await?;
        select! {
            biased;
            () = acceptor.end() => {}
            () = shutdown_end => {
                warn!("Gave up on requests that were still in flight after {shutdown_timeout:?}");
            }
        }
        Ok(())
    }
}

/// Accepts connections and dispatches them.
struct Acceptor<H> {
    server: Arc<ServerState<H>>,
    threads: Vec<WorkerThread>,
    overload: Overload<H>,
    warned_at: Option<Instant>,
}

impl<H: Handler> Acceptor<H> {
    async fn accept_until(&mut self, listener: &TcpListener, end: impl Future<Output = ()>) {
        let mut end = pin!(end);
        let mut is_failing = false;
        loop {
            let accepted = select! {
                biased;
                () = &mut end => return,
                accepted = timeout(STALL_INTERVAL, listener.accept()) => accepted,
            };
            let Ok(accepted) = accepted else {
                self.server.look_for_stalls();
                continue;
            };
            match accepted {
                Ok((stream, peer)) => {
                    if mem::take(&mut is_failing) {
                        info!("Accepting connections again");
                    }
                    // A worker registers it with a runtime of its own.
                    if let Ok(stream) = stream.into_std() {
                        self.dispatch(stream, peer).await;
                    }
                }
                Err(error) if concerns_one_connection(&error) => {
                    debug!("Lost a connection: {error}");
                }
                Err(error) => {
                    if !mem::replace(&mut is_failing, true) {
                        error!("Cannot accept connections: {error}");
                    }
                    select! {
                        () = &mut end => return,
                        () = sleep(ACCEPT_PAUSE) => {}
                    }
                }
            }
        }
    }

    async fn dispatch(&mut self, stream: TcpStream, peer: SocketAddr) {
        let server = &self.server;
        // The connection may be that of a probe.
        server.look_for_stalls();
        let is_full = server.is_full();
        if let Some(worker) = server.free_worker().filter(|_| !is_full) {
            let context = ConnectionContext::new(server, worker, peer, false);
            worker.runtime.spawn(connection::serve(Arc::new(context), stream));
            return;
        }
        if is_full && self.warned_at.is_none_or(|at| at.elapsed() > WARNING_INTERVAL) {
            let limit = server.config.max_connections;
            warn!("{limit} connections are open, which is the limit: further ones get a 503");
            self.warned_at = Some(Instant::now());
        }
        self.overload.serve(stream, peer).await;
    }

    /// Closes the listener. Closing resets connections that are established and not accepted, so no
    /// new handshake may begin, and those under way complete first.
    async fn close(&mut self, listener: TcpListener) -> io::Result<()> {
        match SockRef::from(&listener).attach_filter(&DROP_NEW_HANDSHAKES) {
            Ok(()) => self.accept_until(&listener, sleep(HANDSHAKE_TIMEOUT)).await,
            Err(error) => debug!("Cannot hold back new connections while closing: {error}"),
        }
        let listener = listener.into_std()?;
        loop {
            match listener.accept() {
                Ok((stream, peer)) => {
                    if stream.set_nonblocking(true).is_ok() {
                        self.dispatch(stream, peer).await;
                    }
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(_) => return Ok(()),
            }
        }
    }

    /// Waits until all connections have ended that can, and ends the workers.
    async fn end(self) {
        let Self { server, threads, overload, .. } = self;
        let open = || server.running_workers().map(|worker| worker.open()).sum::<usize>();
        while open() + overload.worker.open() > 0 {
            // A handler may begin to block meanwhile.
            let _ = timeout(STALL_INTERVAL, server.connection_closed.notified()).await;
        }
        for thread in threads {
            thread.end().await;
        }
    }
}

/// A classic BPF program on the listener: a packet with SYN set and ACK clear is dropped. Its sender
/// tries again, and meets the next process or a closed port.
const DROP_NEW_HANDSHAKES: [SockFilter; 5] = [
    // Load the flags: byte 13 of the TCP header.
    SockFilter::new(0x30, 0, 0, 13),
    // Keep SYN and ACK.
    SockFilter::new(0x54, 0, 0, 0x12),
    // SYN alone: the next instruction; else the last.
    SockFilter::new(0x15, 0, 1, 0x02),
    SockFilter::new(0x06, 0, 0, 0),
    SockFilter::new(0x06, 0, 0, u32::MAX),
];

/// Errors of accept(2) that say nothing about the next call.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
