//! The server's own question for `/health`, without a connection.
//!
//! Metrics and a watchdog need the response that a client would get at this moment. The check runs
//! on a worker, since a store may block; the caller never blocks.

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use accountservice_core::HostState;
use accountservice_core::response::problem;
use accountservice_host::Handler;
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::state::{ServerState, WorkerStats};

/// How often a check that is under way looks whether its worker is blocked.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Asks the handler of a server for its health.
pub struct HealthCheck<H> {
    pub(crate) handler: Arc<H>,
    /// Set when the server starts.
    pub(crate) running: Arc<OnceLock<Running>>,
}

/// A server that has started.
pub(crate) struct Running {
    pub(crate) server: Arc<ServerState>,
    /// The runtimes of its workers, in the order of their stats.
    pub(crate) runtimes: Vec<Handle>,
}

impl<H> Clone for HealthCheck<H> {
    fn clone(&self) -> Self {
        Self { handler: Arc::clone(&self.handler), running: Arc::clone(&self.running) }
    }
}

impl<H: Handler> HealthCheck<H> {
    /// The response to `GET /health` at this moment. A handler that panics is a 500.
    pub async fn response(&self) -> Response<Bytes> {
        let failed = |_| {
            let code = StatusCode::INTERNAL_SERVER_ERROR;
            problem(code, "The request could not be answered.")
        };
        // A task of its own, so that a panic is its result.
        let check_here = |host| tokio::spawn(respond(Arc::clone(&self.handler), host));
        let Some(running) = self.running.get() else {
            return check_here(HostState::default()).await.unwrap_or_else(failed);
        };
        let server = &running.server;
        let host_state = || server.host_state().unwrap_or_default();
        // A handler that is told so does not ask the store, and does not block.
        let has_stall = || server.look_for_stalls();
        let Some((runtime, stats)) = running.free_worker().filter(|_| !has_stall()) else {
            return check_here(host_state()).await.unwrap_or_else(failed);
        };
        let (handler, server, host) = (Arc::clone(&self.handler), Arc::clone(server), host_state());
        let check = async move { stats.watch(&server, pin!(respond(handler, host))).await };
        let mut check = runtime.spawn(check);
        loop {
            match timeout(LOOK_INTERVAL, &mut check).await {
                Ok(result) => return result.unwrap_or_else(failed),
                Err(_) if has_stall() => {
                    return check_here(host_state()).await.unwrap_or_else(failed);
                }
                Err(_) => {}
            }
        }
    }
}

impl Running {
    fn free_worker(&self) -> Option<(&Handle, Arc<WorkerStats>)> {
        let now = self.server.now();
        let mut workers = self.runtimes.iter().zip(&self.server.workers);
        let (runtime, stats) = workers.find(|(_, stats)| !stats.is_stalled(now))?;
        Some((runtime, Arc::clone(stats)))
    }
}

async fn respond(handler: Arc<impl Handler>, host: HostState) -> Response<Bytes> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = Uri::from_static("/health");
    request.extensions_mut().insert(host);
    handler.respond(request).await
}
