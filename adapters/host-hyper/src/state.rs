//! The state of one server, for all its threads: what it serves, its phase, and its connections.
//!
//! The server changes the phase, connections count themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use accountservice_core::HostState;
use accountservice_host::{Exchanges, Observer};
use tokio::sync::Notify;
use tracing::{error, info};

use crate::ServerConfig;
use crate::worker::{STALLED_AFTER, Worker};

pub(crate) struct ServerState<H> {
    pub(crate) handler: Arc<H>,
    pub(crate) config: ServerConfig,
    pub(crate) exchanges: Exchanges,
    workers: Box<[Arc<Worker>]>,
    /// Handlers are told that the process is shutting down.
    pub(crate) draining: AtomicBool,
    closing: AtomicBool,
    stalled: AtomicBool,
    /// Notified once, when `is_closing` has become true.
    pub(crate) closing_started: Notify,
    /// Notified when a connection has been closed.
    pub(crate) connection_closed: Notify,
}

impl<H> ServerState<H> {
    pub(crate) fn new(
        handler: Arc<H>,
        config: ServerConfig,
        observer: Arc<dyn Observer>,
        workers: Box<[Arc<Worker>]>,
    ) -> Self {
        Self {
            handler,
            exchanges: Exchanges::new(config.max_body, observer),
            config,
            workers,
            draining: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            closing_started: Notify::new(),
            connection_closed: Notify::new(),
        }
    }

    /// Workers that no handler blocks.
    pub(crate) fn running_workers(&self) -> impl Iterator<Item = &Arc<Worker>> {
        self.workers.iter().filter(|worker| !worker.is_stalled())
    }

    /// The worker for the next connection; `None` if all are blocked.
    pub(crate) fn free_worker(&self) -> Option<&Arc<Worker>> {
        self.running_workers().min_by_key(|worker| worker.open())
    }

    /// Workers serve as many connections as the limit allows.
    pub(crate) fn is_full(&self) -> bool {
        let open: usize = self.workers.iter().map(|worker| worker.open()).sum();
        open >= self.config.max_connections
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

    /// Looks whether a handler blocks its thread, and remembers it for all requests.
    pub(crate) fn look_for_stalls(&self) -> bool {
        let stalled = self.workers.iter().any(|worker| worker.is_stalled());
        let known = self.stalled.swap(stalled, Ordering::Relaxed);
        match (known, stalled) {
            (false, true) => error!("A handler has not returned for {STALLED_AFTER:?}"),
            (true, false) => info!("The handler that had not returned is back"),
            _ => {}
        }
        stalled
    }

    /// Has every connection complete its request and end.
    pub(crate) fn start_closing(&self) {
        self.closing.store(true, Ordering::Release);
        self.closing_started.notify_waiters();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}
