//! The server of `/metrics`, on a port of its own.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use accountservice_host::Handler;
use accountservice_host_hyper::{HealthCheck, Observer, Server, ServerConfig};
use accountservice_metrics::Metrics;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::port::Port;

/// More connections than there are scrapers.
const MAX_CONNECTIONS: usize = 16;
const OVERLOAD_SLOTS: usize = 8;

/// File descriptors that the server needs: connections, listener, and the runtime of its worker.
pub(crate) const FILE_DESCRIPTORS: usize = MAX_CONNECTIONS + OVERLOAD_SLOTS + 6;

/// How long a scrape in flight may take when the process stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(500);

/// Counting has a cost, so events are counted only if there is a server to show them.
pub(crate) fn observer(metrics: &Arc<Metrics>, is_served: bool) -> Arc<dyn Observer> {
    if is_served { Arc::clone(metrics) as _ } else { Arc::new(()) }
}

/// The server, if there is one.
pub(crate) struct MetricsServer(Option<(oneshot::Sender<()>, JoinHandle<io::Result<()>>)>);

impl MetricsServer {
    pub(crate) fn start<H: Handler>(
        port: Option<Port>,
        metrics: Arc<Metrics>,
        health: HealthCheck<H>,
    ) -> anyhow::Result<Self> {
        let Some(port) = port else { return Ok(Self(None)) };
        let (listener, port) = port.listen()?;
        info!("Serving metrics at {port}");
        let config = ServerConfig {
            workers: NonZeroUsize::MIN,
            max_connections: MAX_CONNECTIONS,
            overload_slots: OVERLOAD_SLOTS,
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            ..ServerConfig::default()
        };
        let handler = move |request| {
            let (metrics, health) = (Arc::clone(&metrics), health.clone());
            async move {
                let is_healthy = health.response().await.status().is_success();
                metrics.respond(&request, is_healthy)
            }
        };
        let (end, ended) = oneshot::channel();
        let serving = Server::new(listener, handler).config(config).serve(async {
            // An error states that the sender is gone, which is as good.
            let _ = ended.await;
        });
        Ok(Self(Some((end, tokio::spawn(serving)))))
    }

    /// Ends the server. It drops the handler of the service then, so that the store can close.
    pub(crate) async fn end(self) {
        if let Some((end, server)) = self.0 {
            drop(end);
            if let Ok(Err(error)) = server.await {
                warn!("Cannot serve metrics: {error}");
            }
        }
    }
}
