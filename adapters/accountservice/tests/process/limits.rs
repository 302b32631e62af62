//! Limits and timeouts reach the server as they were set. What they do exactly is tested there.

use std::fs;
use std::time::{Duration, Instant};

use accountservice_host::testing::{eventually, is_last};

use crate::service::Folder;

/// Far longer than the timeouts set here, and far shorter than their defaults.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_large_head_is_a_431_and_a_large_body_a_413() {
    let folder = Folder::new();
    let service = folder.start(&["--max-head=8192", "--max-body=10"]);
    let request = |head: usize, body: usize| {
        let (head, body) = ("x".repeat(head), "x".repeat(body));
        let length = body.len();
        let mut client = service.connect();
        client.send(format!(
            "POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nX: {head}\r\n\r\n{body}"
        ));
        client.response().status().as_u16()
    };
    assert_eq!(request(8000, 10), 405);
    assert_eq!(request(9000, 10), 431);
    assert_eq!(request(8000, 11), 413);
    service.stop();
}

#[test]
fn slow_and_silent_clients_are_disconnected() {
    let folder = Folder::new();
    let service = folder.start(&[
        "--header-timeout=300ms",
        "--body-timeout=400ms",
        "--keep-alive-timeout=500ms",
    ]);
    let start = Instant::now();
    let mut slow_head = service.connect();
    slow_head.send("GET /health HTTP/1.1\r\nHo");
    let mut slow_body = service.connect();
    slow_body.send("POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx");
    let mut idle = service.connect();
    assert_eq!(idle.get("/health").status(), 200);

    slow_head.expect_close();
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    assert_eq!(slow_body.response().status(), 408);
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
    idle.expect_close();
    assert!(start.elapsed() >= Duration::from_millis(500), "{:?}", start.elapsed());
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    service.stop();
}

#[test]
fn above_the_connection_limit_health_is_answered_and_nothing_else() {
    let folder = Folder::new();
    let service = folder.start(&["--max-connections=1"]);
    let mut first = service.connect();
    assert_eq!(first.get("/accounts/10000").status(), 200);

    assert_eq!(service.get("/health"), (200, r#"{"status":"UP"}"#.to_owned()));
    assert_eq!(service.get("/health/ready"), (503, r#"{"status":"Overloaded"}"#.to_owned()));
    let response = service.connect().get("/accounts/10000");
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(is_last(&response));
    assert_eq!(first.get("/accounts/10000").status(), 200);
    service.stop();
}

#[test]
fn there_are_as_many_workers_as_were_set() {
    let folder = Folder::new();
    let service = folder.start(&["--workers=3"]);
    let threads = format!("/proc/{}/task", service.process.id());
    // A thread names itself when it runs.
    eventually("there are three workers", || {
        let threads = fs::read_dir(&threads).expect("procfs");
        let names = threads.map(|thread| fs::read_to_string(thread?.path().join("comm")));
        names.filter(|name| name.as_ref().is_ok_and(|name| name.starts_with("worker-"))).count()
            == 3
    });
    service.stop();
}
