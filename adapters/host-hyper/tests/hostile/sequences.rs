//! Several requests, other protocols, methods and expectations.

use crate::case::{
    Case, Incomplete, Last, Rejected, SMUGGLED, case, get, last, post, responses, with_length,
};

pub(crate) fn cases() -> Vec<Case> {
    [several(), other_protocols(), methods_and_expectations()].concat()
}

/// Pipelining: RFC 9112, section 9.3.2.
fn several() -> Vec<Case> {
    let rfc = "9112 9.3.2";
    vec![
        case("two requests", rfc, responses(&[200, 200]), get("").repeat(2)),
        case("a hundred requests", rfc, responses(&[200; 100]), get("").repeat(100)),
        case(
            "with bodies",
            rfc,
            responses(&[405; 10]),
            post("Content-Length: 5\r\n", "hello").repeat(10),
        ),
        case("LF between two", "9112 2.2", responses(&[200, 200]), get("") + "\n" + &get("")),
        case(
            "a bad one behind a good one",
            rfc,
            Last(vec![200, 400]),
            get("") + "bad\r\n\r\n" + SMUGGLED,
        ),
        case(
            "a good one behind a bad one",
            "9112 9.6",
            Rejected,
            "bad\r\n\r\n".to_owned() + SMUGGLED,
        ),
        case(
            "a good one behind the last one",
            "9112 9.6",
            last(200),
            get("Connection: close\r\n") + SMUGGLED,
        ),
        case(
            "a HEAD between two",
            rfc,
            responses(&[200, 200, 200]),
            get("") + "HEAD /health HTTP/1.1\r\nHost: test\r\n\r\n" + &get(""),
        )
        .with_head(1),
        case(
            "half of one behind a good one",
            rfc,
            Last(vec![200]),
            get("Connection: close\r\n") + "GET /acc",
        ),
        case(
            "more bytes than the length says",
            "9112 6.3: they are the next request",
            Last(vec![405, 400]),
            post("Content-Length: 5\r\n", "hello, world\r\n\r\n"),
        ),
    ]
}

fn other_protocols() -> Vec<Case> {
    let upgrade = |to: &str| get(&format!("Connection: Upgrade\r\nUpgrade: {to}\r\n"));
    vec![
        case("HTTP/0.9", "9112 3", Rejected, "GET /accounts/1\r\n"),
        case("HTTP/0.9 with LF", "9112 3", Rejected, "GET /accounts/1\n"),
        case(
            "an HTTP/2 preface",
            "9113 3.4",
            Rejected,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        ),
        case("half an HTTP/2 preface", "9113 3.4", Rejected, "PRI * HTTP/2.0\r\n\r\n"),
        case(
            "a TLS ClientHello",
            "8446 4.1.2",
            Rejected,
            b"\x16\x03\x01\0\xc2\x01\0\0\xbe\x03\x03\r\n\r\n\x13\x01",
        ),
        case("SSH", "4253 4.2", Rejected, "SSH-2.0-OpenSSH_9.6\r\n"),
        case("SMTP", "5321 4.1.1.1", Rejected, "EHLO test\r\n"),
        case("Redis", "none", Rejected, "*1\r\n$4\r\nPING\r\n"),
        case(
            "a PROXY line",
            "none",
            Rejected,
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n".to_owned() + SMUGGLED,
        ),
        case("NULs", "9112 3", Rejected, [0; 200]),
        case("line feeds and a NUL", "9112 2.2", Rejected, "\n\n\n\0"),
        case("all bytes", "9112 3", Rejected, (0..=255).collect::<Vec<u8>>()),
        case(
            "an upgrade to h2c",
            "9110 7.8: may be ignored",
            responses(&[200]),
            get(
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
            ),
        ),
        case(
            "an upgrade to websocket",
            "9110 7.8: may be ignored",
            responses(&[200]),
            upgrade("websocket"),
        ),
        case(
            "an upgrade to TLS",
            "9110 7.8: may be ignored",
            responses(&[200]),
            upgrade("TLS/1.2"),
        ),
        case("an upgrade to nothing", "9110 7.8: may be ignored", responses(&[200]), upgrade("")),
        case(
            "an upgrade with a body",
            "9110 7.8",
            responses(&[200]),
            get(&format!("Connection: Upgrade\r\nUpgrade: h2c\r\n{}", with_length(SMUGGLED)))
                + SMUGGLED,
        ),
    ]
}

fn methods_and_expectations() -> Vec<Case> {
    let method =
        |name: &str, target: &str| format!("{name} {target} HTTP/1.1\r\nHost: test\r\n\r\n");
    let expect = |value: &str| post(&format!("Expect: {value}\r\nContent-Length: 5\r\n"), "hello");
    vec![
        case("TRACE", "9110 9.3.8: not echoed", responses(&[405]), method("TRACE", "/accounts/1")),
        case("TRACE elsewhere", "9110 9.3.8", responses(&[404]), method("TRACE", "/")),
        case("OPTIONS of the server", "9112 3.2.4", responses(&[404]), method("OPTIONS", "*")),
        case("OPTIONS", "9110 15.5.6", responses(&[405]), method("OPTIONS", "/health")),
        case(
            "an unknown method",
            "9110 15.5.6",
            responses(&[405]),
            method("!#$%&'*+-.^_`|~09", "/health"),
        ),
        case(
            "small letters",
            "9110 9.1: methods are case-sensitive",
            responses(&[405]),
            method("get", "/health"),
        ),
        case("PRI", "9110 15.5.6", responses(&[405]), method("PRI", "/health")),
        case("CONNECT", "9110 9.3.6: no tunnel", responses(&[404]), method("CONNECT", "test:80")),
        case("CONNECT with a path", "9112 3.2.3", responses(&[405]), method("CONNECT", "/health")),
        case(
            "CONNECT in the absolute form",
            "9112 3.2.3",
            responses(&[405]),
            method("CONNECT", "http://test/health"),
        ),
        case("Expect", "9110 10.1.1", responses(&[405]), expect("100-continue")),
        case("Expect in capitals", "9110 10.1.1", responses(&[405]), expect("100-CONTINUE")),
        case(
            "another Expect",
            "9110 10.1.1: a 417 may be given",
            responses(&[405]),
            expect("200-ok"),
        ),
        case("a list of Expects", "9110 10.1.1", responses(&[405]), expect("100-continue, x")),
        case(
            "Expect without a body",
            "9110 10.1.1",
            responses(&[200]),
            get("Expect: 100-continue\r\n"),
        ),
        case(
            "Expect on a body over the limit",
            "9110 10.1.1",
            last(413),
            post("Expect: 100-continue\r\nContent-Length: 99999\r\n", ""),
        ),
        case(
            "Expect and no body comes",
            "9110 10.1.1",
            Incomplete,
            post("Expect: 100-continue\r\nContent-Length: 5\r\n", ""),
        ),
    ]
}
