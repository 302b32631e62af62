//! Size limits of a request, to the byte.

use accountservice_host::testing::{Client, get, is_last};
use accountservice_host_hyper::ServerConfig;
use bytes::Bytes;
use http::Response;

use crate::handlers::echo;
use crate::server::{TestServer, config};

/// The default of both limits.
const LIMIT: usize = 64 << 10;

fn start() -> TestServer {
    TestServer::start(config(), echo)
}

/// A request head of this length.
fn head_of(bytes: usize) -> String {
    let (start, end) = ("GET / HTTP/1.1\r\nHost: test\r\nX-Padding: ", "\r\n\r\n");
    format!("{start}{}{end}", "x".repeat(bytes - start.len() - end.len()))
}

fn post(fields: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n")
}

fn expect_431(client: &mut Client) {
    assert_eq!(client.response().status(), 431);
    client.expect_close();
}

fn expect_413(client: &mut Client) {
    let response = client.response();
    assert_eq!(response.status(), 413);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(is_last(&response));
    client.expect_close();
}

fn expect_body(response: &Response<Bytes>, body: &[u8]) {
    assert_eq!(response.status(), 200);
    assert!(response.body() == body, "the handler got every byte");
}

#[test]
fn a_head_at_the_limit_is_served_and_one_of_a_byte_more_is_a_431() {
    let server = start();
    let mut client = server.connect();
    for bytes in [LIMIT - 1, LIMIT] {
        client.send(head_of(bytes));
        assert_eq!(client.response().status(), 200, "{bytes}");
    }
    for bytes in [LIMIT + 1, LIMIT + 2, LIMIT + 8192, LIMIT * 3] {
        let mut client = server.connect();
        client.send(head_of(bytes));
        expect_431(&mut client);
    }
}

#[test]
fn a_target_may_fill_the_head() {
    let server = start();
    let mut client = server.connect();
    let rest = get("/").len();
    client.send(get(&format!("/{}", "x".repeat(LIMIT - rest))));
    assert_eq!(client.response().status(), 200);
    client.send(get(&format!("/{}", "x".repeat(LIMIT - rest + 1))));
    expect_431(&mut client);
}

#[test]
fn a_head_without_an_end_is_a_431() {
    let server = start();
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n");
    // The client sends far more than the server reads, and still receives the response.
    for _ in 0..64 {
        client.send(format!("X-More: {}\r\n", "x".repeat(4096)));
    }
    expect_431(&mut client);
}

#[test]
fn a_head_has_at_most_a_hundred_fields() {
    let server = start();
    let mut client = server.connect();
    let request = |fields: usize| post(&vec!["X: y"; fields - 1].join("\r\n"));
    client.send(request(100));
    assert_eq!(client.response().status(), 200);
    client.send(request(101));
    expect_431(&mut client);
}

#[test]
fn the_limit_of_the_head_can_be_set() {
    let server = TestServer::start(ServerConfig { max_head: 10_000, ..config() }, echo);
    let mut client = server.connect();
    client.send(head_of(10_000));
    assert_eq!(client.response().status(), 200);
    client.send(head_of(10_001));
    expect_431(&mut client);
}

#[test]
fn a_body_up_to_the_limit_reaches_the_handler_with_every_byte() {
    let server = start();
    let mut client = server.connect();
    let body: Vec<u8> = (0..LIMIT).map(|i| (i % 251).to_le_bytes()[0]).collect();
    for body in [&body[..], &body[..1], &body[..LIMIT - 1], &[]] {
        client.send(post(&format!("Content-Length: {}", body.len())));
        client.send(body);
        expect_body(&client.response(), body);
    }
    client.send(post("Transfer-Encoding: chunked"));
    for chunk in body.chunks(1000) {
        client.send(format!("{:x}\r\n", chunk.len()));
        client.send(chunk);
        client.send("\r\n");
    }
    client.send("0\r\n\r\n");
    expect_body(&client.response(), &body);
}

#[test]
fn a_body_of_a_byte_more_is_a_413() {
    let server = start();
    let body = "x".repeat(LIMIT + 1);
    let mut client = server.connect();
    client.send(post(&format!("Content-Length: {}", body.len())) + &body);
    expect_413(&mut client);

    let mut client = server.connect();
    client.send(post("Transfer-Encoding: chunked"));
    client.send(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()));
    expect_413(&mut client);
}

#[test]
fn a_length_above_the_limit_is_a_413_without_a_body() {
    let server = start();
    for length in ["65537", "18446744073709551613"] {
        let mut client = server.connect();
        client.send(post(&format!("Content-Length: {length}")));
        expect_413(&mut client);
    }
}

#[test]
fn a_client_that_is_still_sending_receives_the_413_and_no_reset() {
    let server = start();
    let megabyte = vec![b'x'; 1 << 20];
    let by_length = post("Content-Length: 1048576");
    let in_chunks = post("Transfer-Encoding: chunked") + "100000\r\n";
    for start in [by_length, in_chunks] {
        let mut client = server.connect();
        client.send(start);
        client.send(&megabyte);
        expect_413(&mut client);
    }
}

#[test]
fn a_client_that_expects_100_continue_is_told_to_send_only_a_body_within_the_limit() {
    let server = start();
    let mut client = server.connect();
    client.send(post("Content-Length: 2\r\nExpect: 100-continue"));
    assert_eq!(client.try_head().expect("an interim response").status(), 100);
    client.send("ab");
    expect_body(&client.response(), b"ab");

    client.send(post("Content-Length: 65537\r\nExpect: 100-continue"));
    assert_eq!(client.try_head().expect("a response").status(), 413);
}

#[test]
fn the_limit_of_the_body_can_be_set() {
    let server = TestServer::start(ServerConfig { max_body: 0, ..config() }, echo);
    let mut client = server.connect();
    client.send(post("Content-Length: 0"));
    expect_body(&client.response(), b"");
    client.send(post("Content-Length: 1") + "a");
    expect_413(&mut client);
}
