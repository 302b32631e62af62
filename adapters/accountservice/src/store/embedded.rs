//! Opening and seeding the embedded store, with progress, and an end when the process is to stop.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use accountservice_process::Shutdown;
use accountservice_store_native_db::{NativeDbStore, SeedOutcome};
use anyhow::Context;
use tracing::info;

/// How often seeding says how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

/// Opens and seeds on a thread of its own, so that a signal is heard meanwhile.
pub(crate) async fn open(
    path: &Path,
    count: u64,
    shutdown: &mut Shutdown,
) -> anyhow::Result<Option<NativeDbStore>> {
    let path = path.to_owned();
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&stopped);
    let mut seeding = tokio::task::spawn_blocking(move || open_and_seed(&path, count, &stop));
    let finished = tokio::select! {
        finished = &mut seeding => finished,
        () = shutdown.requested() => {
            stopped.store(true, Ordering::Release);
            seeding.await
        }
    };
    finished.context("cannot open the database")?
}

fn open_and_seed(
    path: &Path,
    count: u64,
    stopped: &AtomicBool,
) -> anyhow::Result<Option<NativeDbStore>> {
    let store = NativeDbStore::open(path)?;
    let mut reported_at = Instant::now();
    let seeded = store.seed(count, |handled| {
        if reported_at.elapsed() >= PROGRESS_INTERVAL {
            reported_at = Instant::now();
            info!("Seeding accounts: {handled} of {count}");
        }
        if stopped.load(Ordering::Acquire) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    match seeded.with_context(|| format!("cannot seed the database {}", path.display()))? {
        SeedOutcome::Written(0) => info!("Seeded {count} fake accounts... (all were there)"),
        SeedOutcome::Written(new) if new < count => {
            info!("Seeded {count} fake accounts... ({} were there)", count - new);
        }
        SeedOutcome::Written(_) => info!("Seeded {count} fake accounts..."),
        SeedOutcome::Stopped => return Ok(None),
    }
    Ok(Some(store))
}
