//! `--wait` repeats the check until the service is healthy or the time is over.

use std::io::Write;
use std::time::Duration;

use crate::probe;
use crate::server::{RefusingPort, Server, request, wait_for_close};

#[test]
fn a_failed_check_is_repeated_until_healthy() {
    let server = Server::new(|mut stream, nth| {
        request(&mut stream);
        let status = if nth < 2 { 503 } else { 200 };
        write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let run = probe(server.port, &["--wait", "10s"]);
    run.is_healthy();
    assert_eq!(server.connections(), 3);
    assert!(run.took >= Duration::from_millis(500), "an interval of {:?}", run.took / 2);
    assert!(run.took < Duration::from_secs(4), "{:?}", run.took);
}

#[test]
fn a_healthy_service_is_checked_once() {
    let server = Server::responding("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    probe(server.port, &["--wait", "10s"]).is_healthy();
    assert_eq!(server.connections(), 1);
}

#[test]
fn the_last_failure_is_reported_when_the_time_is_over() {
    let server = Server::new(|mut stream, nth| {
        request(&mut stream);
        let status = if nth == 0 { 404 } else { 503 };
        write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let port = server.port;
    let run = probe(port, &["--wait", "600ms"]);
    run.is_down_timed(&format!("DOWN 503 {{time}} 127.0.0.1:{port}/health after waiting 600ms"));
    assert!((2..=3).contains(&server.connections()), "{} checks", server.connections());
    assert!(run.took >= Duration::from_millis(600), "{:?}", run.took);
    assert!(run.took < Duration::from_secs(2), "{:?}", run.took);
}

#[test]
fn a_refused_check_is_repeated() {
    let refusing = RefusingPort::new();
    let run = probe(refusing.port, &["-wait=300ms"]);
    let line = run.down();
    assert!(line.starts_with("DOWN connection refused 127.0.0.1:"), "{line}");
    assert!(line.ends_with(" after waiting 300ms"), "{line}");
    assert!(run.took >= Duration::from_millis(300), "{:?}", run.took);
}

#[test]
fn a_check_does_not_outlive_the_wait() {
    let server = Server::new(|mut stream, _| wait_for_close(&mut stream));
    let run = probe(server.port, &["--timeout", "4s", "--wait", "400ms"]);
    run.is_down(&format!(
        "DOWN no answer in 400ms 127.0.0.1:{}/health after waiting 400ms",
        server.port
    ));
    assert!(run.took >= Duration::from_millis(400) && run.took < Duration::from_secs(2));
}

#[test]
fn the_timeout_applies_to_each_check() {
    let server = Server::new(|mut stream, nth| {
        request(&mut stream);
        if nth == 0 {
            wait_for_close(&mut stream);
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    let run = probe(server.port, &["--timeout", "200ms", "--wait", "4s"]);
    run.is_healthy();
    assert_eq!(server.connections(), 2);
    assert!(run.took < Duration::from_secs(2), "{:?}", run.took);
}

#[test]
fn a_later_check_does_not_outlive_the_wait() {
    let server = Server::new(|mut stream, nth| {
        request(&mut stream);
        if nth == 0 {
            let _ = stream.write_all(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
        } else {
            wait_for_close(&mut stream);
        }
    });
    let run = probe(server.port, &["--timeout", "4s", "--wait", "600ms"]);
    let line = run.down();
    assert!(line.starts_with("DOWN no answer in "), "{line}");
    assert!(line.ends_with(" after waiting 600ms"), "{line}");
    assert!(run.took < Duration::from_secs(2), "{:?}", run.took);
}
