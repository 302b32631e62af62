//! An HTTP/1.1 client that sends exactly the bytes it is given and accepts only well-formed
//! responses.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, Version};

use super::TIMEOUT;

/// One connection to a server.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    timeout: Duration,
    /// Received and not yet part of a response.
    received: Vec<u8>,
}

impl Client {
    /// Connects, with [`TIMEOUT`].
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        expect(Self::try_connect(address, TIMEOUT), "connect")
    }

    /// Connects. `timeout` is also the limit of each read and write; an operation that exceeds it
    /// fails with `WouldBlock` or `TimedOut`.
    pub fn try_connect(address: SocketAddr, timeout: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        Ok(Self { stream, timeout, received: Vec::new() })
    }

    /// Sends bytes: a request, a part of one, or several.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        expect(self.try_send(bytes), "send");
    }

    /// As [`send`](Self::send). An error may mean that the server has closed the connection.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Ends the sending side; responses can still be received.
    pub fn end(&mut self) {
        // An error means that the server has closed the connection already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Sends a GET and receives the response.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Response<Bytes> {
        expect(self.try_request(&Method::GET, path), path)
    }

    /// Sends a request without a body and receives the response.
    pub fn try_request(&mut self, method: &Method, target: &str) -> io::Result<Response<Bytes>> {
        self.try_send(request(method.as_str(), target))?;
        self.try_response_to(method)
    }

    /// Receives the response to a request that was not a HEAD.
    #[track_caller]
    pub fn response(&mut self) -> Response<Bytes> {
        expect(self.try_response_to(&Method::GET), "receive a response")
    }

    /// Receives the next response that is not an interim one. `UnexpectedEof`: the connection ended
    /// before its first byte; `InvalidData`: it is malformed or cut short.
    pub fn try_response_to(&mut self, method: &Method) -> io::Result<Response<Bytes>> {
        let mut response = self.try_head()?;
        while response.status().is_informational() && response.status() != 101 {
            response = self.try_head()?;
        }
        let headers = response.headers();
        if headers.contains_key(TRANSFER_ENCODING) {
            return Err(malformed("a transfer coding, which this client does not decode"));
        }
        let lengths: Vec<_> = headers.get_all(CONTENT_LENGTH).iter().collect();
        // RFC 9112, section 6.3.
        let has_no_body =
            *method == Method::HEAD || matches!(response.status().as_u16(), 101 | 204 | 304);
        let length = match lengths[..] {
            _ if has_no_body => Some(0),
            [] => None,
            [length] => Some(parse_length(length).ok_or_else(|| malformed("Content-Length"))?),
            _ => return Err(malformed("more than one Content-Length")),
        };
        while length.is_none_or(|length: usize| self.received.len() < length) {
            if self.receive()? == 0 {
                if length.is_some() {
                    return Err(malformed(format!("cut short: {response:?}")));
                }
                break;
            }
        }
        let length = length.unwrap_or(self.received.len());
        *response.body_mut() = self.received.drain(..length).collect();
        Ok(response)
    }

    /// Receives one head, also that of an interim response (1xx).
    pub fn try_head(&mut self) -> io::Result<Response<Bytes>> {
        let end = loop {
            let end = self.received.windows(4).position(|end| end == b"\r\n\r\n");
            if let Some(end) = end {
                break end;
            }
            if self.receive()? == 0 {
                return Err(match &self.received[..] {
                    [] => ErrorKind::UnexpectedEof.into(),
                    start => malformed(start.escape_ascii().to_string()),
                });
            }
        };
        let head: Vec<u8> = self.received.drain(..end + 4).collect();
        parse_head(&head[..end]).ok_or_else(|| malformed(head.escape_ascii().to_string()))
    }

    /// Waits until the server closes the connection, without a reset and without sending more.
    #[track_caller]
    pub fn expect_close(&mut self) {
        let is_closed = self.received.is_empty() && expect(self.receive(), "wait for the end") == 0;
        assert!(is_closed, "the server sent more: {}", self.received.escape_ascii());
    }

    /// Whether the server sends nothing within `time` and keeps the connection open.
    pub fn is_silent_for(&mut self, time: Duration) -> bool {
        if !self.received.is_empty() || self.stream.set_read_timeout(Some(time)).is_err() {
            return false;
        }
        let received = self.receive();
        let is_reset = self.stream.set_read_timeout(Some(self.timeout)).is_err();
        !is_reset && received.is_err_and(|error| is_timeout(&error))
    }

    fn receive(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16 << 10];
        let length = self.stream.read(&mut buffer)?;
        self.received.extend_from_slice(&buffer[..length]);
        Ok(length)
    }
}

/// A GET as it is sent.
pub fn get(path: &str) -> String {
    request("GET", path)
}

/// Whether the server closes the connection after this response.
pub fn is_last<B>(response: &Response<B>) -> bool {
    response.headers().get(CONNECTION).is_some_and(|value| value == "close")
}

fn request(method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: test\r\n\r\n")
}

fn parse_length(value: &HeaderValue) -> Option<usize> {
    // `parse` accepts a sign.
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits?.parse().ok()
}

/// `None` if the head is malformed, or has a reason phrase that does not belong to its status.
fn parse_head(head: &[u8]) -> Option<Response<Bytes>> {
    let mut lines = str::from_utf8(head).ok()?.split("\r\n");
    let mut status_line = lines.next()?.splitn(3, ' ');
    let mut response = Response::new(Bytes::new());
    *response.version_mut() = match status_line.next()? {
        "HTTP/1.1" => Version::HTTP_11,
        "HTTP/1.0" => Version::HTTP_10,
        _ => return None,
    };
    *response.status_mut() = StatusCode::from_bytes(status_line.next()?.as_bytes()).ok()?;
    if status_line.next() != response.status().canonical_reason() {
        return None;
    }
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        response.headers_mut().append(name, HeaderValue::from_str(value).ok()?);
    }
    Some(response)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn malformed(response: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, response.into())
}

#[track_caller]
fn expect<T>(result: io::Result<T>, attempt: &str) -> T {
    result.unwrap_or_else(|error| panic!("could not {attempt}: {error}"))
}
