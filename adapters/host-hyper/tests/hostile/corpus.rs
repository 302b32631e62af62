//! The table: what is sent, what is due, and which section of which RFC says so.
//!
//! "Known limit" marks what an RFC would rather have otherwise, with the reason why it is so.

/// What has to come of a request.
#[derive(Debug)]
pub(crate) enum Due {
    /// One 4xx, 501 or 505, or nothing, and the connection is closed.
    Refusal,
    /// The same, for a request that lacks its end, so that whatever follows would be part of it.
    Incomplete,
    /// These answers; then the connection is closed, whatever follows.
    Last(Vec<u16>),
    /// These answers; then the next request is answered as if nothing had been.
    Answers(Vec<u16>),
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) due: Due,
    /// The section, as number of the RFC and of the section, and remarks.
    pub(crate) rfc: &'static str,
    /// Something that the answers have to contain.
    pub(crate) says: Option<&'static str>,
    /// The number of the answer that is to a HEAD.
    pub(crate) bodiless: Option<usize>,
}

impl Case {
    fn says(self, part: &'static str) -> Self {
        Self { says: Some(part), ..self }
    }

    fn for_head(self, number: usize) -> Self {
        Self { bodiless: Some(number), ..self }
    }
}

use Due::{Incomplete, Refusal};

fn case(name: &'static str, rfc: &'static str, due: Due, bytes: impl AsRef<[u8]>) -> Case {
    Case { name, bytes: bytes.as_ref().to_vec(), due, rfc, says: None, bodiless: None }
}

fn answers(statuses: &[u16]) -> Due {
    Due::Answers(statuses.to_vec())
}

fn last(status: u16) -> Due {
    Due::Last(vec![status])
}

/// A GET for an account, with these field lines.
fn get(fields: &str) -> String {
    format!("GET /accounts/1 HTTP/1.1\r\nHost: test\r\n{fields}\r\n")
}

/// A POST to an account, which is a 405 whatever it brings, with these field lines and body.
fn post(fields: &str, body: &str) -> String {
    format!("POST /accounts/1 HTTP/1.1\r\nHost: test\r\n{fields}\r\n{body}")
}

/// The field line that a body needs.
fn with_length(body: &str) -> String {
    format!("Content-Length: {}\r\n", body.len())
}

/// A GET for this target.
fn target(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n")
}

const SMUGGLED: &str = "GET /accounts/smuggled HTTP/1.1\r\nHost: test\r\n\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

pub(crate) fn corpus() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(content_length());
    cases.extend(transfer_encoding());
    cases.extend(both());
    cases.extend(chunks());
    cases.extend(request_line());
    cases.extend(targets());
    cases.extend(ids());
    cases.extend(fields());
    cases.extend(hosts());
    cases.extend(sizes());
    cases.extend(several());
    cases.extend(other_protocols());
    cases.extend(methods_and_expectations());
    cases
}

fn content_length() -> Vec<Case> {
    let length = |value: &str| post(&format!("Content-Length: {value}\r\n"), "hello");
    vec![
        case("a good length", "9112 6.2", answers(&[405]), length("5")),
        case("a length with zeros", "9110 8.6: 1*DIGIT", answers(&[405]), length("0005")),
        case("a length with spaces around", "9112 5", answers(&[405]), length("\t 5 \t")),
        case("a length with a plus", "9112 6.3", Refusal, length("+5")),
        case("a negative length", "9112 6.3", Refusal, length("-5")),
        case("minus zero", "9112 6.3", Refusal, length("-0")),
        case("a hexadecimal length", "9112 6.3", Refusal, length("0x5")),
        case("an exponent", "9112 6.3", Refusal, length("5e0")),
        case("a fraction", "9112 6.3", Refusal, length("5.0")),
        case("an underscore", "9112 6.3", Refusal, length("1_0")),
        case("no length", "9112 6.3", Refusal, length("")),
        case("a word", "9112 6.3", Refusal, length("five")),
        case("a space within", "9112 6.3", Refusal, length("5 5")),
        case("quotes", "9112 6.3", Refusal, length("\"5\"")),
        case("a fullwidth digit", "9112 6.3", Refusal, length("\u{ff15}")),
        case("a vertical tab", "9110 5.5", Refusal, length("\x0b5")),
        case("a form feed", "9110 5.5", Refusal, length("5\x0c")),
        case("a list of one length twice", "9112 6.3: may be refused", Refusal, length("5, 5")),
        case("a list of two lengths", "9112 6.3", Refusal, length("5, 6")),
        case("a list with an empty one", "9112 6.3", Refusal, length("5,")),
        case("over 64 bits", "9112 6.3", Refusal, length("18446744073709551621")),
        case("64 bits", "9110 8.6", Refusal, length("18446744073709551615")),
        case("63 bits", "9110 15.5.14", last(413), length("9223372036854775807")),
        case("many digits", "9110 8.6", Refusal, length(&"9".repeat(1000))),
        case(
            "one length twice",
            "9112 6.3: may be taken as one",
            answers(&[405]),
            length("5\r\nContent-Length: 5"),
        ),
        case("two lengths, large last", "9112 6.3", Refusal, length("5\r\nContent-Length: 50")),
        case("two lengths, large first", "9112 6.3", Refusal, length("50\r\nContent-Length: 5")),
        case("two lengths, another case", "9112 6.3", Refusal, length("5\r\ncontent-length: 0")),
        case("two lengths, the last empty", "9112 6.3", Refusal, length("5\r\nContent-Length:")),
        case("a folded length", "9112 5.2", Refusal, length("5\r\n 0")),
        case(
            "a length before a space",
            "9112 5.1",
            Refusal,
            post("Content-Length : 5\r\n", "hello"),
        ),
        case("a body that lacks a byte", "9112 8", Incomplete, length("6")),
        case(
            "a body on GET",
            "9110 9.3.1: framing is the same for every method",
            answers(&[200]),
            get(&with_length(SMUGGLED)) + SMUGGLED,
        ),
        case(
            "a request in the body of a POST",
            "9112 6.3",
            answers(&[405]),
            post(&with_length(SMUGGLED), SMUGGLED),
        ),
        case(
            "a body on HEAD",
            "9110 9.3.2",
            answers(&[200]),
            format!(
                "HEAD /accounts/1 HTTP/1.1\r\nHost: test\r\n{}\r\n{SMUGGLED}",
                with_length(SMUGGLED)
            ),
        )
        .for_head(0),
    ]
}

fn transfer_encoding() -> Vec<Case> {
    let coded = |line: &str| post(&format!("{line}\r\n"), &format!("0\r\n\r\n{SMUGGLED}"));
    let coding = |value: &str| coded(&format!("Transfer-Encoding: {value}"));
    vec![
        case("chunked", "9112 9.3: the last by our choice", last(405), coding("chunked")),
        case("chunked in capitals", "9112 7", last(405), coding("CHUNKED")),
        case("chunked after spaces", "9112 5", last(405), coding("  \t chunked")),
        case("chunked, then identity", "9112 6.3", Refusal, coding("chunked, identity")),
        case("chunked, then gzip", "9112 6.3", Refusal, coding("chunked, gzip")),
        case("identity", "9112 7: it exists no more", Refusal, coding("identity")),
        case("gzip", "9112 6.3", Refusal, coding("gzip")),
        case("identity, then chunked", "9112 6.1", last(400), coding("identity, chunked")),
        case(
            "gzip, then chunked",
            "9112 6.1: should be a 501; known limit: one status for all odd codings",
            last(400),
            coding("gzip, chunked"),
        ),
        case("chunked twice", "9112 6.1", last(400), coding("chunked, chunked")),
        case(
            "chunked on two lines",
            "9112 6.1",
            last(400),
            coding("chunked\r\nTransfer-Encoding: chunked"),
        ),
        case(
            "identity, and chunked on the next line",
            "9112 6.1",
            last(400),
            coding("identity\r\nTransfer-Encoding: chunked"),
        ),
        case(
            "chunked, and identity on the next line",
            "9112 6.3",
            Refusal,
            coding("chunked\r\nTransfer-Encoding: identity"),
        ),
        case("an empty one before", "9112 6.1", last(400), coding(", chunked")),
        case("an empty one behind", "9112 6.3", Refusal, coding("chunked,")),
        case("a parameter", "9112 7", Refusal, coding("chunked;q=1")),
        case("quotes", "9112 7", Refusal, coding("\"chunked\"")),
        case("xchunked", "9112 6.1", Refusal, coding("xchunked")),
        case("x chunked", "9112 7", Refusal, coding("x chunked")),
        case("chunkedx", "9112 6.1", Refusal, coding("chunkedx")),
        case("half of chunked", "9112 6.1", Refusal, coding("chunk")),
        case("nothing", "9112 6.1", Refusal, coding("")),
        case("a vertical tab before", "9110 5.5", Refusal, coding("\x0bchunked")),
        case("a NUL behind", "9110 5.5", Refusal, coding("chunked\0")),
        case("a byte that is no ASCII", "9112 7", Refusal, coding("chunked\u{e9}")),
        case("a space before the colon", "9112 5.1", Refusal, coded("Transfer-Encoding : chunked")),
        case("a tab before the colon", "9112 5.1", Refusal, coded("Transfer-Encoding\t: chunked")),
        case("a NUL in the name", "9110 5.6.2", Refusal, coded("Transfer-\0Encoding: chunked")),
        case("a space before the name", "9112 2.2", Refusal, coded(" Transfer-Encoding: chunked")),
        case("folded", "9112 5.2", Refusal, coded("Transfer-Encoding:\r\n chunked")),
        case("folded in two", "9112 5.2", Refusal, coded("Transfer-Encoding: x,\r\n\tchunked")),
        case("behind a bare CR", "9112 2.2", Refusal, coded("X: y\rTransfer-Encoding: chunked")),
        case(
            "an underscore in the name is another field: there is no body, and `0` is no request",
            "9110 5.6.2",
            Due::Last(vec![405, 400]),
            coded("Transfer_Encoding: chunked"),
        ),
        case(
            "in HTTP/1.0",
            "9112 6.1",
            Refusal,
            format!("POST /accounts/1 HTTP/1.0\r\n{CHUNKED}\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        case(
            "in HTTP/1.0 that is to be kept",
            "9112 6.1",
            Refusal,
            format!(
                "POST /accounts/1 HTTP/1.0\r\nConnection: keep-alive\r\n{CHUNKED}\r\n0\r\n\r\n"
            ),
        ),
    ]
}

fn both() -> Vec<Case> {
    let coding = "Transfer-Encoding: chunked";
    let table: [(&'static str, &str, &str); 6] = [
        ("a length and chunked", "Content-Length: 5", coding),
        ("chunked and a length", coding, "Content-Length: 5"),
        ("chunked and a length of the smuggled", coding, "Content-Length: 56"),
        ("chunked and a length of nothing", coding, "Content-Length: 0"),
        ("a length and a chunked in capitals", "content-length: 6", "TRANSFER-ENCODING: CHUNKED"),
        ("a length between two", "Transfer-Encoding: chunked\r\nContent-Length: 4", "X: y"),
    ];
    let close = "9112 6.3: processed as chunked, and the connection closed";
    let mut cases: Vec<_> = table
        .map(|(name, first, second)| {
            let fields = format!("{first}\r\n{second}\r\n");
            case(name, close, last(405), post(&fields, &format!("0\r\n\r\n{SMUGGLED}")))
        })
        .into();
    for (name, fields) in [
        ("a broken length and chunked", "Content-Length: x\r\nTransfer-Encoding: chunked\r\n"),
        ("a length and identity", "Content-Length: 5\r\nTransfer-Encoding: identity\r\n"),
        ("xchunked and a length", "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n"),
        (
            "two lengths and chunked",
            "Content-Length: 5\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        ),
    ] {
        cases.push(case(name, "9112 6.3", Refusal, post(fields, &format!("0\r\n\r\n{SMUGGLED}"))));
    }
    cases
}

fn chunks() -> Vec<Case> {
    let chunked = |body: &str| post(CHUNKED, body);
    let refused = |name, body: &str| case(name, "9112 7.1", Refusal, chunked(body));
    vec![
        case("chunks", "9112 7.1", last(405), chunked("2\r\nab\r\nA\r\n0123456789\r\n0\r\n\r\n")),
        case(
            "a chunked body on GET",
            "9110 9.3.1",
            last(200),
            get(CHUNKED) + "1\r\na\r\n0\r\n\r\n",
        ),
        case(
            "a request in a chunk",
            "9112 7.1",
            last(405),
            chunked(&format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len())),
        ),
        case("an extension", "9112 7.1.1", last(405), chunked("1;a=b;c=\"d\"\r\nx\r\n0\r\n\r\n")),
        case("trailers", "9112 7.1.2", last(405), chunked("0\r\nA: b\r\nHost: evil\r\n\r\n")),
        case("zeros before a size", "9112 7.1", last(405), chunked("0000001\r\nx\r\n000\r\n\r\n")),
        case(
            "a space behind a size",
            "9112 7.1.1: BWS",
            last(405),
            chunked("1 \r\nx\r\n0\r\n\r\n"),
        ),
        refused("no size", "\r\nx\r\n0\r\n\r\n"),
        refused("a size that is none", "z\r\nx\r\n0\r\n\r\n"),
        refused("a negative size", "-1\r\nx\r\n0\r\n\r\n"),
        refused("a size with a plus", "+1\r\nx\r\n0\r\n\r\n"),
        refused("a size with 0x", "0x1\r\nx\r\n0\r\n\r\n"),
        refused("a space before a size", " 1\r\nx\r\n0\r\n\r\n"),
        refused("a space within a size", "1 1\r\nx\r\n0\r\n\r\n"),
        refused("a size of 65 bits", "10000000000000000\r\nx\r\n0\r\n\r\n"),
        refused("a size that wraps around to 1", "100000000000000001\r\nx\r\n0\r\n\r\n"),
        refused("a NUL in a size", "1\0\r\nx\r\n0\r\n\r\n"),
        refused("a size that ends with LF", "1\nx\r\n0\r\n\r\n"),
        refused("a size that ends with CR", "1\rx\r\n0\r\n\r\n"),
        refused("a chunk that is longer", "1\r\nxy\r\n0\r\n\r\n"),
        refused("a chunk that is shorter", "3\r\nx\r\n0\r\n\r\nabcdef"),
        refused("a chunk without an end", "1\r\nx0\r\n\r\n"),
        refused("a chunk that ends with LF", "1\r\nx\n0\r\n\r\n"),
        refused("an LF in an extension", "1;a\nb\r\nx\r\n0\r\n\r\n"),
        refused("a CR in an extension", "1;a\rb\r\nx\r\n0\r\n\r\n"),
        refused("a trailer that is none", "0\r\nno colon\r\n\r\n"),
        refused("an LF in place of the end", "0\r\n\nx\r\n\r\n"),
        case(
            "an endless extension",
            "9112 7.1.1: limit the total",
            Refusal,
            chunked(&format!("1;{}\r\nx\r\n0\r\n\r\n", "x".repeat(100_000))),
        ),
        case(
            "a hundred thousand small chunks with extensions",
            "9112 7.1.1: limit the total",
            Refusal,
            chunked(&"1;abcdefgh\r\nx\r\n".repeat(100_000)),
        ),
        case(
            "a thousand trailers",
            "9110 6.5.1",
            Refusal,
            chunked(&format!("0\r\n{}\r\n", "A: b\r\n".repeat(1000))),
        ),
        case(
            "a trailer over the limit",
            "9110 5.4",
            Refusal,
            chunked(&format!("0\r\nA: {}\r\n\r\n", "b".repeat(100_000))),
        ),
        case("a huge chunk", "9110 15.5.14", Incomplete, chunked("7fffffffffffffff\r\nx")),
        case("no final chunk", "9112 8", Incomplete, chunked("1\r\nx\r\n")),
        case("half of a final chunk", "9112 8", Incomplete, chunked("1\r\nx\r\n0\r\n")),
        case("no body at all", "9112 8", Incomplete, chunked("")),
        case(
            "over the limit in chunks",
            "9110 15.5.14",
            last(413),
            chunked(&format!("{}0\r\n\r\n", format!("400\r\n{}\r\n", "x".repeat(1024)).repeat(65))),
        ),
    ]
}

fn request_line() -> Vec<Case> {
    let line = |line: &str| format!("{line}\r\nHost: test\r\n\r\n");
    let refused = |name, text: &str| case(name, "9112 3", Refusal, line(text));
    let version = |name, version: &str| {
        case(name, "9110 15.6.6", Refusal, line(&format!("GET /accounts/1 {version}")))
    };
    vec![
        refused("two spaces", "GET  /accounts/1 HTTP/1.1"),
        refused("two spaces before the version", "GET /accounts/1  HTTP/1.1"),
        refused("a space behind the version", "GET /accounts/1 HTTP/1.1 "),
        refused("a tab in place of a space", "GET\t/accounts/1 HTTP/1.1"),
        refused("a space before the method", " GET /accounts/1 HTTP/1.1"),
        refused("no method", " /accounts/1 HTTP/1.1"),
        refused("no target", "GET HTTP/1.1"),
        refused("an empty target", "GET  HTTP/1.1"),
        refused("no version", "GET /accounts/1"),
        refused("a space in the target", "GET /accounts/1 2 HTTP/1.1"),
        refused("a NUL in the method", "G\0T /accounts/1 HTTP/1.1"),
        refused("an umlaut in the method", "G\u{e4}T /accounts/1 HTTP/1.1"),
        refused("a parenthesis in the method", "G(T /accounts/1 HTTP/1.1"),
        refused("a colon in the method", "GET: /accounts/1 HTTP/1.1"),
        refused("a bare CR in the line", "GET /accounts/1\rHTTP/1.1"),
        refused("a bare CR behind the version", "GET /accounts/1 HTTP/1.1\rX: y"),
        version(
            "HTTP/1.2, known limit: 9110 2.5 would take it for 1.1; nobody sends it",
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
            answers(&[200]),
            "GET /accounts/1 HTTP/1.1\nHost: test\n\n",
        ),
        case(
            "empty lines before the request line",
            "9112 2.2: at least one should be ignored",
            answers(&[200]),
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
            Refusal,
            "GET /accounts/1 HTTP/1.1\r\n Host: test\r\n\r\n",
        ),
        case(
            "a long method",
            "9112 3: should be a 501; known limit: it is a method like any other, a 405",
            answers(&[405]),
            line(&format!("{} /accounts/1 HTTP/1.1", "X".repeat(8000))),
        ),
    ]
}

fn targets() -> Vec<Case> {
    let to =
        |name, status: u16, text: &str| case(name, "9112 3.2", answers(&[status]), target(text));
    let refused = |name, text: &str| case(name, "9112 3.2", Refusal, target(text));
    vec![
        to("the absolute form", 200, "http://test/accounts/1"),
        to("the absolute form of another host", 200, "http://evil.example:80/accounts/1"),
        to("the absolute form with a user", 200, "http://user:word@test/accounts/1"),
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
        to("a backslash is of the id", 200, "/accounts/..\\..\\health"),
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
        to(
            "raw UTF-8; known limit: the URI type takes it, and nothing is lost by that",
            200,
            "/accounts/\u{e4}",
        ),
        to(
            "a port that is none; known limit: the URI type takes it, and nobody asks for the port",
            200,
            "http://test:port/accounts/1",
        ),
        refused("no slash", "accounts/1"),
        refused("the authority form", "test:80"),
        refused("the authority form without a port", "test"),
        refused("dots without a slash", "../accounts/1"),
        refused("a scheme without a host", "http:///accounts/1"),
        refused("an open bracket", "http://[::1/accounts/1"),
        refused("a NUL", "/accounts/\0"),
        refused("an escape", "/accounts/\x1b"),
        refused("a DEL", "/accounts/\x7f"),
        refused("a vertical tab", "/accounts/\x0b"),
        case("a star on GET", "9112 3.2.4: for OPTIONS alone", answers(&[404]), target("*")),
        case(
            "bytes that are no UTF-8",
            "9112 3.2",
            Refusal,
            b"GET /accounts/\xff\xfe HTTP/1.1\r\nHost: test\r\n\r\n",
        ),
        case(
            "60 KB in the path",
            "9110 4.1",
            answers(&[404]),
            target(&format!("/{}", "x".repeat(60_000))),
        ),
        case(
            "60 KB in the query of a redirect",
            "9110 4.1",
            answers(&[301]),
            target(&format!("/health/?{}", "x".repeat(60_000))),
        ),
        case("60 KB of slashes", "9110 4.1", answers(&[404]), target(&"/".repeat(60_000))),
        case(
            "60 KB of an id",
            "9110 4.1",
            answers(&[404]),
            target(&format!("/accounts/{}", "%41".repeat(20_000))),
        ),
        case(
            "too long a target",
            "9110 15.5.15",
            Refusal,
            target(&format!("/{}", "x".repeat(70_000))),
        ),
    ]
}

/// Percent-encoding tricks and what comes back of them.
fn ids() -> Vec<Case> {
    let to = |name, status: u16, text: &str| {
        case(name, "3986 2.1", answers(&[status]), target(&format!("/accounts/{text}")))
    };
    vec![
        to("an encoded slash is of the id", 200, "a%2fb").says(r#""id":"a/b""#),
        to("dots up, with an encoded slash", 200, "..%2f..%2fhealth")
            .says(r#""id":"../../health""#),
        to("encoded twice", 200, "%2541").says(r#""id":"%41""#),
        to("a plus is a plus", 200, "a+b").says(r#""id":"a+b""#),
        to("a NUL", 200, "%00").says(r#""id":"\u0000""#),
        to("quotes and a backslash", 200, "%22%5c").says(r#""id":"\"\\""#),
        to("a header line", 200, "%0d%0aX:%20y").says(r#""id":"\r\nX: y""#),
        to("a whole answer", 200, "%0d%0a%0d%0aHTTP/1.1%20200%20OK".replace('/', "%2f").as_str()),
        to("a header line in a redirect", 301, "%0d%0aX:%20y/")
            .says("ocation: /accounts/%0d%0aX:%20y\r\n"),
        to("a header line in the query of a redirect", 301, "1/?%0d%0aX:%20y")
            .says("ocation: /accounts/1?%0d%0aX:%20y\r\n"),
        to("raw UTF-8 in a redirect", 301, "\u{e4}/?\u{20ac}")
            .says("ocation: /accounts/%C3%A4?%E2%82%AC\r\n"),
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
            answers(&[200]),
            target("/testability/healthy/%74rue"),
        ),
        case(
            "a state with a NUL",
            "3986 2.1",
            answers(&[400]),
            target("/testability/healthy/true%00"),
        ),
        case(
            "a state by HEAD",
            "9110 9.2.1: a HEAD changes nothing",
            answers(&[405]),
            "HEAD /testability/healthy/false HTTP/1.1\r\nHost: test\r\n\r\n",
        )
        .for_head(0),
        case(
            "a state by POST",
            "9110 15.5.6",
            answers(&[405]),
            "POST /testability/healthy/false HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nfalse",
        ),
        case(
            "a state by another method than the line says",
            "9110 9.1: nobody overrides the method",
            answers(&[405]),
            "POST /testability/healthy/false HTTP/1.1\r\nHost: test\r\nX-HTTP-Method-Override: GET\r\n\r\n",
        ),
    ]
}

fn fields() -> Vec<Case> {
    let refused = |name, rfc, lines: &str| case(name, rfc, Refusal, get(lines));
    vec![
        refused("no colon", "9112 5", "X\r\n"),
        refused("no name", "9112 5", ": y\r\n"),
        refused("a space before the colon", "9112 5.1", "X : y\r\n"),
        refused("a tab before the colon", "9112 5.1", "X\t: y\r\n"),
        refused("a space in the name", "9110 5.1", "X Y: z\r\n"),
        refused("a fold", "9112 5.2", "X: y\r\n z\r\n"),
        refused("a fold by a tab", "9112 5.2", "X: y\r\n\tz\r\n"),
        refused("an empty fold", "9112 5.2", "X: y\r\n \r\n"),
        refused("a NUL in the name", "9110 5.1", "X\0: y\r\n"),
        refused("a NUL in the value", "9110 5.5", "X: y\0z\r\n"),
        refused("a bare CR in the value", "9112 2.2", "X: y\rz\r\n"),
        refused("a bare CR in the name", "9112 2.2", "X\rY: z\r\n"),
        refused("a CR before a CRLF", "9112 2.2", "X: y\r\r\n"),
        refused("an escape in the value", "9110 5.5", "X: \x1b[31m\r\n"),
        refused("a backspace in the value", "9110 5.5", "X: \x08\r\n"),
        refused("a DEL in the value", "9110 5.5", "X: \x7f\r\n"),
        refused("an umlaut in the name", "9110 5.1", "\u{e4}: y\r\n"),
        refused("a parenthesis in the name", "9110 5.6.2", "X(): y\r\n"),
        refused("a slash in the name", "9110 5.6.2", "X/Y: y\r\n"),
        case("UTF-8 in the value", "9110 5.5: obs-text", answers(&[200]), get("X: \u{e4}\r\n")),
        case("no value", "9110 5.5", answers(&[200]), get("X:\r\n")),
        case(
            "a request in a value",
            "9112 5",
            answers(&[200]),
            get("X: GET /accounts/smuggled HTTP/1.1\r\n"),
        ),
        case(
            "Connection names the Host",
            "9110 7.6.1",
            answers(&[200]),
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
    let refused = |name, lines: &str| case(name, "9112 3.2", last(400), host(lines));
    vec![
        refused("no Host", ""),
        refused("two Hosts", "Host: test\r\nHost: test\r\n"),
        refused("two different Hosts", "Host: test\r\nhost: evil\r\n"),
        refused("a list of Hosts", "Host: test, evil\r\n"),
        refused("a space in Host", "Host: te st\r\n"),
        refused("a slash in Host", "Host: test/accounts\r\n"),
        refused("a user in Host", "Host: user@test\r\n"),
        refused("a URI in Host", "Host: http://test\r\n"),
        refused("a query in Host", "Host: test?x\r\n"),
        refused("a fragment in Host", "Host: test#x\r\n"),
        refused("an open bracket in Host", "Host: [::1\r\n"),
        refused("a port that is none", "Host: test:port\r\n"),
        refused("two ports", "Host: test:80:80\r\n"),
        refused("an escape in Host", "Host: te\\st\r\n"),
        case("a folded Host", "9112 5.2", Refusal, host("Host: test\r\n evil\r\n")),
        case(
            "an absolute form without Host",
            "9112 3.2",
            last(400),
            "GET http://test/health HTTP/1.1\r\n\r\n",
        ),
        case(
            "a port over 65535",
            "3986 3.2.3: any digits",
            answers(&[200]),
            host("Host: test:99999\r\n"),
        ),
        case("an empty Host", "9110 7.2", answers(&[200]), host("Host:\r\n")),
        case(
            "HTTP/1.0 with two",
            "9112 3.2",
            last(400),
            "GET /health HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        ),
        case("HTTP/1.0 without", "9112 3.2", last(200), "GET /health HTTP/1.0\r\n\r\n"),
    ]
}

fn sizes() -> Vec<Case> {
    let many =
        |count: usize| (0..count).fold(String::new(), |all, i| all + &format!("X-{i}: y\r\n"));
    vec![
        case("90 fields", "9110 5.4", answers(&[200]), get(&many(90))),
        case("200 fields", "6585 5", last(431), get(&many(200))),
        case("4,000 fields", "6585 5", last(431), get(&many(4000))),
        case("50,000 fields", "6585 5", last(431), get(&many(50_000))),
        case("one field 4,000 times", "6585 5", last(431), get(&"X: y\r\n".repeat(4000))),
        case(
            "a value of 50 KB",
            "9110 5.4",
            answers(&[200]),
            get(&format!("X: {}\r\n", "y".repeat(50_000))),
        ),
        case(
            "a value of 70 KB",
            "6585 5",
            last(431),
            get(&format!("X: {}\r\n", "y".repeat(70_000))),
        ),
        case(
            "a value of 1 MB",
            "6585 5",
            last(431),
            get(&format!("X: {}\r\n", "y".repeat(1 << 20))),
        ),
        case(
            "a name of 70 KB",
            "6585 5",
            last(431),
            get(&format!("{}: y\r\n", "X".repeat(70_000))),
        ),
        case(
            "a head without an end",
            "6585 5",
            last(431),
            format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(100_000)),
        ),
        case(
            "a body at the limit",
            "9110 15.5.14",
            answers(&[405]),
            post("Content-Length: 65536\r\n", &"x".repeat(65_536)),
        ),
        case(
            "a body over the limit",
            "9110 15.5.14",
            last(413),
            post("Content-Length: 65537\r\n", &"x".repeat(65_537)),
        ),
        case(
            "a body of 4 MB",
            "9110 15.5.14",
            last(413),
            post("Content-Length: 4194304\r\n", &"x".repeat(4 << 20)),
        ),
    ]
}

/// Pipelining: RFC 9112, section 9.3.2.
fn several() -> Vec<Case> {
    let rfc = "9112 9.3.2";
    vec![
        case("two requests", rfc, answers(&[200, 200]), get("").repeat(2)),
        case("a hundred requests", rfc, answers(&[200; 100]), get("").repeat(100)),
        case(
            "with bodies",
            rfc,
            answers(&[405; 10]),
            post("Content-Length: 5\r\n", "hello").repeat(10),
        ),
        case("LF between two", "9112 2.2", answers(&[200, 200]), get("") + "\n" + &get("")),
        case(
            "a bad one behind a good one",
            rfc,
            Due::Last(vec![200, 400]),
            get("") + "bad\r\n\r\n" + SMUGGLED,
        ),
        case(
            "a good one behind a bad one",
            "9112 9.6",
            Refusal,
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
            answers(&[200, 200, 200]),
            get("") + "HEAD /health HTTP/1.1\r\nHost: test\r\n\r\n" + &get(""),
        )
        .for_head(1),
        case(
            "half of one behind a good one",
            rfc,
            Due::Last(vec![200]),
            get("Connection: close\r\n") + "GET /acc",
        ),
        case(
            "more bytes than the length says",
            "9112 6.3: they are the next request",
            Due::Last(vec![405, 400]),
            post("Content-Length: 5\r\n", "hello, world\r\n\r\n"),
        ),
    ]
}

fn other_protocols() -> Vec<Case> {
    let upgrade = |to: &str| get(&format!("Connection: Upgrade\r\nUpgrade: {to}\r\n"));
    vec![
        case("HTTP/0.9", "9112 3", Refusal, "GET /accounts/1\r\n"),
        case("HTTP/0.9 with LF", "9112 3", Refusal, "GET /accounts/1\n"),
        case(
            "an HTTP/2 preface",
            "9113 3.4",
            Refusal,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        ),
        case("half an HTTP/2 preface", "9113 3.4", Refusal, "PRI * HTTP/2.0\r\n\r\n"),
        case(
            "a TLS ClientHello",
            "8446 4.1.2",
            Refusal,
            b"\x16\x03\x01\0\xc2\x01\0\0\xbe\x03\x03\r\n\r\n\x13\x01",
        ),
        case("SSH", "4253 4.2", Refusal, "SSH-2.0-OpenSSH_9.6\r\n"),
        case("SMTP", "5321 4.1.1.1", Refusal, "EHLO test\r\n"),
        case("Redis", "none", Refusal, "*1\r\n$4\r\nPING\r\n"),
        case(
            "a PROXY line",
            "none",
            Refusal,
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n".to_owned() + SMUGGLED,
        ),
        case("NULs", "9112 3", Refusal, [0; 200]),
        case("line feeds and a NUL", "9112 2.2", Refusal, "\n\n\n\0"),
        case("all bytes", "9112 3", Refusal, (0..=255).collect::<Vec<u8>>()),
        case(
            "an upgrade to h2c",
            "9110 7.8: may be ignored",
            answers(&[200]),
            get(
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
            ),
        ),
        case(
            "an upgrade to websocket",
            "9110 7.8: may be ignored",
            answers(&[200]),
            upgrade("websocket"),
        ),
        case("an upgrade to TLS", "9110 7.8: may be ignored", answers(&[200]), upgrade("TLS/1.2")),
        case("an upgrade to nothing", "9110 7.8: may be ignored", answers(&[200]), upgrade("")),
        case(
            "an upgrade with a body",
            "9110 7.8",
            answers(&[200]),
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
        case("TRACE", "9110 9.3.8: not echoed", answers(&[405]), method("TRACE", "/accounts/1")),
        case("TRACE elsewhere", "9110 9.3.8", answers(&[404]), method("TRACE", "/")),
        case("OPTIONS of the server", "9112 3.2.4", answers(&[404]), method("OPTIONS", "*")),
        case("OPTIONS", "9110 15.5.6", answers(&[405]), method("OPTIONS", "/health")),
        case(
            "a method of our own",
            "9110 15.5.6",
            answers(&[405]),
            method("!#$%&'*+-.^_`|~09", "/health"),
        ),
        case(
            "small letters",
            "9110 9.1: methods are case-sensitive",
            answers(&[405]),
            method("get", "/health"),
        ),
        case("PRI", "9110 15.5.6", answers(&[405]), method("PRI", "/health")),
        case("CONNECT", "9110 9.3.6: no tunnel", answers(&[404]), method("CONNECT", "test:80")),
        case("CONNECT with a path", "9112 3.2.3", answers(&[405]), method("CONNECT", "/health")),
        case(
            "CONNECT in the absolute form",
            "9112 3.2.3",
            answers(&[405]),
            method("CONNECT", "http://test/health"),
        ),
        case("Expect", "9110 10.1.1", answers(&[405]), expect("100-continue")),
        case("Expect in capitals", "9110 10.1.1", answers(&[405]), expect("100-CONTINUE")),
        case(
            "another Expect",
            "9110 10.1.1: a 417 may be given",
            answers(&[405]),
            expect("200-ok"),
        ),
        case("a list of Expects", "9110 10.1.1", answers(&[405]), expect("100-continue, x")),
        case(
            "Expect without a body",
            "9110 10.1.1",
            answers(&[200]),
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
