//! One deadline for the whole check, and limits for the size of a response.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::server::{Server, request, send_endlessly, wait_for_close};
use crate::{Run, probe};

const LIMIT: Duration = Duration::from_millis(300);
/// For a busy machine; far shorter than the timeout of the servers.
const SLACK: Duration = Duration::from_millis(1_500);

fn probe_briefly(port: u16) -> Run {
    probe(port, &["--timeout", "300ms"])
}

#[track_caller]
fn ended_at(run: &Run, limit: Duration) {
    assert!(run.took >= limit, "{:?} is too early", run.took);
    assert!(run.took < limit + SLACK, "{:?} is too late", run.took);
}

#[test]
fn a_silent_server_is_down_when_the_time_is_over() {
    let server = Server::new(|mut stream, _| wait_for_close(&mut stream));
    let run = probe_briefly(server.port);
    run.is_down(&format!("DOWN no answer in 300ms 127.0.0.1:{}/health", server.port));
    ended_at(&run, LIMIT);
}

#[test]
fn a_timeout_is_reported_in_whole_milliseconds() {
    let server = Server::new(|mut stream, _| wait_for_close(&mut stream));
    let run = probe(server.port, &["--timeout", "1.2ms"]);
    run.is_down(&format!("DOWN no answer in 2ms 127.0.0.1:{}/health", server.port));
}

#[test]
fn the_default_timeout_is_2_seconds() {
    let server = Server::new(|mut stream, _| wait_for_close(&mut stream));
    let run = probe(server.port, &[]);
    run.is_down(&format!("DOWN no answer in 2s 127.0.0.1:{}/health", server.port));
    ended_at(&run, Duration::from_secs(2));
}

#[test]
fn a_dripping_server_gets_no_more_time_than_a_silent_one() {
    for (start, drop, status) in [
        ("", "HTTP/1.1 200 OK\r\n", ""),
        ("HTTP/1.1 200 OK\r\nA: ", "x", ", status 200"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", "x", ", status 200"),
        ("HTTP/1.1 503 No\r\n\r\n", "x", ", status 503"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", ", status 200"),
    ] {
        let server = Server::new(move |mut stream, _| {
            request(&mut stream);
            if start.is_empty() {
                drip(stream, drop);
            } else {
                send_endlessly(
                    stream,
                    start.as_bytes(),
                    drop.as_bytes(),
                    Duration::from_millis(20),
                );
            }
        });
        let run = probe_briefly(server.port);
        run.is_down(&format!(
            "DOWN no complete response in 300ms{status} 127.0.0.1:{}/health",
            server.port
        ));
        ended_at(&run, LIMIT);
    }
}

/// Sends a byte at a time, too slowly to complete a status line.
fn drip(mut stream: TcpStream, text: &str) {
    for byte in text.bytes() {
        if stream.write_all(&[byte]).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(60));
    }
}

#[test]
fn a_response_that_stops_without_a_close_is_down_when_the_time_is_over() {
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{",
        "HTTP/1.1 200 OK\r\n\r\n{\"status\":\"UP\"}",
    ] {
        let server = Server::new(move |mut stream, _| {
            request(&mut stream);
            stream.write_all(response.as_bytes()).unwrap();
            wait_for_close(&mut stream);
        });
        let run = probe_briefly(server.port);
        run.is_down(&format!(
            "DOWN no complete response in 300ms, status 200 127.0.0.1:{}/health",
            server.port
        ));
        ended_at(&run, LIMIT);
    }
}

#[test]
fn an_endless_response_is_down_as_soon_as_it_is_too_large() {
    for (start, rest, cause) in [
        ("HTTP/1.1 200 OK\r\n", "A: b\r\n", "response head over 16 KiB, status 200"),
        ("HTTP/1.1 ", "200 ", "response head over 16 KiB"),
        ("HTTP/1.1 200 OK\r\n\r\n", "body", "response body over 1 MiB, status 200"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "4\r\nbody\r\n",
            "response body over 1 MiB, status 200",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
            "x",
            "response body over 1 MiB, status 200",
        ),
    ] {
        let server = Server::new(move |mut stream, _| {
            request(&mut stream);
            send_endlessly(stream, start.as_bytes(), rest.repeat(200).as_bytes(), Duration::ZERO);
        });
        let run = probe(server.port, &["--timeout", "4s"]);
        run.is_down(&format!("DOWN {cause} 127.0.0.1:{}/health", server.port));
        assert!(run.took < Duration::from_secs(2), "{:?} is too late", run.took);
    }
}

#[test]
fn a_server_that_never_accepts_is_down_when_the_time_is_over() {
    // The kernel completes the handshake.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let path = format!("/{}", "x".repeat(7_000));
    let run = probe(port, &["--timeout", "300ms", "--path", &path]);
    assert!(run.down().starts_with("DOWN no answer in 300ms 127.0.0.1:"), "{}", run.stderr);
    ended_at(&run, LIMIT);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_accept_queue_is_down_when_the_time_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // The standard library sets the length to 128; the kernel allows up to 4096.
    let mut held = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        held.push(stream);
        assert!(held.len() < 5_000, "the queue never fills");
    }
    let run = probe_briefly(address.port());
    run.is_down(&format!("DOWN no answer in 300ms {address}/health"));
    ended_at(&run, LIMIT);
}
