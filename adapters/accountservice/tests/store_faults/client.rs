//! One request on a connection of its own, as a probe makes it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// What takes longer never comes; a busy machine is slow and no more.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const UP: (u16, &str) = (200, r#"{"status":"UP"}"#);
pub(crate) const DOWN: (u16, &str) = (503, r#"{"status":"Database unaccessible"}"#);

/// Status and body of the answer to a GET.
pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    get_within(address, path, PATIENCE).unwrap_or_else(|error| panic!("GET {path}: {error}"))
}

pub(crate) fn get_within(
    address: SocketAddr,
    path: &str,
    time: Duration,
) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(time))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or(ErrorKind::InvalidData)?, body.to_owned()))
}

/// Asks for health, and for nothing else.
pub(crate) fn health(address: SocketAddr) -> (u16, String) {
    get(address, "/health")
}

pub(crate) fn is(answer: &(u16, String), expected: (u16, &str)) -> bool {
    (answer.0, answer.1.as_str()) == expected
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(20));
    }
}
