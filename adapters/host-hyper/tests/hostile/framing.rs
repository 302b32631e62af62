//! Where a body ends: `Content-Length` and `Transfer-Encoding`.

use crate::case::{
    CHUNKED, Case, Incomplete, Last, Rejected, SMUGGLED, case, get, last, post, responses,
    with_length,
};

pub(crate) fn cases() -> Vec<Case> {
    [content_length(), transfer_encoding(), both()].concat()
}

fn content_length() -> Vec<Case> {
    let length = |value: &str| post(&format!("Content-Length: {value}\r\n"), "hello");
    vec![
        case("a good length", "9112 6.2", responses(&[405]), length("5")),
        case("a length with zeros", "9110 8.6: 1*DIGIT", responses(&[405]), length("0005")),
        case("a length with spaces around", "9112 5", responses(&[405]), length("\t 5 \t")),
        case("a length with a plus", "9112 6.3", Rejected, length("+5")),
        case("a negative length", "9112 6.3", Rejected, length("-5")),
        case("minus zero", "9112 6.3", Rejected, length("-0")),
        case("a hexadecimal length", "9112 6.3", Rejected, length("0x5")),
        case("an exponent", "9112 6.3", Rejected, length("5e0")),
        case("a fraction", "9112 6.3", Rejected, length("5.0")),
        case("an underscore", "9112 6.3", Rejected, length("1_0")),
        case("no length", "9112 6.3", Rejected, length("")),
        case("a word", "9112 6.3", Rejected, length("five")),
        case("a space within", "9112 6.3", Rejected, length("5 5")),
        case("quotes", "9112 6.3", Rejected, length("\"5\"")),
        case("a fullwidth digit", "9112 6.3", Rejected, length("\u{ff15}")),
        case("a vertical tab", "9110 5.5", Rejected, length("\x0b5")),
        case("a form feed", "9110 5.5", Rejected, length("5\x0c")),
        case("a list of one length twice", "9112 6.3: may be refused", Rejected, length("5, 5")),
        case("a list of two lengths", "9112 6.3", Rejected, length("5, 6")),
        case("a list with an empty one", "9112 6.3", Rejected, length("5,")),
        case("over 64 bits", "9112 6.3", Rejected, length("18446744073709551621")),
        case("64 bits", "9110 8.6", Rejected, length("18446744073709551615")),
        case("63 bits", "9110 15.5.14", last(413), length("9223372036854775807")),
        case("many digits", "9110 8.6", Rejected, length(&"9".repeat(1000))),
        case(
            "one length twice",
            "9112 6.3: may be taken as one",
            responses(&[405]),
            length("5\r\nContent-Length: 5"),
        ),
        case("two lengths, large last", "9112 6.3", Rejected, length("5\r\nContent-Length: 50")),
        case("two lengths, large first", "9112 6.3", Rejected, length("50\r\nContent-Length: 5")),
        case("two lengths, another case", "9112 6.3", Rejected, length("5\r\ncontent-length: 0")),
        case("two lengths, the last empty", "9112 6.3", Rejected, length("5\r\nContent-Length:")),
        case("a folded length", "9112 5.2", Rejected, length("5\r\n 0")),
        case(
            "a length before a space",
            "9112 5.1",
            Rejected,
            post("Content-Length : 5\r\n", "hello"),
        ),
        case("a body that lacks a byte", "9112 8", Incomplete, length("6")),
        case(
            "a body on GET",
            "9110 9.3.1: framing is the same for every method",
            responses(&[200]),
            get(&with_length(SMUGGLED)) + SMUGGLED,
        ),
        case(
            "a request in the body of a POST",
            "9112 6.3",
            responses(&[405]),
            post(&with_length(SMUGGLED), SMUGGLED),
        ),
        case(
            "a body on HEAD",
            "9110 9.3.2",
            responses(&[200]),
            format!(
                "HEAD /accounts/1 HTTP/1.1\r\nHost: test\r\n{}\r\n{SMUGGLED}",
                with_length(SMUGGLED)
            ),
        )
        .with_head(0),
    ]
}

fn transfer_encoding() -> Vec<Case> {
    let coded = |line: &str| post(&format!("{line}\r\n"), &format!("0\r\n\r\n{SMUGGLED}"));
    let coding = |value: &str| coded(&format!("Transfer-Encoding: {value}"));
    vec![
        case("chunked", "9112 9.3: this server closes after it", last(405), coding("chunked")),
        case("chunked in capitals", "9112 7", last(405), coding("CHUNKED")),
        case("chunked after spaces", "9112 5", last(405), coding("  \t chunked")),
        case("chunked, then identity", "9112 6.3", Rejected, coding("chunked, identity")),
        case("chunked, then gzip", "9112 6.3", Rejected, coding("chunked, gzip")),
        case("identity", "9112 7: it exists no more", Rejected, coding("identity")),
        case("gzip", "9112 6.3", Rejected, coding("gzip")),
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
            Rejected,
            coding("chunked\r\nTransfer-Encoding: identity"),
        ),
        case("an empty one before", "9112 6.1", last(400), coding(", chunked")),
        case("an empty one behind", "9112 6.3", Rejected, coding("chunked,")),
        case("a parameter", "9112 7", Rejected, coding("chunked;q=1")),
        case("quotes", "9112 7", Rejected, coding("\"chunked\"")),
        case("xchunked", "9112 6.1", Rejected, coding("xchunked")),
        case("x chunked", "9112 7", Rejected, coding("x chunked")),
        case("chunkedx", "9112 6.1", Rejected, coding("chunkedx")),
        case("half of chunked", "9112 6.1", Rejected, coding("chunk")),
        case("nothing", "9112 6.1", Rejected, coding("")),
        case("a vertical tab before", "9110 5.5", Rejected, coding("\x0bchunked")),
        case("a NUL behind", "9110 5.5", Rejected, coding("chunked\0")),
        case("a byte that is no ASCII", "9112 7", Rejected, coding("chunked\u{e9}")),
        case(
            "a space before the colon",
            "9112 5.1",
            Rejected,
            coded("Transfer-Encoding : chunked"),
        ),
        case("a tab before the colon", "9112 5.1", Rejected, coded("Transfer-Encoding\t: chunked")),
        case("a NUL in the name", "9110 5.6.2", Rejected, coded("Transfer-\0Encoding: chunked")),
        case("a space before the name", "9112 2.2", Rejected, coded(" Transfer-Encoding: chunked")),
        case("folded", "9112 5.2", Rejected, coded("Transfer-Encoding:\r\n chunked")),
        case("folded in two", "9112 5.2", Rejected, coded("Transfer-Encoding: x,\r\n\tchunked")),
        case("behind a bare CR", "9112 2.2", Rejected, coded("X: y\rTransfer-Encoding: chunked")),
        case(
            "an underscore in the name is another field: there is no body, and `0` is no request",
            "9110 5.6.2",
            Last(vec![405, 400]),
            coded("Transfer_Encoding: chunked"),
        ),
        case(
            "in HTTP/1.0",
            "9112 6.1",
            Rejected,
            format!("POST /accounts/1 HTTP/1.0\r\n{CHUNKED}\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        case(
            "in HTTP/1.0 that is to be kept",
            "9112 6.1",
            Rejected,
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
        cases.push(case(name, "9112 6.3", Rejected, post(fields, &format!("0\r\n\r\n{SMUGGLED}"))));
    }
    cases
}
