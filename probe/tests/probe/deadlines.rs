//! One deadline for the whole check, and bounded memory.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::server::{Server, endlessly, request, until_closed};
use crate::{Run, ask};

const LIMIT: Duration = Duration::from_millis(300);
/// Room for a busy machine, and far below the patience of the servers.
const SLACK: Duration = Duration::from_millis(1_500);

fn ask_briefly(port: u16) -> Run {
    ask(port, &["--timeout", "300ms"])
}

#[track_caller]
fn ended_at(run: &Run, limit: Duration) {
    assert!(run.took >= limit, "it gave up after {:?}", run.took);
    assert!(run.took < limit + SLACK, "it took {:?}", run.took);
}

#[test]
fn a_server_that_stays_silent_is_down_when_the_time_is_over() {
    let server = Server::new(|mut stream, _| until_closed(&mut stream));
    let run = ask_briefly(server.port);
    run.is_down(&format!("DOWN no answer in 300ms 127.0.0.1:{}/health", server.port));
    ended_at(&run, LIMIT);
}

#[test]
fn without_a_flag_the_time_is_2_seconds() {
    let server = Server::new(|mut stream, _| until_closed(&mut stream));
    let run = ask(server.port, &[]);
    run.is_down(&format!("DOWN no answer in 2s 127.0.0.1:{}/health", server.port));
    ended_at(&run, Duration::from_secs(2));
}

#[test]
fn a_server_that_drips_gets_no_more_time_than_a_silent_one() {
    for (opening, drop, status) in [
        ("", "HTTP/1.1 200 OK\r\nA: ", ""),
        ("HTTP/1.1 200 OK\r\nA: ", "x", ", status 200"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", "x", ", status 200"),
        ("HTTP/1.1 503 No\r\n\r\n", "x", ", status 503"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", ", status 200"),
    ] {
        let server = Server::new(move |mut stream, _| {
            request(&mut stream);
            if opening.is_empty() {
                drip_slowly(stream, drop);
            } else {
                endlessly(stream, opening.as_bytes(), drop.as_bytes(), Duration::from_millis(20));
            }
        });
        let run = ask_briefly(server.port);
        run.is_down(&format!(
            "DOWN no complete answer in 300ms{status} 127.0.0.1:{}/health",
            server.port
        ));
        ended_at(&run, LIMIT);
    }
}

/// A byte at a time, too slowly to complete the status line.
fn drip_slowly(mut stream: TcpStream, text: &str) {
    for byte in text.bytes() {
        if stream.write_all(&[byte]).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(60));
    }
}

#[test]
fn an_answer_that_stops_without_closing_is_down_when_the_time_is_over() {
    let server = Server::new(|mut stream, _| {
        request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{").unwrap();
        until_closed(&mut stream);
    });
    let run = ask_briefly(server.port);
    run.is_down(&format!(
        "DOWN no complete answer in 300ms, status 200 127.0.0.1:{}/health",
        server.port
    ));
    ended_at(&run, LIMIT);
}

#[test]
fn an_endless_answer_is_down_as_soon_as_it_is_too_large() {
    for (opening, rest, why) in [
        ("HTTP/1.1 200 OK\r\n", "A: b\r\n", "answer head over 16 KiB, status 200"),
        ("HTTP/1.1 ", "200 ", "answer head over 16 KiB"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n", "answer head over 16 KiB"),
        ("HTTP/1.1 200 OK\r\n\r\n", "body", "answer over 1 MiB, status 200"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "4\r\nbody\r\n",
            "answer over 1 MiB, status 200",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
            "x",
            "answer over 1 MiB, status 200",
        ),
    ] {
        let server = Server::new(move |mut stream, _| {
            request(&mut stream);
            endlessly(stream, opening.as_bytes(), rest.repeat(200).as_bytes(), Duration::ZERO);
        });
        let run = ask(server.port, &["--timeout", "4s"]);
        run.is_down(&format!("DOWN {why} 127.0.0.1:{}/health", server.port));
        assert!(run.took < Duration::from_secs(2), "it read on for {:?}", run.took);
    }
}

#[test]
fn another_protocol_is_told_apart_before_the_time_is_over() {
    let server = Server::new(|mut stream, _| {
        // The first frame of an HTTP/2 server, which then waits.
        stream.write_all(b"\0\0\x12\x04\0\0\0\0\0").unwrap();
        until_closed(&mut stream);
    });
    let run = ask(server.port, &["--timeout", "4s"]);
    assert!(run.down().starts_with("DOWN malformed answer: no HTTP/1 status line: ???"));
    assert!(run.took < Duration::from_secs(2), "it waited for {:?}", run.took);
}

#[test]
fn a_server_that_never_reads_or_accepts_is_down_when_the_time_is_over() {
    // Nobody accepts: the kernel does, and the request stays unread.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let path = format!("/{}", "x".repeat(7_000));
    let run = ask(port, &["--timeout", "300ms", "--path", &path]);
    assert!(run.down().starts_with("DOWN no answer in 300ms 127.0.0.1:"), "{}", run.line);
    ended_at(&run, LIMIT);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_backlog_is_down_when_the_time_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // The standard library asks for a backlog of 128, and the kernel may hold up to 4096.
    let mut held = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        held.push(stream);
        assert!(held.len() < 5_000, "the backlog never fills");
    }
    let run = ask_briefly(address.port());
    run.is_down(&format!("DOWN no answer in 300ms, not even connected {address}/health"));
    ended_at(&run, LIMIT);
}
