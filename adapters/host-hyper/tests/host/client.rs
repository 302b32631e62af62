//! A client that says exactly what it is told to, and takes nothing but a well-formed answer.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, Version};

/// How long any test waits for anything: what has not come by then will not come, however busy the
/// machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).expect("somebody listens")
    }

    pub(crate) fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, received: Vec::new() })
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the server reads");
    }

    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Says that nothing more will be sent.
    pub(crate) fn end(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("an open connection");
    }

    /// Sends a GET and waits for the answer.
    pub(crate) fn get(&mut self, path: &str) -> Response<Bytes> {
        self.send(get(path));
        self.answer()
    }

    /// Waits for an answer to anything but HEAD.
    pub(crate) fn answer(&mut self) -> Response<Bytes> {
        self.try_answer(true).expect("an answer")
    }

    pub(crate) fn answer_to_head(&mut self) -> Response<Bytes> {
        self.try_answer(false).expect("an answer")
    }

    /// Waits for an answer. That the connection ends before its first byte is `UnexpectedEof`;
    /// anything else that is wrong with it is a panic, or the error of the socket.
    pub(crate) fn try_answer(&mut self, with_body: bool) -> io::Result<Response<Bytes>> {
        let end = loop {
            if let Some(end) = find(&self.received, b"\r\n\r\n") {
                break end;
            }
            if self.receive()? == 0 {
                assert!(self.received.is_empty(), "half an answer: {self:?}");
                return Err(ErrorKind::UnexpectedEof.into());
            }
        };
        let head: Vec<u8> = self.received.drain(..end + 4).collect();
        let mut response = parse_head(std::str::from_utf8(&head).expect("ASCII"));
        let lengths: Vec<_> = response.headers().get_all("content-length").iter().collect();
        let length = match lengths[..] {
            [length] => length.to_str().ok().and_then(|text| text.parse().ok()),
            _ => None,
        };
        let length: usize = length.unwrap_or_else(|| panic!("one content-length: {response:?}"));
        if with_body {
            while self.received.len() < length {
                assert_ne!(self.receive()?, 0, "half a body: {response:?} {self:?}");
            }
            *response.body_mut() = self.received.drain(..length).collect();
        }
        Ok(response)
    }

    pub(crate) fn is_told_to_go_on(&mut self) {
        let answer = b"HTTP/1.1 100 Continue\r\n\r\n";
        while self.received.len() < answer.len() {
            assert_ne!(self.receive().expect("a 100"), 0, "{self:?}");
        }
        assert_eq!(self.received, answer);
        self.received.clear();
    }

    /// Waits until the server closes the connection in good order, with nothing more to say.
    pub(crate) fn is_closed(&mut self) {
        let rest = self.receive();
        assert!(matches!(rest, Ok(0)), "neither open nor reset: {rest:?} {self:?}");
    }

    /// Panics if anything comes within that time, be it the end.
    pub(crate) fn hears_nothing_for(&mut self, time: Duration) {
        assert!(self.received.is_empty(), "{self:?}");
        assert!(self.is_quiet_for(time), "{self:?}");
    }

    /// Sends one byte after the other, with a pause after each, until the server closes; says how
    /// long it took that.
    pub(crate) fn drips_until_closed(&mut self, bytes: &[u8], pause: Duration) -> Duration {
        let start = Instant::now();
        for byte in bytes {
            if self.try_send([*byte]).is_err() || !self.is_quiet_for(pause) {
                return start.elapsed();
            }
        }
        panic!("it goes on after {:?}", start.elapsed());
    }

    /// Nothing comes for so long, and the connection stays open.
    fn is_quiet_for(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).expect("more than nothing");
        let heard = self.receive();
        self.stream.set_read_timeout(Some(PATIENCE)).expect("more than nothing");
        heard
            .is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    fn receive(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16 << 10];
        let length = self.stream.read(&mut buffer)?;
        self.received.extend_from_slice(&buffer[..length]);
        Ok(length)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (length, start) = (self.received.len(), &self.received[..self.received.len().min(300)]);
        write!(f, "received {length} bytes: {:?}", String::from_utf8_lossy(start))
    }
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")
}

/// It says that it is the last of its connection.
pub(crate) fn closes(answer: &Response<Bytes>) -> bool {
    answer.headers().get("connection").is_some_and(|value| value == "close")
}

/// Asks again until it is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}: not so after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn parse_head(head: &str) -> Response<Bytes> {
    let mut lines = head.trim_end_matches("\r\n").split("\r\n");
    let status_line = lines.next().expect("a status line");
    let (version, status) = status_line.split_at_checked(9).expect("a status line");
    let (status, reason) = status.split_at_checked(4).expect("a status and a blank");
    let mut response = Response::new(Bytes::new());
    *response.version_mut() = match version {
        "HTTP/1.1 " => Version::HTTP_11,
        "HTTP/1.0 " => Version::HTTP_10,
        _ => panic!("{status_line}"),
    };
    *response.status_mut() =
        StatusCode::from_bytes(status.trim_end().as_bytes()).expect("a status");
    assert_eq!(Some(reason), response.status().canonical_reason());
    for line in lines {
        let (name, value) = line.split_once(": ").expect("name: value");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{line}");
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        response.headers_mut().append(name, HeaderValue::from_str(value).expect("a value"));
    }
    response
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
