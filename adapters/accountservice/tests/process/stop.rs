//! SIGTERM and SIGINT: every accepted request gets its response, and the process ends soon.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use accountservice_host::testing::{Client, SERVING_METRICS, TIMEOUT, eventually, is_last};
use http::Method;

use crate::service::{Folder, Service, skipped, spawn};

/// Less than the default shutdown timeout, which is for requests in flight.
const SOON: Duration = Duration::from_secs(4);

/// Waits for the end with status 0, which comes soon after `start`.
#[track_caller]
fn assert_ends_soon(service: &mut Service, start: Instant) {
    let (status, errors) = service.process.wait();
    assert_eq!((status.code(), errors.as_str()), (Some(0), ""));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

/// Handshakes get no response while the listener closes.
fn is_refused(address: SocketAddr) -> bool {
    let connected = Client::try_connect(address, Duration::from_millis(100));
    connected.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

fn shutting_down() -> (u16, String) {
    (503, r#"{"status":"Shutting down"}"#.to_owned())
}

#[test]
fn both_signals_end_it_soon_and_with_status_0() {
    let folder = Folder::new();
    for signal in ["TERM", "INT"] {
        let mut service = folder.start(&[]);
        let mut idle = service.connect();
        idle.get("/health");
        let start = Instant::now();
        service.process.signal(signal);
        service.process.line(&format!(" INFO Stopping on SIG{signal}"));
        assert_ends_soon(&mut service, start);
        idle.expect_close();
    }
}

#[test]
fn as_process_1_it_stops_on_sigterm() {
    // The kernel delivers to process 1 only those signals that it handles.
    let wrapper = ["unshare", "--pid", "--fork", "--kill-child"];
    let attempt = Command::new("unshare").args(&wrapper[1..]).arg("true").output();
    match attempt {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            return skipped("process 1", String::from_utf8_lossy(&output.stderr).trim());
        }
        Err(error) => return skipped("process 1", &error.to_string()),
    }
    let folder = Folder::new();
    let mut service = Service::of(spawn(folder.command_under(&wrapper, &[])));
    let parent = service.process.id();
    let children = format!("/proc/{parent}/task/{parent}/children");
    let child = fs::read_to_string(children).expect("procfs");
    let start = Instant::now();
    let sent = Command::new("kill").args(["-s", "TERM", child.trim()]).status();
    assert!(sent.is_ok_and(|status| status.success()));
    service.process.line("Stopping on SIGTERM");
    assert_ends_soon(&mut service, start);
}

/// Otherwise the next start repairs it, which takes long if it is large. The tenth byte of a file of
/// redb has a bit for that. Health checks for the metrics and the watchdog use the database too.
#[test]
fn the_database_is_closed_properly() {
    const NEEDS_REPAIR: u8 = 0b010;
    let folder = Folder::new();
    let flags = || folder.database_bytes().expect("a database")[9];
    for _ in 0..5 {
        let mut service = folder.start(&["--metrics-port=0", "--exit-when-unhealthy=1h"]);
        let port = service.process.port(SERVING_METRICS);
        let mut scraper = Client::connect((Ipv4Addr::LOCALHOST, port).into());
        assert_eq!(scraper.get("/metrics").status(), 200);
        assert_ne!(flags() & NEEDS_REPAIR, 0, "it is open");
        service.stop();
        assert_eq!(flags() & NEEDS_REPAIR, 0, "it is closed");
    }
}

/// Sends requests until connections are refused, some on each connection. Every request on an
/// established connection gets its response, until one says that it is the last.
fn request_until_refused(address: SocketAddr, per_connection: usize, responses: &AtomicUsize) {
    // A service that does not stop fails the test elsewhere.
    let end = Instant::now() + 2 * TIMEOUT;
    'connections: while Instant::now() < end {
        let mut client = match Client::try_connect(address, TIMEOUT) {
            Ok(client) => client,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
            Err(error) => panic!("connect: {error}"),
        };
        for _ in 0..per_connection {
            let response = client.get("/accounts/10007");
            assert_eq!(response.status(), 200);
            responses.fetch_add(1, Ordering::Relaxed);
            if is_last(&response) {
                client.expect_close();
                continue 'connections;
            }
        }
    }
}

#[test]
fn under_load_no_accepted_request_fails() {
    let folder = Folder::new();
    let mut service = folder.start(&["--workers=2"]);
    let (address, responses) = (service.address, AtomicUsize::new(0));
    let clients = thread::scope(|scope| {
        // Short connections, so that handshakes are under way when the listener closes.
        let clients = [[1; 16], [20; 16]].concat().into_iter().map(|per_connection| {
            let responses = &responses;
            scope.spawn(move || request_until_refused(address, per_connection, responses))
        });
        let clients: Vec<_> = clients.collect();
        eventually("there is load", || responses.load(Ordering::Relaxed) > 1000);
        let start = Instant::now();
        service.process.signal("TERM");
        assert_ends_soon(&mut service, start);
        clients.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    assert!(clients.iter().all(Result::is_ok), "after {responses:?} responses");
}

#[test]
fn health_is_503_while_requests_in_flight_complete() {
    let folder = Folder::new();
    let mut service = folder.start(&["--testability"]);
    service.get("/testability/healthy/false");
    let mut client = service.connect();
    client.get("/health");
    client.send("GET /health HTTP/1.1\r\nHo");
    service.process.signal("TERM");
    service.process.line("Stopping on SIGTERM");
    eventually("connections are refused", || is_refused(service.address));
    client.send("st: a\r\n\r\n");
    let response = client.response();
    assert_eq!(response.status(), 503);
    assert_eq!(response.body(), r#"{"status":"Shutting down"}"#);
    assert!(is_last(&response));
    client.expect_close();
    assert_eq!(service.process.wait().0.code(), Some(0));
}

#[test]
fn a_connection_without_a_request_is_given_a_moment() {
    const MOMENT: Duration = Duration::from_millis(250);
    let folder = Folder::new();
    let mut service = folder.start(&[]);
    let (mut late, mut silent) = (service.connect(), service.connect());
    let start = Instant::now();
    service.process.signal("TERM");
    service.process.line("Stopping on SIGTERM");
    match late.try_request(&Method::GET, "/accounts/10000") {
        Ok(response) => assert_eq!(response.status(), 200),
        // On a busy machine it may be too late.
        Err(error) => assert!(start.elapsed() > MOMENT, "{error} after {:?}", start.elapsed()),
    }
    silent.expect_close();
    assert!(start.elapsed() >= MOMENT, "{:?}", start.elapsed());
    assert_ends_soon(&mut service, start);
}

#[test]
fn a_request_that_never_completes_holds_it_up_for_the_shutdown_timeout() {
    let folder = Folder::new();
    let mut service = folder.start(&["--shutdown-timeout=600ms"]);
    let mut client = service.connect();
    client.send("GET /health HTTP/1.1\r\nHo");
    assert!(client.is_silent_for(Duration::from_millis(100)));
    let start = Instant::now();
    service.process.signal("TERM");
    service.process.line(" WARN Gave up on requests that were still in flight after 600ms");
    assert_ends_soon(&mut service, start);
    assert!(start.elapsed() >= Duration::from_millis(600), "{:?}", start.elapsed());
}

#[test]
fn during_the_drain_delay_health_is_503_and_connections_are_accepted() {
    let folder = Folder::new();
    let mut service = folder.start(&["--drain-delay=1s", "--shutdown-timeout=500ms"]);
    let mut never_complete = service.connect();
    never_complete.send("GET /health HTTP/1.1\r\nHo");
    let mut before = service.connect();
    assert_eq!(before.get("/health/ready").status(), 200);
    let start = Instant::now();
    service.process.signal("TERM");
    service.process.line("Accepting connections for another 1s");
    for path in ["/health", "/health/live", "/health/ready"] {
        assert_eq!(service.get(path), shutting_down(), "{path}");
    }
    // Clients that have not heard of it are served as ever.
    let response = service.connect().get("/accounts/10000");
    assert_eq!(response.status(), 200);
    assert!(!is_last(&response));
    assert_eq!(before.get("/accounts/10000").status(), 200);

    eventually("connections are refused", || is_refused(service.address));
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    assert_ends_soon(&mut service, start);
    let with_shutdown_timeout = Duration::from_millis(1500);
    assert!(start.elapsed() >= with_shutdown_timeout, "{:?}", start.elapsed());
}

#[test]
fn a_stop_while_seeding_leaves_no_account_behind() {
    let folder = Folder::new();
    let mut process = folder.spawn(&["--accounts=2000000"]);
    process.line("Seeding accounts: ");
    let start = Instant::now();
    process.signal("TERM");
    let (status, errors) = process.wait();
    assert_eq!((status.code(), errors.as_str()), (Some(0), ""));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert!(!process.log().iter().any(|line| line.contains("Starting HTTP")));

    let service = folder.start(&["--accounts=2"]);
    assert_eq!(service.get("/accounts/10001").0, 200);
    assert_eq!(service.get("/accounts/10002").0, 404, "all of them or none");
    service.stop();
}
