//! A raw HTTP/1.1 client on a blocking socket: one request at a time, and any bytes on purpose. The
//! load generator uses its parser.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Longer than any response may take, under any load.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// A response that is complete, with its body.
#[derive(Debug, PartialEq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// `Connection: close`.
    pub(crate) closes: bool,
    pub(crate) has_retry_after: bool,
    /// Head and body.
    pub(crate) text: String,
    head: usize,
}

impl Response {
    /// The response at the start of these bytes, or None if more bytes are to come.
    pub(crate) fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut parsed = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head) = parsed.parse(bytes).map_err(io::Error::other)?
        else {
            return Ok(None);
        };
        let header = |name: &str| {
            let header = parsed.headers.iter().find(|it| it.name.eq_ignore_ascii_case(name));
            header.map(|header| String::from_utf8_lossy(header.value))
        };
        let length = header("content-length").map_or(Ok(0), |value| value.parse::<usize>());
        let Some(bytes) = bytes.get(..head + length.map_err(io::Error::other)?) else {
            return Ok(None);
        };
        Ok(Some(Self {
            status: parsed.code.unwrap_or_default(),
            closes: header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
            has_retry_after: header("retry-after").is_some(),
            text: String::from_utf8(bytes.to_vec()).map_err(io::Error::other)?,
            head,
        }))
    }

    pub(crate) fn body(&self) -> &str {
        &self.text[self.head..]
    }
}

/// One connection.
pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::connect_within(address, TIMEOUT)
    }

    /// Gives each step this time.
    fn connect_within(address: SocketAddr, timeout: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        Ok(Self(stream))
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    pub(crate) fn get(&mut self, path: &str) -> io::Result<Response> {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: loopback\r\n\r\n").as_bytes())?;
        self.receive()
    }

    pub(crate) fn receive(&mut self) -> io::Result<Response> {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 2048]);
        loop {
            match self.0.read(&mut buffer)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => bytes.extend_from_slice(&buffer[..read]),
            }
            if let Some(response) = Response::parse(&bytes)? {
                return Ok(response);
            }
        }
    }

    /// How long the server keeps the silent connection open.
    pub(crate) fn time_to_close(&mut self) -> io::Result<Duration> {
        let start = Instant::now();
        match self.0.read_to_end(&mut Vec::new()) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error),
            _ => Ok(start.elapsed()),
        }
    }
}

/// One GET on a connection of its own, for servers that answer at once.
pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<Response> {
    Client::connect_within(address, Duration::from_secs(2))?.get(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_complete_with_its_last_byte() {
        let text =
            "HTTP/1.1 503 No\r\nConnection: Close\r\nretry-after: 1\r\nContent-Length: 2\r\n\r\nno";
        for cut in 0..text.len() {
            assert_eq!(Response::parse(&text.as_bytes()[..cut]).unwrap(), None, "cut at {cut}");
        }
        let response = Response::parse(format!("{text}next").as_bytes()).unwrap().unwrap();
        assert_eq!((response.status, response.closes, response.has_retry_after), (503, true, true));
        assert_eq!((response.text.as_str(), response.body()), (text, "no"));
    }

    #[test]
    fn bytes_that_are_no_response_are_an_error() {
        Response::parse(b"SSH-2.0-OpenSSH\r\n\r\n").unwrap_err();
        Response::parse(b"HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\n").unwrap_err();
    }
}
