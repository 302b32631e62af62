//! How large a request may be, to the byte.

use accountservice_host_hyper::Limits;
use bytes::Bytes;
use http::Response;

use crate::client::{Client, closes, get};
use crate::server::{Server, echo, limits};

/// What users get.
const MOST: usize = 64 << 10;

fn start() -> Server {
    Server::start(limits(), echo)
}

/// A request head of that many bytes.
fn head_of(bytes: usize) -> String {
    let (start, end) = ("GET / HTTP/1.1\r\nHost: test\r\nX-Padding: ", "\r\n\r\n");
    format!("{start}{}{end}", "x".repeat(bytes - start.len() - end.len()))
}

fn is_too_large(client: &mut Client) {
    let answer = client.answer();
    assert_eq!(answer.status(), 413);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(closes(&answer));
    client.is_closed();
}

fn served(answer: &Response<Bytes>, body: &[u8]) {
    assert_eq!(answer.status(), 200);
    assert!(answer.body() == body, "the handler got every byte");
}

#[test]
fn a_head_of_the_limit_is_served_and_one_of_a_byte_more_is_a_431() {
    let server = start();
    let mut client = server.connect();
    for bytes in [MOST - 1, MOST] {
        client.send(head_of(bytes));
        assert_eq!(client.answer().status(), 200, "{bytes}");
    }
    for bytes in [MOST + 1, MOST + 2, MOST + 8192, MOST * 3] {
        let mut client = server.connect();
        client.send(head_of(bytes));
        assert_eq!(client.answer().status(), 431, "{bytes}");
        client.is_closed();
    }
}

#[test]
fn a_target_may_take_all_of_the_head() {
    let server = start();
    let mut client = server.connect();
    let rest = get("").len();
    client.send(get(&format!("/{}", "x".repeat(MOST - rest - 1))));
    assert_eq!(client.answer().status(), 200);
    client.send(get(&format!("/{}", "x".repeat(MOST - rest))));
    assert_eq!(client.answer().status(), 431);
    client.is_closed();
}

#[test]
fn a_head_that_never_ends_is_a_431() {
    let server = start();
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n");
    // More would be in vain, and the answer is seen all the same.
    for _ in 0..64 {
        client.send(format!("X-More: {}\r\n", "x".repeat(4096)));
    }
    assert_eq!(client.answer().status(), 431);
    client.is_closed();
}

#[test]
fn a_head_has_a_hundred_lines_at_the_most() {
    let server = start();
    let mut client = server.connect();
    let request =
        |lines: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(lines - 1));
    client.send(request(100));
    assert_eq!(client.answer().status(), 200);
    client.send(request(101));
    assert_eq!(client.answer().status(), 431);
    client.is_closed();
}

#[test]
fn the_limit_of_the_head_can_be_set() {
    let server = Server::start(Limits { head_bytes: 10_000, ..limits() }, echo);
    let mut client = server.connect();
    client.send(head_of(10_000));
    assert_eq!(client.answer().status(), 200);
    client.send(head_of(10_001));
    assert_eq!(client.answer().status(), 431);
}

#[test]
fn a_body_of_the_limit_gets_to_the_handler_with_every_byte() {
    let server = start();
    let mut client = server.connect();
    let body: Vec<u8> = (0..MOST).map(|i| (i % 251).to_le_bytes()[0]).collect();
    for body in [&body[..], &body[..1], &body[..MOST - 1], &[]] {
        client
            .send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len()));
        client.send(body);
        served(&client.answer(), body);
    }
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for chunk in body.chunks(1000) {
        client.send(format!("{:x}\r\n", chunk.len()));
        client.send(chunk);
        client.send("\r\n");
    }
    client.send("0\r\n\r\n");
    served(&client.answer(), &body);
}

#[test]
fn a_body_of_a_byte_more_is_a_413() {
    let server = start();
    let body = "x".repeat(MOST + 1);
    let mut client = server.connect();
    client
        .send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", MOST + 1));
    is_too_large(&mut client);

    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(format!("{:x}\r\n{body}\r\n0\r\n\r\n", MOST + 1));
    is_too_large(&mut client);
}

#[test]
fn a_length_that_is_too_large_needs_no_body_to_be_refused() {
    let server = start();
    for length in ["65537", "18446744073709551613"] {
        let mut client = server.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        is_too_large(&mut client);
    }
}

#[test]
fn a_client_that_is_still_sending_sees_the_413_and_no_reset() {
    let server = start();
    let megabyte = vec![b'x'; 1 << 20];
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n");
    client.send(&megabyte);
    is_too_large(&mut client);

    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n");
    client.send(&megabyte);
    is_too_large(&mut client);
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on_only_if_its_body_may_come() {
    let server = start();
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    client.is_told_to_go_on();
    client.send("ab");
    served(&client.answer(), b"ab");

    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\nExpect: 100-continue\r\n\r\n",
    );
    is_too_large(&mut client);
}

#[test]
fn the_limit_of_the_body_can_be_set() {
    let server = Server::start(Limits { body_bytes: 0, ..limits() }, echo);
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    served(&client.answer(), b"");
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na");
    is_too_large(&mut client);
}
