//! `--exit-when-unhealthy`: a process that stays unhealthy ends itself with status 3.

use std::time::{Duration, Instant};

use accountservice_host::testing::is_last;

use crate::file::{cut, start_large};
use crate::service::Folder;

const UNHEALTHY: i32 = 3;

#[test]
fn forced_unhealthy_it_ends_with_the_reason_in_the_log() {
    let folder = Folder::new();
    let mut service = folder.start(&["--testability", "--exit-when-unhealthy=1s"]);
    let mut in_flight = service.connect();
    in_flight.send("GET /accounts/10000 HTTP/1.1\r\nHo");
    let start = Instant::now();
    assert_eq!(service.get("/testability/healthy/false").0, 200);
    let reason = r#"Stopping: /health has been 503 for 1s: {"status":"Forced unhealthy"}"#;
    let line = service.process.line("Stopping");
    assert!(line.ends_with(&format!(" ERROR {reason}")), "{line}");
    let elapsed = start.elapsed();
    assert!(elapsed >= Duration::from_secs(1), "{elapsed:?}");
    assert!(elapsed < Duration::from_secs(3), "{elapsed:?}");

    in_flight.send("st: a\r\n\r\n");
    let response = in_flight.response();
    assert_eq!(response.status(), 200);
    assert!(is_last(&response));
    let (status, errors) = service.process.wait();
    assert_eq!((status.code(), errors.as_str()), (Some(UNHEALTHY), ""));
}

#[test]
fn an_unreadable_database_is_a_reason_too() {
    let folder = Folder::new();
    let mut service = start_large(&folder, &["--exit-when-unhealthy=200ms"]);
    cut(&folder, 0);
    assert_eq!(service.get("/accounts/40000").0, 503);
    service.process.line(
        r#" ERROR Stopping: /health has been 503 for 200ms: {"status":"Database unaccessible"}"#,
    );
    assert_eq!(service.process.wait().0.code(), Some(UNHEALTHY));
}

#[test]
fn a_signal_ends_an_unhealthy_process_with_status_0() {
    let folder = Folder::new();
    let service = folder.start(&["--testability", "--exit-when-unhealthy=1h"]);
    assert_eq!(service.get("/testability/healthy/false").0, 200);
    assert_eq!(service.get("/health").0, 503);
    service.stop();
}

#[test]
fn shutting_down_is_no_reason() {
    let folder = Folder::new();
    let mut service = folder.start(&["--exit-when-unhealthy=100ms", "--drain-delay=1s"]);
    service.process.signal("TERM");
    service.process.line("Accepting connections for another 1s");
    let shutting_down = (503, r#"{"status":"Shutting down"}"#.to_owned());
    assert_eq!(service.get("/health"), shutting_down);
    assert_eq!(service.process.wait().0.code(), Some(0));
    let log = service.process.log();
    assert!(!log.iter().any(|line| line.contains("has been 503")), "{log:#?}");
}

#[test]
fn without_the_flag_an_unhealthy_process_stays() {
    let folder = Folder::new();
    let service = folder.start(&["--testability"]);
    assert_eq!(service.get("/testability/healthy/false").0, 200);
    let mut client = service.connect();
    assert_eq!(client.get("/health").status(), 503);
    assert!(client.is_silent_for(Duration::from_secs(1)));
    assert_eq!(client.get("/accounts/10000").status(), 200);
    service.stop();
}
