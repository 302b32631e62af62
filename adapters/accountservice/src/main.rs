//! The binary `accountservice`, the package that brings hosts and stores together: settings, store,
//! handler, server, in this order.

mod logging;
mod metrics;
mod port;
mod process;
mod settings;
mod store;
mod watchdog;

use std::process::ExitCode;

use accountservice_host_hyper::Server;
use accountservice_process::{Exit, Shutdown};
use tracing::info;

use crate::{metrics::MetricsServer, port::Port, settings::Settings};

fn main() -> ExitCode {
    process::run(Settings::from_process(), serve).report("accountservice")
}

async fn serve(settings: Settings) -> anyhow::Result<Exit> {
    let mut shutdown = Shutdown::listen()?;
    info!("Starting accountservice");
    // A port in use is found before the database is touched. Clients connect when it is filled.
    let port = Port::reserve(settings.address, settings.port)?;
    let metrics = MetricsServer::reserve(&settings)?;
    let service = store::open(&settings, &mut shutdown).await?;
    let Some(service) = service else { return Ok(Exit::Stopped) };
    let listener = port.listen("Starting HTTP service at")?;
    let server =
        Server::new(listener, service).config(settings.server).observer(metrics.observer());
    let (health, mut exit) = (server.health_check(), Exit::Stopped);
    let limit = settings.exit_when_unhealthy;
    let end = async { exit = watchdog::end(&mut shutdown, &health, limit).await };
    metrics.serve_beside(server.serve(end), health.clone()).await?;
    Ok(exit)
}
