//! Rules of RFC 9112 for the head of a request. The table of hostile requests is in `hostile`.

use crate::handlers::target_and_body;
use crate::server::{TestServer, config};

/// Sends each request on a connection of its own. The response has `status` and is the last one.
fn expect_last(status: u16, requests: &[&[u8]]) {
    let server = TestServer::start(config(), target_and_body);
    for request in requests {
        let text = request.escape_ascii();
        let mut client = server.connect();
        client.send(request);
        let response = client.response();
        assert_eq!(response.status(), status, "{text}");
        client.expect_close();
        assert_eq!(server.connect().get("/after").status(), 200, "after {text}");
    }
}

#[test]
fn http_1_1_needs_exactly_one_host() {
    expect_last(
        400,
        &[
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            b"GET http://a/ HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
        ],
    );
    expect_last(200, &[b"GET / HTTP/1.0\r\n\r\n"]);
}

#[test]
fn a_host_is_an_authority_or_empty() {
    let server = TestServer::start(config(), target_and_body);
    let mut client = server.connect();
    for host in ["", "a", "a:6767", "127.0.0.1:80", "[::1]:6767", "a_b.example", "a:"] {
        client.send(format!("GET /{host} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.response().status(), 200, "{host:?}");
    }
    for host in ["a b", "a/b", "a, b", "user@a", "http://a", "a\\b", "\u{e4}", "a:b", "a:80:80"] {
        expect_last(400, &[format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()]);
    }
}

#[test]
fn a_target_may_have_each_form_of_rfc_9112() {
    let server = TestServer::start(config(), target_and_body);
    let mut client = server.connect();
    for line in ["GET /a%20b?c=d@e", "GET http://a/b", "GET http://[::1]:80/", "OPTIONS *"] {
        client.send(format!("{line} HTTP/1.1\r\nHost: test\r\n\r\n"));
        let target = line.split_once(' ').expect("a method and a target").1;
        assert_eq!(client.response().body(), &format!("{target} "));
    }
}

/// Other servers and filters read such targets differently, in all four forms.
#[test]
fn a_target_with_user_information_a_backslash_or_a_byte_above_ascii_is_a_400() {
    for line in [
        &b"GET /a\\b"[..],
        b"GET \\a",
        b"GET /a?b\\c",
        b"GET /\xc3\xa4",
        b"GET /\xe4",
        b"GET /?\xc3\xa4",
        b"GET http://user@test/",
        b"GET http://user:word@test/",
        b"GET http://@test/",
        b"GET http://test\\evil/",
        b"GET http://test/a\\b",
        b"GET http://t\xc3\xa4st/",
        b"GET http://test/\xc3\xa4",
        b"GET http:\\\\test/",
        b"CONNECT user@test:80",
        b"CONNECT test\\evil:80",
        b"CONNECT t\xc3\xa4st:80",
        b"CONNECT test:80\\",
        b"OPTIONS *\\",
        b"OPTIONS *\xc3\xa4",
        b"OPTIONS user@*",
        b"OPTIONS *@test",
    ] {
        expect_last(400, &[&[line, b" HTTP/1.1\r\nHost: test\r\n\r\n"].concat()]);
    }
}

#[test]
fn the_authority_form_is_for_connect_alone() {
    expect_last(
        400,
        &[
            b"GET test:80 HTTP/1.1\r\nHost: test\r\n\r\n",
            b"OPTIONS test HTTP/1.1\r\nHost: test\r\n\r\n",
            b"GET health HTTP/1.1\r\nHost: test\r\n\r\n",
        ],
    );
}

#[test]
fn a_request_with_two_framings_is_answered_once_at_most() {
    let server = TestServer::start(config(), target_and_body);
    for (coding, length) in [("chunked", 30), ("chunked", 0), ("gzip", 30), ("gzip, chunked", 5)] {
        let coding = format!("Transfer-Encoding: {coding}\r\n");
        let length = format!("Content-Length: {length}\r\n");
        for fields in [coding.clone() + &length, length + &coding] {
            let mut client = server.connect();
            client.send(format!(
                "POST /1 HTTP/1.1\r\nHost: test\r\n{fields}\r\n0\r\n\r\n\
                 GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n"
            ));
            let response = client.response();
            assert!(response.status() == 400 || response.body() == "/1 ", "{fields}: {response:?}");
            client.expect_close();
        }
    }
}

#[test]
fn a_malformed_request_is_a_400() {
    expect_last(
        400,
        &[
            b"GET\r\n\r\n",
            b"GET / HTTP/3.14\r\nHost: a\r\n\r\n",
            b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
            b"G\xc3\xa4T / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 this is TLS\r\n\r\n",
        ],
    );
}
