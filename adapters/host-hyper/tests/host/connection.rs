//! One connection: how long it lasts, in which order it is answered, and what is malformed.

use std::num::NonZeroUsize;
use std::time::Duration;

use accountservice_host_hyper::Limits;
use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};

use crate::client::{Client, closes, get};
use crate::server::{Server, echo, limits};

#[expect(clippy::needless_pass_by_value, reason = "it is a handler")]
/// Answers with the path that was asked for, and the body.
fn path(request: Request<Bytes>) -> Response<Bytes> {
    let text = format!("{} {:?}", request.uri(), request.body());
    Response::new(text.into())
}

fn start() -> Server {
    Server::start(limits(), path)
}

/// Sends `request` on a connection of its own, gets the one answer with the status, and is closed.
fn check_last(request: &str, status: u16) {
    let server = start();
    let mut client = server.connect();
    client.send(request);
    let answer = client.try_answer(true).unwrap_or_else(|error| panic!("{request:?}: {error}"));
    assert_eq!(answer.status(), status, "{request:?}");
    client.is_closed();
    assert_eq!(server.connect().get("/after").status(), 200, "the server goes on");
}

#[test]
fn a_connection_serves_many_requests_one_after_the_other() {
    let server = start();
    let mut client = server.connect();
    for i in 0..1000 {
        let answer = client.get(&format!("/{i}"));
        assert_eq!(answer.version(), Version::HTTP_11);
        assert_eq!(answer.headers().get("connection"), None);
        assert_eq!(answer.body(), format!("/{i} b\"\"").as_bytes());
    }
}

/// The buffers of a connection that rests are another one's. What was in them is kept, cut wherever it
/// may be.
#[test]
fn a_request_that_begins_before_a_rest_is_answered_after_it() {
    let server = start();
    let next = get("/next");
    for cut in [1, 3, 9, next.len() - 1] {
        let (mut client, mut other) = (server.connect(), server.connect());
        let (begin, end) = next.split_at(cut);
        client.send(get("/whole") + begin);
        assert_eq!(client.answer().body(), "/whole b\"\"");
        assert_eq!(other.get("/other").body(), "/other b\"\"");
        client.hears_nothing_for(Duration::from_millis(70));
        client.send(end);
        assert_eq!(client.answer().body(), "/next b\"\"");
    }
}

/// The connections of a thread share hyper, which would answer what it cannot read in the version that it
/// has heard last.
#[test]
fn nothing_of_one_connection_is_left_for_the_next() {
    let server = Server::start(Limits { workers: NonZeroUsize::MIN, ..limits() }, path);
    let (mut one, mut next) = (server.connect(), server.connect());
    one.send("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(one.answer().status(), 200);
    next.send(format!("GET / HTTP/1.1\r\nHost: test\r\nX: {}", "x".repeat(100_000)));
    let answer = next.answer();
    assert_eq!(
        (answer.status(), answer.version()),
        (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, Version::HTTP_11)
    );
    assert!(closes(&answer));
    next.is_closed();
}

#[test]
fn every_answer_has_one_date() {
    let server = start();
    let answer = server.connect().get("/");
    let dates: Vec<_> = answer.headers().get_all("date").iter().collect();
    // Sun, 06 Nov 1994 08:49:37 GMT
    assert!(matches!(dates[..], [date] if date.len() == 29 && date.as_bytes().ends_with(b" GMT")));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = start();
    let mut client = server.connect();
    let requests: String = (0..500).map(|i| get(&format!("/{i}"))).collect();
    client.send(requests);
    for i in 0..500 {
        assert_eq!(client.answer().body(), format!("/{i} b\"\"").as_bytes());
    }
}

#[test]
fn a_client_that_has_said_all_it_will_say_gets_all_its_answers() {
    let server = start();
    let mut client = server.connect();
    let requests: String = (0..100).map(|i| get(&format!("/{i}"))).collect();
    client.send(requests);
    client.end();
    for i in 0..100 {
        assert_eq!(client.answer().body(), format!("/{i} b\"\"").as_bytes());
    }
    client.is_closed();
}

#[test]
fn a_client_may_end_its_side_right_after_a_body() {
    let server = start();
    for _ in 0..20 {
        let mut client = server.connect();
        client.send("POST /1 HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nab");
        client.end();
        assert_eq!(client.answer().body(), "/1 b\"ab\"");
        client.is_closed();
    }
}

#[test]
fn an_answer_does_not_wait_for_the_rest_of_the_next_request() {
    let server = start();
    let mut client = server.connect();
    client.send(get("/1") + "GET /2 HT");
    assert_eq!(client.answer().body(), "/1 b\"\"");
    client.send("TP/1.1\r\nHost: test\r\n\r\n\r\n");
    assert_eq!(client.answer().body(), "/2 b\"\"");
    assert_eq!(client.get("/3").body(), "/3 b\"\"");
}

#[test]
fn a_body_belongs_to_its_request_alone() {
    let server = start();
    let mut client = server.connect();
    client.send("POST /1 HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nGET / HTTGET /2 HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.answer().body(), "/1 b\"GET / HTT\"");
    assert_eq!(client.answer().body(), "/2 b\"\"");
}

#[test]
fn http_1_0_closes_unless_it_asks_to_be_kept() {
    let server = start();
    let mut client = server.connect();
    client.send("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(client.answer().headers()["connection"], "keep-alive");
    client.send("GET /2 HTTP/1.0\r\n\r\n");
    assert_eq!(client.answer().body(), "/2 b\"\"");
    client.is_closed();
}

#[test]
fn connection_close_is_honoured_and_said_back() {
    let server = start();
    let mut client = server.connect();
    client.send("GET /1 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    assert!(closes(&client.answer()));
    client.is_closed();
}

#[test]
fn http_1_1_needs_exactly_one_host() {
    check_last("GET / HTTP/1.1\r\n\r\n", 400);
    check_last("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400);
    check_last("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400);
    check_last("GET http://a/ HTTP/1.1\r\n\r\n", 400);
}

#[test]
fn http_1_0_needs_no_host_but_never_two() {
    check_last("GET / HTTP/1.0\r\n\r\n", 200);
    check_last("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400);
}

#[test]
fn a_host_is_an_authority_or_empty() {
    let server = start();
    let mut client = server.connect();
    for host in ["", "a", "a:6767", "127.0.0.1:80", "[::1]:6767", "a_b.example", "a:"] {
        client.send(format!("GET /{host} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.answer().status(), 200, "{host:?}");
    }
    for host in ["a b", "a/b", "a, b", "user@a", "http://a"] {
        check_last(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), 400);
    }
}

#[test]
fn a_target_may_be_a_whole_uri_or_a_star() {
    let server = start();
    let mut client = server.connect();
    for (line, path) in [("GET http://a/b", "http://a/b"), ("OPTIONS *", "*")] {
        client.send(format!("{line} HTTP/1.1\r\nHost: test\r\n\r\n"));
        assert_eq!(client.answer().body(), format!("{path} b\"\"").as_bytes());
    }
}

#[test]
fn a_chunked_request_is_the_last_of_its_connection() {
    let server = start();
    let mut client = server.connect();
    client.send("POST /1 HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n");
    client.try_send(get("/2")).expect("nobody minds");
    let answer = client.answer();
    assert_eq!(answer.body(), "/1 b\"abcde\"");
    assert!(closes(&answer));
    client.is_closed();
}

#[test]
fn a_request_with_two_lengths_is_answered_once_at_most() {
    for (te, cl) in [("chunked", 30), ("chunked", 0), ("gzip", 30), ("gzip, chunked", 5)] {
        for head in [
            format!("Transfer-Encoding: {te}\r\nContent-Length: {cl}"),
            format!("Content-Length: {cl}\r\nTransfer-Encoding: {te}"),
        ] {
            let server = start();
            let mut client = server.connect();
            client.send(format!(
                "POST /1 HTTP/1.1\r\nHost: test\r\n{head}\r\n\r\n0\r\n\r\n{}",
                get("/smuggled")
            ));
            let answer = client.try_answer(true);
            let answer = answer.unwrap_or_else(|error| panic!("{head:?}: {error}"));
            assert!(answer.status() == 400 || answer.body() == "/1 b\"\"", "{head}: {answer:?}");
            client.is_closed();
        }
    }
}

#[test]
fn a_malformed_request_is_a_400() {
    for request in [
        "GET\r\n\r\n",
        "GET / HTTP/3.14\r\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "G\u{e4}T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET health HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03 this is TLS\r\n\r\n",
    ] {
        check_last(request, 400);
    }
}

#[test]
fn a_panicking_handler_costs_one_request() {
    let server = Server::start(limits(), |request: Request<Bytes>| {
        assert_ne!(request.uri().path(), "/panic", "as it was told");
        echo(request)
    });
    let mut other = server.connect();
    let mut client = server.connect();
    for _ in 0..10 {
        assert_eq!(other.get("/").status(), 200);
        let answer = client.get("/panic");
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert_eq!(
            answer.body(),
            r#"{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"The request could not be answered."}"#
        );
        assert_eq!(client.get("/").status(), 200, "the same connection goes on");
    }
    client.send("POST /panic HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nab");
    assert_eq!(client.answer().status(), 500);
    assert_eq!(client.get("/").status(), 200);
    let requests: Vec<Client> = (0..8).map(|_| server.connect()).collect();
    for mut client in requests {
        assert_eq!(client.get("/").status(), 200, "every worker is alive");
    }
}
