//! The response to an HTTP/1.0 request, judged from the bytes that have arrived so far.
//!
//! Called by `check` and `report`. It finds the status and the end of the response, and recognises
//! servers that speak TLS or HTTP/2. It does no I/O. It decodes no chunks and skips no interim
//! response, because a server must send neither to HTTP/1.0 (RFC 9112, section 6.1; RFC 9110,
//! section 15.2): the first status line counts, and what follows its head is the body.

/// The largest head in bytes: status line, fields and the empty line.
pub(crate) const HEAD_LIMIT: usize = 16 * 1024;
/// The largest body in bytes.
pub(crate) const BODY_LIMIT: usize = 1024 * 1024;

const PREFIX: &[u8] = b"HTTP/1.";

/// Why a response is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResponseError {
    /// It breaks RFC 9112, in the way named.
    Malformed(&'static str),
    Tls,
    Http2,
    HeadTooLarge,
    /// A Content-Length over the limit is enough.
    BodyTooLarge,
    /// The connection ended before the first byte.
    Empty,
    /// The connection ended before the response did.
    CutShort,
}

/// The bytes that have arrived.
#[derive(Debug, Default)]
pub(crate) struct Response {
    pub(crate) received: Vec<u8>,
}

impl Response {
    /// The status, once its line is complete and valid.
    pub(crate) fn status(&self) -> Option<u16> {
        let line = self.received.split_inclusive(|&byte| byte == b'\n').next()?;
        parse_status(&String::from_utf8_lossy(line.strip_suffix(b"\n")?))
    }

    /// What has arrived of the body or, without a valid status line, of anything.
    pub(crate) fn excerpt(&self) -> &[u8] {
        match (self.status(), self.head()) {
            (Some(_), Some(head)) => &self.received[head.len()..],
            (Some(_), None) => &[],
            (None, _) => &self.received,
        }
    }

    /// The status, once the response is complete. `closed` means that no more bytes will arrive.
    pub(crate) fn complete_status(&self, closed: bool) -> Result<Option<u16>, ResponseError> {
        if !self.received.starts_with(PREFIX) && !PREFIX.starts_with(&self.received) {
            return identify_protocol(&self.received, closed);
        }
        let (status, head) = (self.status(), self.head());
        if status.is_none() && self.received.iter().take(HEAD_LIMIT).any(|&byte| byte == b'\n') {
            return Err(ResponseError::Malformed("invalid status line"));
        }
        if head.unwrap_or(&self.received).len() > HEAD_LIMIT {
            return Err(ResponseError::HeadTooLarge);
        }
        if let (Some(code), Some(head)) = (status, head) {
            let received = self.received.len() - head.len();
            let length = match code {
                100..=199 | 204 | 304 => Some(0),
                _ => content_length(&String::from_utf8_lossy(head))?,
            };
            if length.unwrap_or(received) > BODY_LIMIT {
                return Err(ResponseError::BodyTooLarge);
            }
            if length.map_or(closed, |length| received >= length) {
                return Ok(status);
            }
        }
        match closed {
            false => Ok(None),
            true if self.received.is_empty() => Err(ResponseError::Empty),
            true => Err(ResponseError::CutShort),
        }
    }

    /// The head with its empty line, once it is complete. A lone LF ends a line, too (RFC 9112,
    /// section 2.2).
    fn head(&self) -> Option<&[u8]> {
        let mut length = 0;
        for line in self.received.split_inclusive(|&byte| byte == b'\n') {
            length += line.len();
            if matches!(line, b"\n" | b"\r\n") {
                return Some(&self.received[..length]);
            }
        }
        None
    }
}

/// What a server speaks whose first bytes are not HTTP/1, or `Ok` while they may still become a TLS
/// record or an HTTP/2 frame. A server of another protocol may send a few bytes and then wait.
fn identify_protocol(received: &[u8], closed: bool) -> Result<Option<u16>, ResponseError> {
    match received {
        // RFC 8446, section 5.1: content type alert or handshake, major version 3.
        [0x15 | 0x16, 3, ..] => Err(ResponseError::Tls),
        // RFC 9113, section 4.1: length, type SETTINGS or GOAWAY, flags, stream 0.
        [0, _, _, 4 | 7, _, 0, 0, 0, 0, ..] => Err(ResponseError::Http2),
        [0x15 | 0x16] if !closed => Ok(None),
        [0, ..] if received.len() < 9 && !closed => Ok(None),
        _ => Err(ResponseError::Malformed("no HTTP/1 status line")),
    }
}

/// RFC 9112, section 4. The reason phrase has no meaning, and some servers omit it and its space.
fn parse_status(line: &str) -> Option<u16> {
    let (minor, rest) = line.strip_prefix("HTTP/1.")?.split_once(' ')?;
    let status = rest.trim_end_matches('\r').split(' ').next()?;
    let is_valid = matches!(minor.as_bytes(), [b'0'..=b'9']) && status.len() == 3;
    status.parse().ok().filter(|status| is_valid && (100..=599).contains(status))
}

/// RFC 9112, section 6.3: without a Content-Length, or with a Transfer-Encoding, the body of a
/// response to HTTP/1.0 ends with the connection.
fn content_length(head: &str) -> Result<Option<usize>, ResponseError> {
    let mut length = None;
    for (name, value) in head.lines().filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return Ok(None);
        }
        if name.eq_ignore_ascii_case("content-length") {
            let value = value.trim_ascii();
            // `parse` accepts a plus sign, too.
            let digits = value.bytes().all(|byte| byte.is_ascii_digit());
            let value = value.parse().ok().filter(|_| digits);
            let value = value.ok_or(ResponseError::Malformed("invalid Content-Length"))?;
            if length.replace(value).is_some_and(|earlier| earlier != value) {
                return Err(ResponseError::Malformed("conflicting Content-Length fields"));
            }
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::ResponseError::{
        BodyTooLarge, CutShort, Empty, HeadTooLarge, Http2, Malformed, Tls,
    };
    use super::{BODY_LIMIT, HEAD_LIMIT, Response, ResponseError};

    fn complete_status(received: &[u8], closed: bool) -> Result<Option<u16>, ResponseError> {
        Response { received: received.to_vec() }.complete_status(closed)
    }

    /// Sends one byte at a time, then closes. Returns the result, and how many bytes it took if it
    /// did not take the end of the connection. More bytes must not change a result.
    fn read(bytes: &[u8]) -> (Result<u16, ResponseError>, Option<usize>) {
        for length in 0..=bytes.len() {
            if let Some(result) = complete_status(&bytes[..length], false).transpose() {
                for longer in length..=bytes.len() {
                    assert_eq!(complete_status(&bytes[..longer], false), result.map(Some));
                }
                return (result, Some(length));
            }
        }
        (complete_status(bytes, true).map(|status| status.expect("a result at the end")), None)
    }

    #[test]
    fn a_response_ends_where_its_head_says() {
        let table: &[(&str, &str, u16)] = &[
            ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "", 200),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "and more", 200),
            ("HTTP/1.1 200 OK\r\ncontent-length: \t 2 \t\r\nA: b\r\n\r\nok", "HTTP/1.1 500", 200),
            ("HTTP/1.1 200 OK\nContent-Length:2\n\nok", "", 200),
            ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "x", 200),
            ("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "", 200),
            (
                "HTTP/1.1 200 \u{e4}\u{7f}\r\nno colon\r\n  fold\r\nContent-Length: 1\r\n\r\n1",
                "",
                200,
            ),
            ("HTTP/1.1 503 No\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "", 503),
            ("HTTP/1.1 204 No Content\r\n\r\n", "", 204),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "", 304),
            ("HTTP/1.1 101 Switching Protocols\r\n\r\n", "\0\0", 101),
            ("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", 100),
        ];
        for &(response, more, status) in table {
            let received = [response, more].concat();
            let expected = (Ok(status), Some(response.len()));
            assert_eq!(read(received.as_bytes()), expected, "{received:?}");
        }
    }

    #[test]
    fn without_a_usable_length_a_response_ends_with_the_connection() {
        for (response, status) in [
            ("HTTP/1.0 200 OK\r\n\r\nup", 200),
            ("HTTP/1.1 500 No\r\nServer: x\r\n\r\n", 500),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 200),
            ("HTTP/1.1 200 OK\r\n Content-Length: 1\r\n\r\n", 200),
        ] {
            assert_eq!(read(response.as_bytes()), (Ok(status), None), "{response:?}");
        }
    }

    #[test]
    fn a_response_that_stops_early_is_cut_short_wherever_it_stops() {
        let response = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        for length in 1..response.len() {
            assert_eq!(read(&response[..length]), (Err(CutShort), None), "{length}");
        }
        assert_eq!(read(b""), (Err(Empty), None));
    }

    #[test]
    fn tls_and_http_2_are_recognised_by_their_first_bytes() {
        let table: &[(&[u8], ResponseError, usize)] = &[
            // GnuTLS 3.7 and OpenSSL: alerts.
            (b"\x15\x03\x03\0\x02\x02\n", Tls, 2),
            (b"\x15\x03\x01\0\x02\x02\x46", Tls, 2),
            // A ServerHello.
            (b"\x16\x03\x03\0\x7a\x02\0\0\x76\x03\x03", Tls, 2),
            // nghttpd 1.52: SETTINGS.
            (b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0d", Http2, 9),
            // Node 20: empty SETTINGS, GOAWAY.
            (b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x02", Http2, 9),
            (b"\0\0\n\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01no", Http2, 9),
        ];
        for &(bytes, error, taken) in table {
            assert_eq!(read(bytes), (Err(error), Some(taken)), "{bytes:?}");
        }
    }

    #[test]
    fn another_protocol_is_not_http_as_soon_as_its_bytes_differ() {
        let table: &[(&[u8], Option<usize>)] = &[
            (b"<html>up</html>", Some(1)),
            (b"SSH-2.0-OpenSSH_9.6\r\n", Some(1)),
            (b"\r\nHTTP/1.1 200 OK\r\n\r\n", Some(1)),
            (b"http/1.1 200 OK\r\n\r\n", Some(1)),
            (b"HTTP/2 200\r\n\r\n", Some(6)),
            (b"HTTP\n", Some(5)),
            (b"J\0\0\0\n8.0.36\0", Some(1)),
            (b"\x15\x02\x01", Some(2)),
            (b"\x15", None),
            (b"\0\0\x06\x04\0\0\0\0\x01\0", Some(9)),
            (b"\0\0\x06\x01\0\0\0\0\0\0", Some(9)),
            (b"\0\n\x06\x04", None),
        ];
        let error = Malformed("no HTTP/1 status line");
        for &(bytes, taken) in table {
            assert_eq!(read(bytes), (Err(error), taken), "{bytes:?}");
        }
    }

    #[test]
    fn an_invalid_status_line_is_malformed() {
        for line in [
            "HTTP/1.1",
            "HTTP/1.1 ",
            "HTTP/1. 200 OK",
            "HTTP/1.1 20",
            "HTTP/1.1 2000 OK",
            "HTTP/1.1 0200 OK",
            "HTTP/1.1 2x0 OK",
            "HTTP/1.1  200 OK",
            "HTTP/1.1\t200 OK",
            "HTTP/1.x 200 OK",
            "HTTP/1.10 200 OK",
            "HTTP/1.1 099 Low",
            "HTTP/1.1 600 High",
            "HTTP/1.1 +20 OK",
            "HTTP/1.1 200OK",
            "HTTP/1.1 -200",
        ] {
            let result = read(format!("{line}\nContent-Length: 0\n\n").as_bytes());
            let taken = Some(line.len() + 1);
            assert_eq!(result, (Err(Malformed("invalid status line")), taken), "{line}");
        }
    }

    #[test]
    fn an_invalid_content_length_is_malformed() {
        for (fields, why) in [
            ("Content-Length: 2\r\ncontent-length: 3", "conflicting Content-Length fields"),
            ("Content-Length: 2, 2", "invalid Content-Length"),
            ("Content-Length:", "invalid Content-Length"),
            ("Content-Length: +2", "invalid Content-Length"),
            ("Content-Length: -2", "invalid Content-Length"),
            ("Content-Length: 0x2", "invalid Content-Length"),
            ("Content-Length: 2 2", "invalid Content-Length"),
            ("Content-Length: 99999999999999999999", "invalid Content-Length"),
        ] {
            let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
            let result = read(format!("{head}ok").as_bytes());
            assert_eq!(result, (Err(Malformed(why)), Some(head.len())), "{fields}");
        }
    }

    #[test]
    fn heads_and_bodies_are_accepted_up_to_their_limits() {
        let length = b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n";
        assert_eq!(complete_status(length, false), Ok(None));
        let length = b"HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n";
        assert_eq!(complete_status(length, false), Err(BodyTooLarge));

        let mut body = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        body.resize(body.len() + BODY_LIMIT, b'x');
        assert_eq!(complete_status(&body, true), Ok(Some(200)));
        body.push(b'x');
        assert_eq!(complete_status(&body, false), Err(BodyTooLarge));

        for (start, end) in [
            ("HTTP/1.1 200 OK\r\nA: ", "\r\n\r\n"),
            ("HTTP/1.1 200 ", "\n\n"),
            ("HTTP/1.1 200 OK\r\nA: b\r\n", "\r\nB: c\r\n\r\n"),
        ] {
            let filler = "x".repeat(HEAD_LIMIT - start.len() - end.len());
            let head = |more| format!("{start}{filler}{more}{end}").into_bytes();
            assert_eq!(complete_status(&head(""), true), Ok(Some(200)), "{start}");
            assert_eq!(complete_status(&head("x"), true), Err(HeadTooLarge), "{start}");
            // Without its end, a head is too large as soon as it exceeds the limit.
            assert_eq!(complete_status(&head("x")[..HEAD_LIMIT], false), Ok(None), "{start}");
            let endless = format!("{start}{}", "x".repeat(HEAD_LIMIT)).into_bytes();
            assert_eq!(complete_status(&endless, false), Err(HeadTooLarge), "{start}");
        }
        let endless = format!("HTTP/1.1 {}\n", "x".repeat(HEAD_LIMIT)).into_bytes();
        assert_eq!(complete_status(&endless, false), Err(HeadTooLarge));
    }

    #[test]
    fn the_excerpt_is_the_body_or_everything_without_a_status() {
        for (received, excerpt) in [
            ("HTTP/1.1 503 No\r\nA: b\r\n\r\ndown", "down"),
            ("HTTP/1.1 503 No\r\nA: b\r\n", ""),
            ("HTTP/1.1 OK\r\nA: b\r\n\r\n", "HTTP/1.1 OK\r\nA: b\r\n\r\n"),
            ("SSH-2.0-OpenSSH_9.6\r\n", "SSH-2.0-OpenSSH_9.6\r\n"),
        ] {
            let response = Response { received: received.into() };
            assert_eq!(response.excerpt(), excerpt.as_bytes());
        }
    }
}
