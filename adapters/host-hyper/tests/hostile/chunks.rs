//! Chunked bodies, and how large a request may be.

use crate::case::{
    CHUNKED, Case, Incomplete, Rejected, SMUGGLED, case, get, last, post, responses,
};

pub(crate) fn cases() -> Vec<Case> {
    [chunks(), sizes()].concat()
}

fn chunks() -> Vec<Case> {
    let chunked = |body: &str| post(CHUNKED, body);
    let rejected = |name, body: &str| case(name, "9112 7.1", Rejected, chunked(body));
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
        rejected("no size", "\r\nx\r\n0\r\n\r\n"),
        rejected("a size that is none", "z\r\nx\r\n0\r\n\r\n"),
        rejected("a negative size", "-1\r\nx\r\n0\r\n\r\n"),
        rejected("a size with a plus", "+1\r\nx\r\n0\r\n\r\n"),
        rejected("a size with 0x", "0x1\r\nx\r\n0\r\n\r\n"),
        rejected("a space before a size", " 1\r\nx\r\n0\r\n\r\n"),
        rejected("a space within a size", "1 1\r\nx\r\n0\r\n\r\n"),
        rejected("a size of 65 bits", "10000000000000000\r\nx\r\n0\r\n\r\n"),
        rejected("a size that wraps around to 1", "100000000000000001\r\nx\r\n0\r\n\r\n"),
        rejected("a NUL in a size", "1\0\r\nx\r\n0\r\n\r\n"),
        rejected("a size that ends with LF", "1\nx\r\n0\r\n\r\n"),
        rejected("a size that ends with CR", "1\rx\r\n0\r\n\r\n"),
        rejected("a chunk that is longer", "1\r\nxy\r\n0\r\n\r\n"),
        rejected("a chunk that is shorter", "3\r\nx\r\n0\r\n\r\nabcdef"),
        rejected("a chunk without an end", "1\r\nx0\r\n\r\n"),
        rejected("a chunk that ends with LF", "1\r\nx\n0\r\n\r\n"),
        rejected("an LF in an extension", "1;a\nb\r\nx\r\n0\r\n\r\n"),
        rejected("a CR in an extension", "1;a\rb\r\nx\r\n0\r\n\r\n"),
        rejected("a trailer that is none", "0\r\nno colon\r\n\r\n"),
        rejected("an LF in place of the end", "0\r\n\nx\r\n\r\n"),
        case(
            "an endless extension",
            "9112 7.1.1: limit the total",
            Rejected,
            chunked(&format!("1;{}\r\nx\r\n0\r\n\r\n", "x".repeat(100_000))),
        ),
        case(
            "a hundred thousand small chunks with extensions",
            "9112 7.1.1: limit the total",
            Rejected,
            chunked(&"1;abcdefgh\r\nx\r\n".repeat(100_000)),
        ),
        case(
            "a thousand trailers",
            "9110 6.5.1",
            Rejected,
            chunked(&format!("0\r\n{}\r\n", "A: b\r\n".repeat(1000))),
        ),
        case(
            "a trailer over the limit",
            "9110 5.4",
            Rejected,
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

fn sizes() -> Vec<Case> {
    let many =
        |count: usize| (0..count).fold(String::new(), |all, i| all + &format!("X-{i}: y\r\n"));
    vec![
        case("90 fields", "9110 5.4", responses(&[200]), get(&many(90))),
        case("200 fields", "6585 5", last(431), get(&many(200))),
        case("4,000 fields", "6585 5", last(431), get(&many(4000))),
        case("50,000 fields", "6585 5", last(431), get(&many(50_000))),
        case("one field 4,000 times", "6585 5", last(431), get(&"X: y\r\n".repeat(4000))),
        case(
            "a value of 50 KB",
            "9110 5.4",
            responses(&[200]),
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
            responses(&[405]),
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
