//! The watchdog with a handler that says what health is.

use std::net::Ipv4Addr;
use std::num::NonZeroUsize;
use std::thread;

use accountservice_core::HostState;
use accountservice_host_hyper::{Server, ServerConfig};
use bytes::Bytes;
use http::{Request, Response};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;

const LIMIT: Duration = Duration::from_secs(2);
const HOUR: Duration = Duration::from_hours(1);

fn healthy() -> Response<Bytes> {
    Response::new(Bytes::from_static(br#"{"status":"UP"}"#))
}

fn unhealthy(status: &str) -> Response<Bytes> {
    let mut response = Response::new(format!(r#"{{"status":"{status}"}}"#).into());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}

/// When the watchdog gives up, and what it says then; `None` if it does not within an hour. The
/// handler is given the time since the start. No real time passes.
async fn watch(
    handler: impl Fn(Duration) -> Response<Bytes> + Send + Sync + 'static,
) -> Option<(Duration, String)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let start = Instant::now();
    let handler = move |_: Request<Bytes>| std::future::ready(handler(start.elapsed()));
    let health = Server::new(listener, handler).health_check();
    let reason = timeout(HOUR, unhealthy_for(LIMIT, &health)).await.ok()?;
    Some((start.elapsed(), reason))
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_after_the_limit_with_what_health_says() {
    for status in ["Forced unhealthy", "Database unaccessible", "Stuck"] {
        let (time, reason) = watch(move |_| unhealthy(status)).await.expect("the end");
        assert_eq!(reason, format!(r#"{{"status":"{status}"}}"#));
        assert!((LIMIT..=LIMIT + INTERVAL).contains(&time), "{time:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_healthy_moment_starts_the_time_again() {
    // Unhealthy for 1.5 s of every 2 s.
    let flapping = |time: Duration| match time.as_millis() % 2000 {
        0..1500 => unhealthy("Forced unhealthy"),
        _ => healthy(),
    };
    assert_eq!(watch(flapping).await, None);
    let at_last = move |time| if time < HOUR / 2 { flapping(time) } else { unhealthy("Stuck") };
    let (time, _) = watch(at_last).await.expect("the end");
    assert!((HOUR / 2 + LIMIT..=HOUR / 2 + LIMIT + 2 * INTERVAL).contains(&time), "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn it_does_not_give_up_for_the_reason_of_another_process() {
    for status in ["Starting", "Shutting down"] {
        assert_eq!(watch(move |_| unhealthy(status)).await, None, "{status}");
    }
    assert_eq!(watch(|_| healthy()).await, None);
}

/// Blocks its thread, and answers for a stalled host.
async fn stuck(request: Request<Bytes>) -> Response<Bytes> {
    if request.extensions().get::<HostState>().is_some_and(|host| host.stalled) {
        return unhealthy("Stuck");
    }
    if request.uri().path() == "/stuck" {
        thread::sleep(HOUR);
    }
    healthy()
}

#[tokio::test]
async fn a_stuck_handler_is_a_reason_and_is_not_waited_for() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let mut client =
        TcpStream::connect(listener.local_addr().expect("an address")).await.expect("connected");
    client.write_all(b"GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("sent");
    let config = ServerConfig {
        workers: NonZeroUsize::MIN,
        shutdown_timeout: Duration::from_mins(1),
        ..ServerConfig::default()
    };
    let server = Server::new(listener, stuck).config(config);
    let mut shutdown = Shutdown::listen().expect("signals");
    let (health, mut exit) = (server.health_check(), None);
    let limit = Some(Duration::from_millis(500));
    let start = Instant::now();
    let end = async { exit = Some(end(&mut shutdown, &health, limit).await) };
    server.serve(end).await.expect("served");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(matches!(exit, Some(Exit::Unhealthy)));
}
