//! `--exit-when-unhealthy`: a process that stays unhealthy for a reason of its own ends itself, so
//! that any restart policy replaces it. The orchestrator's health check is not its subject.

use std::time::Duration;

use accountservice_host::Handler;
use accountservice_host_hyper::HealthCheck;
use accountservice_process::{Exit, Shutdown};
use http::StatusCode;
use tokio::select;
use tokio::time::{Instant, sleep};
use tracing::error;

/// How often health is asked for; sooner if the limit is short.
const INTERVAL: Duration = Duration::from_millis(250);

/// Completes when a signal has come, or when the process has been unhealthy for `limit`, if there is
/// one.
pub(crate) async fn end(
    shutdown: &mut Shutdown,
    health: &HealthCheck<impl Handler>,
    limit: Option<Duration>,
) -> Exit {
    let Some(limit) = limit else {
        shutdown.requested().await;
        return Exit::Stopped;
    };
    select! {
        () = shutdown.requested() => Exit::Stopped,
        reason = unhealthy_for(limit, health) => {
            error!("Stopping: /health has been 503 for {limit:?}: {reason}");
            Exit::Unhealthy
        }
    }
}

/// Completes with the body of `/health` when the process has been unhealthy for `limit`.
async fn unhealthy_for(limit: Duration, health: &HealthCheck<impl Handler>) -> String {
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
