//! Timeouts of a connection, each alone: those that a test is not about are out of reach.

use std::time::{Duration, Instant};

use accountservice_host::testing::{Client, eventually, get, is_last};
use accountservice_host_hyper::ServerConfig;
use http::Method;

use crate::handlers::echo;
use crate::server::{TestServer, config};
use crate::slow_clients::drip;

const SHORT: Duration = Duration::from_millis(300);
const NEVER: Duration = Duration::MAX;

/// The host counts in milliseconds.
const PRECISION: Duration = Duration::from_millis(2);

/// The first part of a head.
const START: &str = "GET / HTTP/1.1\r\nHost: te";
const REST: &str = "st\r\n\r\n";

fn without_timeouts() -> ServerConfig {
    ServerConfig {
        header_timeout: NEVER,
        body_timeout: NEVER,
        keep_alive_timeout: NEVER,
        ..config()
    }
}

fn with_header_timeout() -> TestServer {
    TestServer::start(ServerConfig { header_timeout: SHORT, ..without_timeouts() }, echo)
}

fn with_keep_alive_timeout() -> TestServer {
    TestServer::start(ServerConfig { keep_alive_timeout: SHORT, ..without_timeouts() }, echo)
}

/// Runs `wait`, which takes at least `time`.
fn takes_at_least(time: Duration, wait: impl FnOnce()) {
    let start = Instant::now();
    wait();
    assert!(start.elapsed() + PRECISION >= time, "only {:?}", start.elapsed());
}

/// A connection that has had one response. On a slow machine the first byte of a new one may come
/// too late.
fn kept(server: &TestServer) -> Client {
    loop {
        let mut client = server.connect();
        if client.try_request(&Method::GET, "/").is_ok() {
            return client;
        }
    }
}

#[test]
fn a_silent_new_connection_is_closed_after_the_header_timeout() {
    let server = with_header_timeout();
    takes_at_least(SHORT, || server.connect().expect_close());
}

#[test]
fn an_incomplete_head_is_closed_after_the_header_timeout() {
    let server = with_header_timeout();
    takes_at_least(SHORT, || {
        let mut client = server.connect();
        client.send(START);
        client.expect_close();
    });
}

#[test]
fn an_incomplete_head_in_one_packet_with_a_request_is_closed_after_the_header_timeout() {
    let server = with_header_timeout();
    let mut client = kept(&server);
    takes_at_least(SHORT, || {
        client.send(get("/") + START);
        assert_eq!(client.response().status(), 200);
        client.expect_close();
    });
}

#[test]
fn an_incomplete_head_in_one_packet_with_a_request_is_not_under_the_keep_alive_timeout() {
    let server = with_keep_alive_timeout();
    let mut client = kept(&server);
    client.send(get("/") + START);
    assert_eq!(client.response().status(), 200);
    assert!(client.is_silent_for(SHORT * 3), "the head is not complete, and may take its time");
    client.send(REST);
    assert_eq!(client.response().status(), 200);
}

#[test]
fn a_head_gains_no_time_byte_by_byte() {
    let server = with_header_timeout();
    takes_at_least(SHORT, || {
        let mut client = server.connect();
        client.send("GET / HTTP/1.1\r\nX: ");
        let time = drip(&mut client, SHORT / 20);
        assert!(time < SHORT * 25, "{time:?}");
    });
}

#[test]
fn a_head_in_two_packets_is_served_within_the_header_timeout() {
    let server = TestServer::start(without_timeouts(), echo);
    let mut client = server.connect();
    for _ in 0..3 {
        client.send(START);
        assert!(client.is_silent_for(SHORT / 6));
        client.send(REST);
        assert_eq!(client.response().status(), 200);
    }
}

#[test]
fn an_idle_connection_is_closed_after_the_keep_alive_timeout_and_not_before() {
    let timeouts =
        ServerConfig { header_timeout: SHORT, keep_alive_timeout: SHORT * 3, ..config() };
    let server = TestServer::start(timeouts, echo);
    let mut client = kept(&server);
    takes_at_least(SHORT * 3, || {
        client.get("/");
        client.expect_close();
    });
}

#[test]
fn each_request_starts_the_keep_alive_timeout_anew() {
    let server = with_keep_alive_timeout();
    let survives = || {
        let mut client = kept(&server);
        (0..6).all(|_| {
            client.is_silent_for(SHORT / 2) && client.try_request(&Method::GET, "/").is_ok()
        })
    };
    // On a slow machine a request may come too late, but not each time.
    eventually("a connection outlives its first keep-alive timeout", survives);
}

#[test]
fn an_idle_connection_is_not_under_the_header_timeout() {
    let server = with_header_timeout();
    let mut client = kept(&server);
    for _ in 0..3 {
        assert!(client.is_silent_for(SHORT * 3 / 2));
        client.get("/");
    }
}

#[test]
fn an_empty_line_after_a_body_does_not_start_a_head() {
    let server = with_header_timeout();
    for line in ["\r\n", "\n", "\r\n\r\n"] {
        let mut client = kept(&server);
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab{line}"));
        assert_eq!(client.response().body(), "ab");
        assert!(client.is_silent_for(SHORT * 4));
        assert_eq!(client.get("/").status(), 200);
    }
}

/// The end of a body is not told from the start of a head behind it until more of the head comes.
#[test]
fn a_head_that_starts_in_one_packet_with_a_body_is_under_the_header_timeout_from_its_next_byte() {
    let server = with_header_timeout();
    let mut client = kept(&server);
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab";
    client.send(post.to_owned() + "GET");
    assert_eq!(client.response().body(), "ab");
    assert!(client.is_silent_for(SHORT * 2));
    takes_at_least(SHORT, || {
        client.send(" / HT");
        client.expect_close();
    });
}

#[test]
fn an_incomplete_head_on_an_idle_connection_is_closed_after_the_header_timeout() {
    let server = with_header_timeout();
    let mut client = kept(&server);
    assert!(client.is_silent_for(SHORT * 2));
    takes_at_least(SHORT, || {
        client.send("GET / HT");
        client.expect_close();
    });
}

#[test]
fn a_slow_body_is_a_408() {
    let server =
        TestServer::start(ServerConfig { body_timeout: SHORT, ..without_timeouts() }, echo);
    for (length, body) in [("Content-Length: 9", "abc"), ("Transfer-Encoding: chunked", "3\r\nab")]
    {
        let mut client = server.connect();
        takes_at_least(SHORT, || {
            client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{length}\r\n\r\n{body}"));
            let response = client.response();
            assert_eq!(response.status(), 408);
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            assert!(is_last(&response));
        });
        client.expect_close();
    }
}

#[test]
fn a_body_gains_no_time_byte_by_byte() {
    let server =
        TestServer::start(ServerConfig { body_timeout: SHORT, ..without_timeouts() }, echo);
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n");
    drip(&mut client, SHORT / 20);
    assert_eq!(client.response().status(), 408);
    client.expect_close();
}
