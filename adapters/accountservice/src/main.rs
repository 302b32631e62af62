//! The binary `accountservice`, the only package that knows hosts and stores: settings, store,
//! handler, server, in this order.

mod database;
mod exit;
mod logging;
mod metrics;
mod port;
mod process;
mod settings;
mod store;
mod watchdog;

use std::process::ExitCode;
use std::sync::Arc;

use crate::{exit::Exit, metrics::MetricsServer, port::Port, process::Shutdown};
use crate::{settings::Settings, watchdog::Watchdog};
use accountservice_host_hyper::Server;
use accountservice_metrics::Metrics;
use anyhow::Context;
use tracing::info;

fn main() -> ExitCode {
    match Settings::from_process() {
        Ok(settings) => process::run(settings, serve),
        Err(exit) => exit.report(),
    }
}

async fn serve(settings: Settings) -> anyhow::Result<Exit> {
    let mut shutdown = Shutdown::listen()?;
    info!("Starting accountservice");
    // A port in use is found before the database is touched. Clients connect when it is filled.
    let port = Port::reserve(settings.address, settings.port)?;
    let metrics_port = Port::reserve_optional(settings.address, settings.metrics_port)?;
    let service = store::open(&settings, &mut shutdown).await?;
    let Some(service) = service else { return Ok(Exit::Stopped) };
    let metrics = Arc::new(Metrics::new("accountservice", env!("CARGO_PKG_VERSION"))?);
    let observer = metrics::observer(&metrics, metrics_port.is_some());
    let (listener, port) = port.listen()?;
    info!("Starting HTTP service at {port}");
    let server = Server::new(listener, service).config(settings.server).observer(observer);
    let metrics = MetricsServer::start(metrics_port, metrics, server.health_check())?;
    let mut watchdog = Watchdog::new(shutdown, server.health_check(), settings.exit_when_unhealthy);
    server.serve(watchdog.stop()).await.context("cannot serve")?;
    metrics.end().await;
    Ok(watchdog.exit())
}
