//! The server of `/metrics`, on a port of its own. What is counted is in `accountservice-metrics`.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use accountservice_host::Handler;
use accountservice_host_hyper::{HealthCheck, Observer, Server, ServerConfig};
use accountservice_metrics::Metrics;
use anyhow::Context;
use tokio::sync::oneshot;
use tracing::warn;

use crate::port::Port;
use crate::settings::Settings;

/// More connections than there are scrapers.
const MAX_CONNECTIONS: usize = 16;
const OVERLOAD_SLOTS: usize = 8;

/// File descriptors that the server needs: connections, listener, and the runtime of its worker.
pub(crate) const FILE_DESCRIPTORS: usize = MAX_CONNECTIONS + OVERLOAD_SLOTS + 6;

/// How long a scrape in flight may take when the process stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(500);

/// The server, if there is a port for it.
pub(crate) struct MetricsServer(Option<(Port, Arc<Metrics>)>);

impl MetricsServer {
    pub(crate) fn reserve(settings: &Settings) -> anyhow::Result<Self> {
        let Some(port) = settings.metrics_port else { return Ok(Self(None)) };
        let port = Port::reserve(settings.address, port)?;
        let metrics = Metrics::new("accountservice", env!("CARGO_PKG_VERSION"))?;
        Ok(Self(Some((port, Arc::new(metrics)))))
    }

    /// Counting has a cost, so events are counted only if there is a server to show them.
    pub(crate) fn observer(&self) -> Arc<dyn Observer> {
        match &self.0 {
            Some((_, metrics)) => Arc::clone(metrics) as _,
            None => Arc::new(()),
        }
    }

    /// Serves metrics for as long as `service` runs, whose health is one of them.
    pub(crate) async fn serve_beside(
        self,
        service: impl Future<Output = io::Result<()>>,
        health: HealthCheck<impl Handler>,
    ) -> anyhow::Result<()> {
        let Some((port, metrics)) = self.0 else { return service.await.context("cannot serve") };
        let listener = port.listen("Serving metrics at")?;
        let config = ServerConfig {
            workers: NonZeroUsize::MIN,
            max_connections: MAX_CONNECTIONS,
            overload_slots: OVERLOAD_SLOTS,
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            ..ServerConfig::default()
        };
        let server = Server::new(listener, move |request| {
            let (metrics, health) = (Arc::clone(&metrics), health.clone());
            async move { metrics.respond(&request, health.response().await.status().is_success()) }
        });
        let (running, ended) = oneshot::channel::<()>();
        let service = async {
            let result = service.await;
            drop(running);
            result.context("cannot serve")
        };
        let server = server.config(config).serve(async {
            // An error states that the sender is gone, which is the end.
            let _ = ended.await;
        });
        let metrics = async {
            if let Err(error) = server.await {
                warn!("Cannot serve metrics: {error}");
            }
        };
        tokio::join!(service, metrics).0
    }
}
