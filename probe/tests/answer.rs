//! The reader of answers, as tables: bytes in, verdict out.

use healthchecker::answer::{ANSWER_LIMIT, Answer, EXCERPT_LIMIT, Fault, HEAD_LIMIT};

/// Where the reading of a connection that carries these bytes and then ends has come to.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Complete(u16, Vec<u8>),
    /// Complete only because the connection ended.
    Closed(u16, Vec<u8>),
    Bad(Fault),
}

fn read(pieces: impl Iterator<Item = impl AsRef<[u8]>>) -> Verdict {
    let mut answer = Answer::default();
    for piece in pieces {
        match answer.feed(piece.as_ref()) {
            Ok(false) => {}
            Ok(true) => return Verdict::Complete(answer.status().unwrap(), answer.into_excerpt()),
            Err(fault) => return Verdict::Bad(fault),
        }
    }
    match answer.end() {
        Ok(()) => Verdict::Closed(answer.status().unwrap(), answer.into_excerpt()),
        Err(fault) => Verdict::Bad(fault),
    }
}

/// In one piece, byte by byte and cut in two at every place: the verdict has to be the same.
fn check(bytes: &[u8], expected: &Verdict) {
    let text = String::from_utf8_lossy(bytes.get(..200).unwrap_or(bytes)).into_owned();
    assert_eq!(read([bytes].iter()), *expected, "whole: {text:?}");
    assert_eq!(read(bytes.chunks(1)), *expected, "byte by byte: {text:?}");
    if bytes.len() < 1_000 {
        for cut in 0..bytes.len() {
            let (first, second) = bytes.split_at(cut);
            assert_eq!(read([first, second].iter()), *expected, "cut at {cut}: {text:?}");
        }
    }
}

fn malformed(bytes: &[u8], why: &'static str) {
    check(bytes, &Verdict::Bad(Fault::Malformed(why)));
}

#[test]
fn an_answer_ends_where_its_framing_says() {
    let table: &[(&str, u16, &str)] = &[
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"),
        ("HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\nok", 200, "ok"),
        ("HTTP/1.1 200 OK\r\nContent-Length: \t 2 \t\r\n\r\nok and more", 200, "ok"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, ""),
        ("HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, "ok"),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, ""),
        ("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", 200, ""),
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\ndown", 503, "down"),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", 304, ""),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n\0\0", 101, ""),
        ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\td\r\nContent-Length: 1\r\n\r\nx", 200, "x"),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, ""),
        (
            "HTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\n\r\nHTTP/1.1 102 P\r\n\r\n\
             HTTP/1.1 503 No\r\nContent-Length: 1\r\n\r\nx",
            503,
            "x",
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, ""),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, "ok"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n00a ; x=\"y\"\r\n0123456789\r\n\
             B\r\nabcdefghijk\r\n0;last\r\nTrailer: t\r\n\r\nmore",
            200,
            "0123456789abcdefghijk",
        ),
    ];
    for &(bytes, status, body) in table {
        check(bytes.as_bytes(), &Verdict::Complete(status, body.into()));
    }
}

#[test]
fn an_answer_without_length_ends_with_the_connection() {
    check(b"HTTP/1.1 200 OK\r\n\r\nup", &Verdict::Closed(200, b"up".into()));
    check(b"HTTP/1.1 500 No\r\nServer: x\r\n\r\n", &Verdict::Closed(500, b"".into()));
}

#[test]
fn an_answer_that_stops_early_is_cut_short_wherever_it_stops() {
    let sized = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for bytes in [&sized[..], chunked] {
        for end in 1..bytes.len() {
            check(&bytes[..end], &Verdict::Bad(Fault::CutShort));
        }
    }
    check(b"HTTP/1.1 100 Continue\r\n\r\n", &Verdict::Bad(Fault::CutShort));
    check(b"", &Verdict::Bad(Fault::Empty));
}

#[test]
fn what_is_not_http_1_is_told_by_its_first_wrong_byte() {
    let others: &[&[u8]] = &[
        b"<html>up</html>",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
        b"HTTP/2 200\r\n\r\n",
        b"http/1.1 200 OK\r\n\r\n",
        b"\r\nHTTP/1.1 200 OK\r\n\r\n",
        b" HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nrubbish",
    ];
    for bytes in others {
        malformed(bytes, "no HTTP/1 status line");
    }
    let mut answer = Answer::default();
    assert_eq!(answer.feed(b"HTTP/"), Ok(false));
    assert!(answer.feed(b"2").is_err(), "it waits for the end of the line");
}

#[test]
fn what_came_instead_of_a_status_line_is_kept() {
    let mut answer = Answer::default();
    assert!(answer.feed(b"SSH-2.0-OpenSSH_9.6\r\n").is_err());
    assert_eq!(answer.into_excerpt().trim_ascii(), b"SSH-2.0-OpenSSH_9.6");
}

#[test]
fn a_broken_status_line_is_malformed() {
    for line in [
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 20",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 2x0 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.x 200 OK",
        "HTTP/1.10 200 OK",
        "HTTP/1.1 099 Low",
        "HTTP/1.1 600 High",
        "HTTP/1.1 999 High",
        "HTTP/1.1 +20 OK",
        "HTTP/1.1 200OK",
        "HTTP/1.1 -200",
    ] {
        malformed(format!("{line}\r\n\r\n").as_bytes(), "a broken status line");
    }
}

#[test]
fn framing_that_is_not_beyond_doubt_is_malformed() {
    let table = [
        ("Content-Length: 2\r\nContent-Length: 2", "more than one Content-Length"),
        ("Content-Length: 2\r\ncontent-length: 3", "more than one Content-Length"),
        ("Content-Length: 2, 2", "a broken Content-Length"),
        ("Content-Length: ", "a broken Content-Length"),
        ("Content-Length: +2", "a broken Content-Length"),
        ("Content-Length: -2", "a broken Content-Length"),
        ("Content-Length: 0x2", "a broken Content-Length"),
        ("Content-Length: 2 2", "a broken Content-Length"),
        ("Content-Length: two", "a broken Content-Length"),
        ("Content-Length: 2\r\n 2", "a misplaced fold"),
        ("Transfer-Encoding: chunked\r\n , gzip", "a misplaced fold"),
        (" Content-Length: 2", "a misplaced fold"),
        ("Content-Length : 2", "a broken header line"),
        ("Content-Length", "a broken header line"),
        (": 2", "a broken header line"),
        ("Content\u{e4}: 2", "a broken header line"),
        ("A: b\rContent-Length: 2", "a bare CR or NUL in a line"),
        ("A: \0", "a bare CR or NUL in a line"),
        ("Transfer-Encoding: gzip", "a Transfer-Encoding other than chunked"),
        ("Transfer-Encoding: gzip, chunked", "a Transfer-Encoding other than chunked"),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "a Transfer-Encoding other than chunked",
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 2",
            "Transfer-Encoding with Content-Length or HTTP/1.0",
        ),
    ];
    for (fields, why) in table {
        let bytes = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nok");
        malformed(bytes.as_bytes(), why);
    }
    malformed(
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding with Content-Length or HTTP/1.0",
    );
}

#[test]
fn broken_chunks_are_malformed() {
    let table = [
        ("\r\nok\r\n", "a broken chunk size"),
        ("x\r\nok\r\n", "a broken chunk size"),
        (" 2\r\nok\r\n", "a broken chunk size"),
        ("2 2\r\nok\r\n", "a broken chunk size"),
        ("-2\r\nok\r\n", "a broken chunk size"),
        (";a\r\nok\r\n", "a broken chunk size"),
        ("2\r\nok!\r\n", "a chunk is longer than it says"),
        ("2\r\nok\r!\n", "a chunk is longer than it says"),
    ];
    for (chunks, why) in table {
        let bytes =
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
        malformed(bytes.as_bytes(), why);
    }
}

#[test]
fn a_head_is_bounded_however_it_grows() {
    let line = format!("HTTP/1.1 200 {}", "x".repeat(HEAD_LIMIT));
    let field = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(HEAD_LIMIT));
    let fields = format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(HEAD_LIMIT / 6));
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(HEAD_LIMIT / 25 + 1);
    for bytes in [line, field, fields, interim] {
        check(bytes.as_bytes(), &Verdict::Bad(Fault::HeadTooLarge));
    }
}

#[test]
fn the_limits_themselves_are_still_taken() {
    let head = |length: usize| {
        let rest = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nA: \r\n\r\n".len();
        let filler = "x".repeat(length - rest);
        format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nA: {filler}\r\n\r\nx")
    };
    check(head(HEAD_LIMIT).as_bytes(), &Verdict::Complete(200, b"x".into()));
    check(head(HEAD_LIMIT + 1).as_bytes(), &Verdict::Bad(Fault::HeadTooLarge));

    let open = "HTTP/1.1 200 OK\r\n\r\n";
    let body = "x".repeat(ANSWER_LIMIT - open.len());
    let kept = Verdict::Closed(200, vec![b'x'; EXCERPT_LIMIT]);
    check(format!("{open}{body}").as_bytes(), &kept);
    check(format!("{open}{body}x").as_bytes(), &Verdict::Bad(Fault::AnswerTooLarge));
}

#[test]
fn a_length_that_can_never_fit_is_turned_down_at_once() {
    for length in ["1048576", "99999999999999999999999999", "18446744073709551615"] {
        let sized = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        check(sized.as_bytes(), &Verdict::Bad(Fault::AnswerTooLarge));
    }
    for size in ["100000", "ffffffffffffffffffffffff"] {
        let chunk = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n");
        check(chunk.as_bytes(), &Verdict::Bad(Fault::AnswerTooLarge));
    }
}
