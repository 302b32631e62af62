//! The response to `GET /health` without a connection, for metrics and a watchdog.
//!
//! The check runs on a worker, since a store may block; the caller never blocks. It is not counted
//! and not logged: no client has sent it.

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use accountservice_core::HostState;
use accountservice_core::response::problem;
use accountservice_host::Handler;
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use tokio::task::JoinError;
use tokio::time::timeout;

use crate::state::ServerState;

/// How often a check that is under way looks whether its worker is blocked.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Asks the handler of a server for its health.
pub struct HealthCheck<H> {
    pub(crate) handler: Arc<H>,
    /// Set when the server starts.
    pub(crate) server: Arc<OnceLock<Arc<ServerState<H>>>>,
}

impl<H> Clone for HealthCheck<H> {
    fn clone(&self) -> Self {
        Self { handler: Arc::clone(&self.handler), server: Arc::clone(&self.server) }
    }
}

impl<H: Handler> HealthCheck<H> {
    /// The response to `GET /health` at this moment. A handler that panics is a 500.
    pub async fn response(&self) -> Response<Bytes> {
        let response = match self.ask_worker().await {
            Some(response) => response,
            // The handler is told of a stall. It does not ask the store then, and does not block.
            None => tokio::spawn(respond(Arc::clone(&self.handler), self.host_state())).await,
        };
        response.unwrap_or_else(|_| {
            let code = StatusCode::INTERNAL_SERVER_ERROR;
            problem(code, "The request could not be answered.")
        })
    }

    /// `None` if there is no worker or a handler blocks one. A panic is an error of the task.
    async fn ask_worker(&self) -> Option<Result<Response<Bytes>, JoinError>> {
        let server = self.server.get()?;
        let worker = Arc::clone(server.free_worker().filter(|_| !server.look_for_stalls())?);
        let response = respond(Arc::clone(&self.handler), self.host_state());
        let runtime = worker.runtime.clone();
        let mut check = runtime.spawn(async move { worker.watch(pin!(response)).await });
        loop {
            match timeout(LOOK_INTERVAL, &mut check).await {
                Ok(response) => return Some(response),
                Err(_) if server.look_for_stalls() => return None,
                Err(_) => {}
            }
        }
    }

    fn host_state(&self) -> HostState {
        self.server.get().and_then(|server| server.host_state()).unwrap_or_default()
    }
}

async fn respond(handler: Arc<impl Handler>, host: HostState) -> Response<Bytes> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = Uri::from_static("/health");
    request.extensions_mut().insert(host);
    handler.respond(request).await
}
