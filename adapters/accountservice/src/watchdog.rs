//! `--exit-when-unhealthy`: a process that stays unhealthy for a reason of its own ends itself, so
//! that any restart policy replaces it. The orchestrator's health check is not its subject.

use std::time::Duration;

use accountservice_host::Handler;
use accountservice_host_hyper::HealthCheck;
use http::StatusCode;
use tokio::select;
use tokio::time::{Instant, sleep};
use tracing::error;

use crate::exit::Exit;
use crate::process::Shutdown;

/// How often health is asked for; sooner if the limit is short.
const INTERVAL: Duration = Duration::from_millis(250);

/// Waits for the reason to stop.
pub(crate) struct Watchdog<H> {
    shutdown: Shutdown,
    health: HealthCheck<H>,
    limit: Option<Duration>,
    is_unhealthy: bool,
}

impl<H: Handler> Watchdog<H> {
    /// Without a `limit` only a signal stops the process.
    pub(crate) fn new(shutdown: Shutdown, health: HealthCheck<H>, limit: Option<Duration>) -> Self {
        Self { shutdown, health, limit, is_unhealthy: false }
    }

    /// Completes when a signal has come, or when the process has been unhealthy for the limit.
    pub(crate) async fn stop(&mut self) {
        let Some(limit) = self.limit else { return self.shutdown.requested().await };
        select! {
            () = self.shutdown.requested() => {}
            reason = unhealthy_for(limit, &self.health) => {
                error!("Stopping: /health has been 503 for {limit:?}: {reason}");
                self.is_unhealthy = true;
            }
        }
    }

    /// How the process ends.
    pub(crate) fn exit(self) -> Exit {
        if self.is_unhealthy { Exit::Unhealthy } else { Exit::Stopped }
    }
}

/// Completes with the body of `/health` when the process has been unhealthy for `limit`.
async fn unhealthy_for<H: Handler>(limit: Duration, health: &HealthCheck<H>) -> String {
    let interval = INTERVAL.min(limit / 4).max(Duration::from_millis(1));
    let mut unhealthy_since = None;
    loop {
        let asked_at = Instant::now();
        let response = health.response().await;
        let body = String::from_utf8_lossy(response.body());
        if response.status() == StatusCode::OK || is_of_another_process(&body) {
            unhealthy_since = None;
        } else if unhealthy_since.get_or_insert(asked_at).elapsed() >= limit {
            return body.into_owned();
        }
        sleep(interval).await;
    }
}

/// A restart of this process would not help: a shared store is away, or the process stops anyway.
fn is_of_another_process(body: &str) -> bool {
    [r#"{"status":"Starting"}"#, r#"{"status":"Shutting down"}"#].contains(&body)
}

#[cfg(test)]
#[path = "../tests/unit/watchdog.rs"]
mod tests;
