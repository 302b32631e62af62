//! Header fields, and `Host` in particular.

use crate::case::{Case, Rejected, case, get, last, responses};

pub(crate) fn cases() -> Vec<Case> {
    [fields(), hosts()].concat()
}

fn fields() -> Vec<Case> {
    let rejected = |name, rfc, lines: &str| case(name, rfc, Rejected, get(lines));
    vec![
        rejected("no colon", "9112 5", "X\r\n"),
        rejected("no name", "9112 5", ": y\r\n"),
        rejected("a space before the colon", "9112 5.1", "X : y\r\n"),
        rejected("a tab before the colon", "9112 5.1", "X\t: y\r\n"),
        rejected("a space in the name", "9110 5.1", "X Y: z\r\n"),
        rejected("a fold", "9112 5.2", "X: y\r\n z\r\n"),
        rejected("a fold by a tab", "9112 5.2", "X: y\r\n\tz\r\n"),
        rejected("an empty fold", "9112 5.2", "X: y\r\n \r\n"),
        rejected("a NUL in the name", "9110 5.1", "X\0: y\r\n"),
        rejected("a NUL in the value", "9110 5.5", "X: y\0z\r\n"),
        rejected("a bare CR in the value", "9112 2.2", "X: y\rz\r\n"),
        rejected("a bare CR in the name", "9112 2.2", "X\rY: z\r\n"),
        rejected("a CR before a CRLF", "9112 2.2", "X: y\r\r\n"),
        rejected("an escape in the value", "9110 5.5", "X: \x1b[31m\r\n"),
        rejected("a backspace in the value", "9110 5.5", "X: \x08\r\n"),
        rejected("a DEL in the value", "9110 5.5", "X: \x7f\r\n"),
        rejected("an umlaut in the name", "9110 5.1", "\u{e4}: y\r\n"),
        rejected("a parenthesis in the name", "9110 5.6.2", "X(): y\r\n"),
        rejected("a slash in the name", "9110 5.6.2", "X/Y: y\r\n"),
        case("UTF-8 in the value", "9110 5.5: obs-text", responses(&[200]), get("X: \u{e4}\r\n")),
        case("no value", "9110 5.5", responses(&[200]), get("X:\r\n")),
        case(
            "a request in a value",
            "9112 5",
            responses(&[200]),
            get("X: GET /accounts/smuggled HTTP/1.1\r\n"),
        ),
        case("a good request id", "this service", responses(&[200]), get("X-Request-Id: a-1\r\n"))
            .with_part("x-request-id: a-1\r\n"),
        case(
            "request ids that are too long, not ASCII, empty or in pieces are replaced",
            "this service",
            responses(&[200; 4]),
            get(&format!("X-Request-Id: {}\r\n", "x".repeat(129)))
                + &get("X-Request-Id: \u{9b}2J\r\n")
                + &get("X-Request-Id:\r\n")
                + &get("X-Request-Id: a b\r\n"),
        ),
        rejected("a request id with a line break", "9112 2.2", "X-Request-Id: a\rX: y\r\n"),
        case(
            "Connection names the Host",
            "9110 7.6.1",
            responses(&[200]),
            get("Connection: host\r\n"),
        ),
        case(
            "Connection closes and keeps",
            "9112 9.3",
            last(200),
            get("Connection: close, keep-alive\r\n"),
        ),
        case(
            "Connection closes on one line and keeps on the next",
            "9112 9.3",
            last(200),
            get("Connection: close\r\nConnection: keep-alive\r\n"),
        ),
    ]
}

fn hosts() -> Vec<Case> {
    let host = |lines: &str| format!("GET /accounts/1 HTTP/1.1\r\n{lines}\r\n");
    let rejected = |name, lines: &str| case(name, "9112 3.2", last(400), host(lines));
    vec![
        rejected("no Host", ""),
        rejected("two Hosts", "Host: test\r\nHost: test\r\n"),
        rejected("two different Hosts", "Host: test\r\nhost: evil\r\n"),
        rejected("a list of Hosts", "Host: test, evil\r\n"),
        rejected("a space in Host", "Host: te st\r\n"),
        rejected("a slash in Host", "Host: test/accounts\r\n"),
        rejected("a user in Host", "Host: user@test\r\n"),
        rejected("a URI in Host", "Host: http://test\r\n"),
        rejected("a query in Host", "Host: test?x\r\n"),
        rejected("a fragment in Host", "Host: test#x\r\n"),
        rejected("an open bracket in Host", "Host: [::1\r\n"),
        rejected("a port that is none", "Host: test:port\r\n"),
        rejected("two ports", "Host: test:80:80\r\n"),
        rejected("an escape in Host", "Host: te\\st\r\n"),
        case("a folded Host", "9112 5.2", Rejected, host("Host: test\r\n evil\r\n")),
        case(
            "an absolute form without Host",
            "9112 3.2",
            last(400),
            "GET http://test/health HTTP/1.1\r\n\r\n",
        ),
        case(
            "a port over 65535",
            "3986 3.2.3: any digits",
            responses(&[200]),
            host("Host: test:99999\r\n"),
        ),
        case("an empty Host", "9110 7.2", responses(&[200]), host("Host:\r\n")),
        case(
            "HTTP/1.0 with two",
            "9112 3.2",
            last(400),
            "GET /health HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        ),
        case("HTTP/1.0 without", "9112 3.2", last(200), "GET /health HTTP/1.0\r\n\r\n"),
    ]
}
