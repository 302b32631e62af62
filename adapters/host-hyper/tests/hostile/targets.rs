//! Request lines, targets, and percent-encoding in ids.

use crate::case::{Case, Incomplete, Rejected, case, get, responses, target};

pub(crate) fn cases() -> Vec<Case> {
    [request_line(), targets(), ids()].concat()
}

fn request_line() -> Vec<Case> {
    let line = |line: &str| format!("{line}\r\nHost: test\r\n\r\n");
    let rejected = |name, text: &str| case(name, "9112 3", Rejected, line(text));
    let version = |name, version: &str| {
        case(name, "9110 15.6.6", Rejected, line(&format!("GET /accounts/1 {version}")))
    };
    vec![
        rejected("two spaces", "GET  /accounts/1 HTTP/1.1"),
        rejected("two spaces before the version", "GET /accounts/1  HTTP/1.1"),
        rejected("a space behind the version", "GET /accounts/1 HTTP/1.1 "),
        rejected("a tab in place of a space", "GET\t/accounts/1 HTTP/1.1"),
        rejected("a space before the method", " GET /accounts/1 HTTP/1.1"),
        rejected("no method", " /accounts/1 HTTP/1.1"),
        rejected("no target", "GET HTTP/1.1"),
        rejected("an empty target", "GET  HTTP/1.1"),
        rejected("no version", "GET /accounts/1"),
        rejected("a space in the target", "GET /accounts/1 2 HTTP/1.1"),
        rejected("a NUL in the method", "G\0T /accounts/1 HTTP/1.1"),
        rejected("an umlaut in the method", "G\u{e4}T /accounts/1 HTTP/1.1"),
        rejected("a parenthesis in the method", "G(T /accounts/1 HTTP/1.1"),
        rejected("a colon in the method", "GET: /accounts/1 HTTP/1.1"),
        rejected("a bare CR in the line", "GET /accounts/1\rHTTP/1.1"),
        rejected("a bare CR behind the version", "GET /accounts/1 HTTP/1.1\rX: y"),
        version(
            "HTTP/1.2; known limit: 9110 2.5 would take it for 1.1; no client sends it",
            "HTTP/1.2",
        ),
        version("HTTP/1.10", "HTTP/1.10"),
        version("HTTP/01.1", "HTTP/01.1"),
        version("HTTP/1.", "HTTP/1."),
        version("HTTP/1,1", "HTTP/1,1"),
        version("HTTP/2.0", "HTTP/2.0"),
        version("HTTP/3", "HTTP/3"),
        version("HTTP/0.9", "HTTP/0.9"),
        version("HTTP/9.9", "HTTP/9.9"),
        version("small letters", "http/1.1"),
        version("another protocol", "SIP/2.0"),
        version("a NUL in the version", "HTTP/1.1\0"),
        case(
            "LF for CRLF",
            "9112 2.2: may be taken for the end of a line",
            responses(&[200]),
            "GET /accounts/1 HTTP/1.1\nHost: test\n\n",
        ),
        case(
            "empty lines before the request line",
            "9112 2.2: at least one should be ignored",
            responses(&[200]),
            "\r\n\r\n\r\n".to_owned() + &get(""),
        ),
        case("nothing but empty lines", "9112 2.2", Incomplete, "\r\n".repeat(1000)),
        case("endless empty lines", "9112 2.2", Incomplete, "\r\n".repeat(100_000)),
        case("nothing", "9112 9.5", Incomplete, ""),
        case("half of a method", "9112 8", Incomplete, "GE"),
        case("half of a head", "9112 8", Incomplete, "GET /accounts/1 HTTP/1.1\r\nHost: te"),
        case(
            "a field before the first has come",
            "9112 2.2",
            Rejected,
            "GET /accounts/1 HTTP/1.1\r\n Host: test\r\n\r\n",
        ),
        case(
            "a long method",
            "9112 3: should be a 501; known limit: it is a method like any other, a 405",
            responses(&[405]),
            line(&format!("{} /accounts/1 HTTP/1.1", "X".repeat(8000))),
        ),
    ]
}

fn targets() -> Vec<Case> {
    let to =
        |name, status: u16, text: &str| case(name, "9112 3.2", responses(&[status]), target(text));
    let rejected = |name, text: &str| case(name, "9112 3.2", Rejected, target(text));
    vec![
        to("the absolute form", 200, "http://test/accounts/1"),
        to("the absolute form of another host", 200, "http://evil.example:80/accounts/1"),
        rejected("the absolute form with a user", "http://user:word@test/accounts/1"),
        to("the absolute form of another scheme", 200, "ftp://test/accounts/1"),
        to("the absolute form without a path", 404, "http://test"),
        to("the root", 404, "/"),
        to("two slashes", 404, "//"),
        to("two slashes before a known path", 404, "//accounts/1"),
        to("two slashes and a redirect", 404, "//accounts/1/"),
        to("another host behind two slashes", 404, "//evil.example/health/"),
        to("two slashes within", 404, "/accounts//1"),
        to("two slashes behind", 404, "/accounts/1//"),
        to("dots up", 404, "/accounts/../health"),
        to("dots up, encoded", 404, "/accounts/%2e%2e/health"),
        to("dots up, far", 404, "/../../../../etc/passwd"),
        to("a dot", 404, "/./health"),
        rejected("a backslash", "/accounts/..\\..\\health"),
        to("an encoded path", 404, "/%68ealth"),
        to("capitals", 404, "/HEALTH"),
        to("parameters", 404, "/health;x=y"),
        to("a query", 200, "/health?a=b&c[]=%00&/accounts/smuggled"),
        to("two question marks", 200, "/health??"),
        to(
            "a fragment; known limit: 9112 3.2 would have it refused, but the URI type drops it unseen",
            200,
            "/health#x",
        ),
        rejected("raw UTF-8", "/accounts/\u{e4}"),
        to(
            "a port that is none; known limit: the URI type takes it, and nothing uses the port",
            200,
            "http://test:port/accounts/1",
        ),
        rejected("no slash", "accounts/1"),
        rejected("the authority form", "test:80"),
        rejected("the authority form without a port", "test"),
        rejected("dots without a slash", "../accounts/1"),
        rejected("a scheme without a host", "http:///accounts/1"),
        rejected("an open bracket", "http://[::1/accounts/1"),
        rejected("a NUL", "/accounts/\0"),
        rejected("an escape", "/accounts/\x1b"),
        rejected("a DEL", "/accounts/\x7f"),
        rejected("a vertical tab", "/accounts/\x0b"),
        case("a star on GET", "9112 3.2.4: for OPTIONS alone", responses(&[404]), target("*")),
        case(
            "bytes that are no UTF-8",
            "9112 3.2",
            Rejected,
            b"GET /accounts/\xff\xfe HTTP/1.1\r\nHost: test\r\n\r\n",
        ),
        case(
            "60 KB in the path",
            "9110 4.1",
            responses(&[404]),
            target(&format!("/{}", "x".repeat(60_000))),
        ),
        case(
            "60 KB in the query of a redirect",
            "9110 4.1",
            responses(&[301]),
            target(&format!("/health/?{}", "x".repeat(60_000))),
        ),
        case("60 KB of slashes", "9110 4.1", responses(&[404]), target(&"/".repeat(60_000))),
        case(
            "60 KB of an id",
            "9110 4.1",
            responses(&[404]),
            target(&format!("/accounts/{}", "%41".repeat(20_000))),
        ),
        case(
            "too long a target",
            "9110 15.5.15",
            Rejected,
            target(&format!("/{}", "x".repeat(70_000))),
        ),
    ]
}

/// Percent-encoding tricks and what comes back of them.
fn ids() -> Vec<Case> {
    let to = |name, status: u16, text: &str| {
        case(name, "3986 2.1", responses(&[status]), target(&format!("/accounts/{text}")))
    };
    vec![
        to("an encoded slash is of the id", 200, "a%2fb").with_part(r#""id":"a/b""#),
        to("dots up, with an encoded slash", 200, "..%2f..%2fhealth")
            .with_part(r#""id":"../../health""#),
        to("encoded twice", 200, "%2541").with_part(r#""id":"%41""#),
        to("a plus is a plus", 200, "a+b").with_part(r#""id":"a+b""#),
        to("a NUL", 200, "%00").with_part(r#""id":"\u0000""#),
        to("quotes and a backslash", 200, "%22%5c").with_part(r#""id":"\"\\""#),
        to("a header line", 200, "%0d%0aX:%20y").with_part(r#""id":"\r\nX: y""#),
        to("a whole answer", 200, "%0d%0a%0d%0aHTTP/1.1%20200%20OK".replace('/', "%2f").as_str()),
        to("a header line in a redirect", 301, "%0d%0aX:%20y/")
            .with_part("location: /accounts/%0d%0aX:%20y\r\n"),
        to("a header line in the query of a redirect", 301, "1/?%0d%0aX:%20y")
            .with_part("location: /accounts/1?%0d%0aX:%20y\r\n"),
        case("raw UTF-8 in a redirect", "3986 2", Rejected, target("/accounts/\u{e4}/?\u{20ac}")),
        to("a lone percent", 400, "%"),
        to("half an escape", 400, "%4"),
        to("no hexadecimal digits", 400, "%zz"),
        to("a sign for a digit", 400, "%+1"),
        to("the escape of a browser", 400, "%u0041"),
        to("an overlong slash", 400, "%c0%af"),
        to("a surrogate", 400, "%ed%a0%80"),
        to("above Unicode", 400, "%f4%90%80%80"),
        to("half a character", 400, "%c3"),
        to("64 bytes", 200, &"%41".repeat(64)),
        to("65 bytes", 404, &"%41".repeat(65)),
        to("64 bytes in Latin-1 are no UTF-8", 400, &"%e9".repeat(64)),
        to("no id", 404, ""),
        to("a query in place of an id", 404, "?1"),
        case(
            "a state that is encoded",
            "3986 2.1",
            responses(&[200]),
            target("/testability/healthy/%74rue"),
        ),
        case(
            "a state with a NUL",
            "3986 2.1",
            responses(&[400]),
            target("/testability/healthy/true%00"),
        ),
        case(
            "a state by HEAD",
            "9110 9.2.1: a HEAD changes nothing",
            responses(&[405]),
            "HEAD /testability/healthy/false HTTP/1.1\r\nHost: test\r\n\r\n",
        )
        .with_head(0),
        case(
            "a state by POST",
            "9110 15.5.6",
            responses(&[405]),
            "POST /testability/healthy/false HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nfalse",
        ),
        case(
            "a state by another method than the line says",
            "9110 9.1: no field overrides the method",
            responses(&[405]),
            "POST /testability/healthy/false HTTP/1.1\r\nHost: test\r\nX-HTTP-Method-Override: GET\r\n\r\n",
        ),
    ]
}
