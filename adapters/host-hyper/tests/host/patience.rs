//! How long a client may take for what. Limits that a test is not about are far beyond its patience.

use std::time::{Duration, Instant};

use accountservice_host_hyper::Limits;
use bytes::Bytes;
use http::{Request, Response};

use crate::client::{Client, closes, eventually, get};
use crate::server::{Server, echo, limits};

const SHORT: Duration = Duration::from_millis(300);
const NEVER: Duration = Duration::MAX;

/// The host counts in milliseconds.
const PRECISION: Duration = Duration::from_millis(2);

/// Nothing is ever over.
fn endless() -> Limits {
    Limits { head_time: NEVER, body_time: NEVER, idle_time: NEVER, ..limits() }
}

/// Runs `wait`, which must take at least so long.
fn takes_at_least(time: Duration, wait: impl FnOnce()) {
    let start = Instant::now();
    wait();
    assert!(start.elapsed() + PRECISION >= time, "only {:?}", start.elapsed());
}

/// A connection that has been answered once. On a slow machine the first byte of a new one may be
/// too late.
fn connected(server: &Server) -> Client {
    loop {
        let mut client = server.connect();
        if client.try_send(get("/")).is_ok() && client.try_answer(true).is_ok() {
            return client;
        }
    }
}

#[test]
fn a_silent_new_connection_is_closed_after_the_time_for_a_head() {
    let server = Server::start(Limits { head_time: SHORT, ..endless() }, echo);
    takes_at_least(SHORT, || server.connect().is_closed());
}

#[test]
fn an_incomplete_head_is_closed_after_its_time() {
    let server = Server::start(Limits { head_time: SHORT, ..endless() }, echo);
    takes_at_least(SHORT, || {
        let mut client = server.connect();
        client.send("GET / HTTP/1.1\r\nHost: te");
        client.is_closed();
    });
}

#[test]
fn a_head_that_begins_behind_a_request_is_closed_after_its_time() {
    let server = Server::start(Limits { head_time: SHORT, ..endless() }, echo);
    let mut client = connected(&server);
    client.send(get("/") + "GET / HTTP/1.1\r\nHost: te");
    assert_eq!(client.answer().status(), 200);
    takes_at_least(SHORT, || client.is_closed());
}

#[test]
fn dripping_a_head_gains_no_time() {
    let server = Server::start(Limits { head_time: SHORT, ..endless() }, echo);
    let head = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(1000));
    let pause = SHORT / 20;
    takes_at_least(SHORT, || {
        let time = server.connect().drips_until_closed(head.as_bytes(), pause);
        assert!(time < pause * 500, "{time:?}");
    });
}

#[test]
fn a_head_in_two_pieces_is_served_within_its_time() {
    let server = Server::start(Limits { head_time: NEVER, ..endless() }, echo);
    let mut client = server.connect();
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nHost: te");
        client.hears_nothing_for(SHORT / 6);
        client.send("st\r\n\r\n");
        assert_eq!(client.answer().status(), 200);
    }
}

#[test]
fn a_resting_connection_is_closed_after_its_time_and_not_before() {
    let limits = Limits { head_time: SHORT, idle_time: SHORT * 3, ..endless() };
    let server = Server::start(limits, echo);
    let mut client = connected(&server);
    takes_at_least(SHORT * 3, || {
        client.get("/");
        client.is_closed();
    });
}

#[test]
fn a_rest_within_its_time_costs_nothing() {
    let server = Server::start(Limits { head_time: SHORT, ..endless() }, echo);
    let mut client = connected(&server);
    for _ in 0..3 {
        client.hears_nothing_for(SHORT * 3 / 2);
        client.get("/");
    }
}

#[test]
fn an_empty_line_after_a_body_begins_no_head() {
    let server = Server::start(Limits { head_time: SHORT, ..endless() }, echo);
    for line in ["\r\n", "\n", "\r\n\r\n"] {
        let mut client = connected(&server);
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab{line}"));
        assert_eq!(client.answer().body(), "ab");
        client.hears_nothing_for(SHORT * 4);
        assert_eq!(client.get("/").status(), 200);
    }
}

#[test]
fn a_half_head_after_a_rest_is_closed_after_the_time_for_a_head() {
    let server = Server::start(Limits { head_time: SHORT, ..endless() }, echo);
    let mut client = connected(&server);
    client.hears_nothing_for(SHORT * 2);
    takes_at_least(SHORT, || {
        client.send("GET / HT");
        client.is_closed();
    });
}

#[test]
fn a_slow_body_is_a_408() {
    let server = Server::start(Limits { body_time: SHORT, ..endless() }, echo);
    for (length, body) in [("Content-Length: 9", "abc"), ("Transfer-Encoding: chunked", "3\r\nab")]
    {
        let mut client = server.connect();
        takes_at_least(SHORT, || {
            client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{length}\r\n\r\n{body}"));
            let answer = client.answer();
            assert_eq!(answer.status(), 408);
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            assert!(closes(&answer));
        });
        client.is_closed();
    }
}

#[test]
fn dripping_a_body_gains_no_time() {
    let server = Server::start(Limits { body_time: SHORT, ..endless() }, echo);
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n");
    client.drips_until_closed(&[b'x'; 1000], SHORT / 20);
    assert_eq!(client.answer().status(), 408);
    client.is_closed();
}

/// One connection at a time, so that another one has more than one answer only when it has gone.
fn one_at_a_time(idle_time: Duration, handler: fn(Request<Bytes>) -> Response<Bytes>) -> Server {
    Server::start(Limits { connections: 1, idle_time, ..endless() }, handler)
}

fn has_gone(server: &Server) {
    eventually("there is room again", || !closes(&server.connect().get("/")));
}

#[test]
fn a_client_that_never_fetches_its_answer_is_dropped() {
    let server = one_at_a_time(SHORT, |request| {
        let large = request.uri().path() == "/large";
        Response::new(vec![0; if large { 32 << 20 } else { 0 }].into())
    });
    let mut client = server.connect();
    client.send(get("/large"));
    has_gone(&server);
}

#[test]
fn a_client_that_never_closes_is_dropped_after_its_last_answer() {
    let server = one_at_a_time(NEVER, echo);
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client.answer();
    client.is_closed();
    has_gone(&server);
}

#[test]
fn a_client_that_sends_slowly_sees_why_it_is_refused_and_no_reset() {
    let server = Server::start(endless(), echo);
    // Java's client, for one, offers to go on in HTTP/2.
    for offer in
        ["", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n"]
    {
        let mut client = server.connect();
        client
            .send(format!("POST / HTTP/1.1\r\nHost: a\r\n{offer}Content-Length: 99999999\r\n\r\n"));
        for _ in 0..15 {
            client.send([b'x'; 1000]);
            std::thread::sleep(SHORT / 5);
        }
        assert_eq!(client.answer().status(), 413);
        client.is_closed();
    }
}

#[test]
fn a_client_that_sends_on_for_ever_is_dropped_after_its_last_answer() {
    let server = one_at_a_time(NEVER, echo);
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n");
    assert_eq!(client.answer().status(), 413);
    let dripping = std::thread::spawn(move || while client.try_send([b'x'; 1000]).is_ok() {});
    has_gone(&server);
    dripping.join().expect("an error ends it");
}
