//! The service: settings, store, core, host.

mod logging;
mod metrics;
mod process;
mod settings;

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use accountservice_core::AccountService;
use accountservice_host_hyper::{Observer, serve_observed};
use accountservice_store_native_db::{Added, NativeDbStore};
use anyhow::Context;
use tokio::sync::oneshot;
use tracing::{debug, info};

use metrics::Metrics;
use process::{Port, Stop};
use settings::{Outcome, Settings};

fn main() -> ExitCode {
    let settings = match Settings::from_process() {
        Outcome::Run(settings) => settings,
        Outcome::Answer(text) => return process::print(&text),
        Outcome::BadUsage(error) => return process::fail(2, &error),
        Outcome::BadSettings(errors) => return process::fail(1, &errors),
    };
    let _log = match logging::start(settings.log_format, settings.log_level) {
        Ok(log) => log,
        Err(error) => return process::fail(1, &format!("cannot start a thread: {error}")),
    };
    match start(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => process::fail(1, &format!("{error:#}")),
    }
}

fn start(settings: Settings) -> anyhow::Result<()> {
    let descriptors = process::raise_fd_limit(&settings.limits)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(run(settings, descriptors))
}

async fn run(settings: Settings, descriptors: usize) -> anyhow::Result<()> {
    let mut stop = Stop::listen()?;
    info!("Starting accountservice");
    // A taken port is found out before the database is touched, and before it is filled nobody is
    // kept waiting at the port.
    let port = Port::reserve(settings.address, settings.port)?;
    // Twice "whichever is free" is not the same port.
    let own_port = settings.metrics_port.filter(|port| *port != settings.port || *port == 0);
    let own_port = own_port.map(|port| Port::reserve(settings.address, port)).transpose()?;
    let Some(store) = seeded_store(&settings, &mut stop).await? else { return Ok(()) };
    let served_by = settings.served_by.unwrap_or_else(process::address_or_host_name);
    let service = AccountService::new(store, served_by).with_testability(settings.testability);
    let service = Arc::new(service);

    let (listener, port) = port.listen()?;
    info!("Starting HTTP service at {port}");
    let for_metrics = if own_port.is_some() { metrics::DESCRIPTORS } else { 0 };
    let limits = process::within_fd_limit(settings.limits, descriptors, for_metrics);
    let metrics = settings.metrics_port.map(|_| Metrics::new(Arc::clone(&service))).transpose()?;
    let metrics = metrics.map(Arc::new);
    let observer: Arc<dyn Observer> = match &metrics {
        Some(metrics) => Arc::clone(metrics) as _,
        None => Arc::new(()),
    };
    let handler = {
        let service = Arc::clone(&service);
        let metrics = metrics.clone().filter(|_| own_port.is_none());
        move |request| match metrics.as_ref().and_then(|metrics| metrics.answer(&request)) {
            Some(answer) => answer,
            None => service.handle(request),
        }
    };
    let serving = serve_observed(listener, handler, limits, observer, async {
        stop.requested().await;
        service.health().drain();
    });
    match (own_port, metrics) {
        (Some(port), Some(metrics)) => {
            let (listener, port) = port.listen()?;
            info!("Serving metrics at {port}");
            let (end, ended) = oneshot::channel::<()>();
            let serving = async {
                let _end = end;
                serving.await
            };
            // Both let go of the store before it is closed, or the next start would repair it.
            tokio::try_join!(serving, metrics::serve(metrics, listener, ended)).map(|_| ())
        }
        _ => serving.await,
    }
    .context("cannot serve")
}

/// Opens and seeds the store on a thread of its own, so that the wish to stop is heard meanwhile.
async fn seeded_store(
    settings: &Settings,
    stop: &mut Stop,
) -> anyhow::Result<Option<NativeDbStore>> {
    let (path, count) = (settings.database.clone(), settings.accounts);
    let stopped = Arc::new(AtomicBool::new(false));
    let mut seeding = {
        let stopped = Arc::clone(&stopped);
        tokio::task::spawn_blocking(move || {
            let store = NativeDbStore::open(&path)?;
            let seeded = store.seed(count, progress(count, &stopped));
            let added =
                seeded.with_context(|| format!("cannot seed the database {}", path.display()))?;
            anyhow::Ok((store, added))
        })
    };
    let finished = tokio::select! {
        finished = &mut seeding => finished,
        () = stop.requested() => {
            stopped.store(true, Ordering::Release);
            seeding.await
        }
    };
    let (store, added) = finished.context("cannot open the database")??;
    let Added::Written(written) = added else { return Ok(None) };
    info!("Seeded {count} fake accounts...");
    debug!("{written} of them were new");
    Ok(Some(store))
}

/// Says how far seeding is, every two seconds, and ends it when the process is to stop.
fn progress(count: u64, stopped: &AtomicBool) -> impl FnMut(u64) -> ControlFlow<()> {
    let mut last = Instant::now();
    move |handled| {
        if last.elapsed() >= Duration::from_secs(2) {
            last = Instant::now();
            info!("Seeding accounts: {handled} of {count}");
        }
        if stopped.load(Ordering::Acquire) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}
