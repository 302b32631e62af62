//! State that the threads of one server share.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use accountservice_core::HostState;
use accountservice_host::{Exchanges, Observer};
use bytes::Bytes;
use http::Request;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{error, info};

use crate::ServerConfig;
use crate::deadline::millis;

/// A handler that blocks its thread for longer is taken for one that never returns: longer than any
/// probe waits, so that a slow handler is not reported before the probe itself gives up.
const STALLED_AFTER: Duration = Duration::from_secs(5);

/// The state of one server.
pub(crate) struct ServerState {
    pub(crate) config: ServerConfig,
    pub(crate) exchanges: Exchanges,
    pub(crate) workers: Box<[Arc<WorkerStats>]>,
    started_at: Instant,
    draining: AtomicBool,
    closing: AtomicBool,
    stalled: AtomicBool,
    closing_started: Notify,
    connection_closed: Notify,
}

impl ServerState {
    pub(crate) fn new(config: ServerConfig, observer: Arc<dyn Observer>) -> Self {
        let config = config.bounded();
        Self {
            exchanges: Exchanges::new(config.max_body, observer),
            workers: (0..config.workers.get()).map(|_| Arc::default()).collect(),
            config,
            started_at: Instant::now(),
            draining: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            closing_started: Notify::new(),
            connection_closed: Notify::new(),
        }
    }

    /// The moment from which all clocks of this server count.
    pub(crate) fn started_at(&self) -> Instant {
        self.started_at
    }

    /// Connections that workers serve.
    pub(crate) fn open(&self) -> usize {
        self.workers.iter().map(|worker| worker.open()).sum()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.open() >= self.config.max_connections
    }

    /// What the handler is told with each request; `None` if there is nothing to tell.
    pub(crate) fn host_state(&self) -> Option<HostState> {
        let state = HostState {
            draining: self.draining.load(Ordering::Acquire),
            overloaded: self.is_full(),
            // A handler that has returned meanwhile is not held against the process.
            stalled: self.stalled.load(Ordering::Relaxed) && self.look_for_stalls(),
        };
        (state != HostState::default()).then_some(state)
    }

    /// Tells the handler the state of the host, if there is anything to tell.
    pub(crate) fn with_host_state(&self, mut request: Request<Bytes>) -> Request<Bytes> {
        if let Some(state) = self.host_state() {
            request.extensions_mut().insert(state);
        }
        request
    }

    /// Looks whether a handler blocks its thread, and remembers it for all requests.
    pub(crate) fn look_for_stalls(&self) -> bool {
        let now = self.now();
        let stalled = self.workers.iter().any(|worker| worker.is_stalled(now));
        let known = self.stalled.swap(stalled, Ordering::Relaxed);
        match (known, stalled) {
            (false, true) => error!("A handler has not returned for {STALLED_AFTER:?}"),
            (true, false) => info!("The handler that had not returned is back"),
            _ => {}
        }
        stalled
    }

    /// Tells handlers from now on that the process is shutting down.
    pub(crate) fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Has every connection complete its request and end.
    pub(crate) fn start_closing(&self) {
        self.closing.store(true, Ordering::Release);
        self.closing_started.notify_waiters();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Completes when connections have to end.
    pub(crate) async fn closing_started(&self) {
        let notified = self.closing_started.notified();
        if !self.is_closing() {
            notified.await;
        }
    }

    /// Completes when a connection has been closed since the last call.
    pub(crate) async fn connection_closed(&self) {
        self.connection_closed.notified().await;
    }

    /// Milliseconds since the start.
    pub(crate) fn now(&self) -> u64 {
        millis(self.started_at.elapsed())
    }
}

/// The load of one thread.
#[derive(Default)]
pub(crate) struct WorkerStats {
    open: AtomicUsize,
    /// When the handler was called that has not returned yet, in milliseconds since the start of the
    /// server; 0 if there is none.
    handling_since: AtomicU64,
}

impl WorkerStats {
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Awaits a handler, and notes during each poll that it may block the thread.
    pub(crate) async fn watch<F: Future>(
        &self,
        server: &ServerState,
        mut handler: Pin<&mut F>,
    ) -> F::Output {
        poll_fn(|cx| {
            self.handling_since.store(server.now().max(1), Ordering::Relaxed);
            let poll = handler.as_mut().poll(cx);
            self.handling_since.store(0, Ordering::Relaxed);
            poll
        })
        .await
    }

    pub(crate) fn is_stalled(&self, now: u64) -> bool {
        let since = self.handling_since.load(Ordering::Relaxed);
        since != 0 && Duration::from_millis(now.saturating_sub(since)) >= STALLED_AFTER
    }
}

/// Counts one open connection until it is dropped.
pub(crate) struct ConnectionPermit {
    stats: Arc<WorkerStats>,
    server: Arc<ServerState>,
}

impl ConnectionPermit {
    pub(crate) fn new(stats: &Arc<WorkerStats>, server: &Arc<ServerState>) -> Self {
        stats.open.fetch_add(1, Ordering::AcqRel);
        server.exchanges.observer().connection_opened();
        Self { stats: Arc::clone(stats), server: Arc::clone(server) }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.stats.open.fetch_sub(1, Ordering::AcqRel);
        self.server.exchanges.observer().connection_closed();
        self.server.connection_closed.notify_one();
    }
}
