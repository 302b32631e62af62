//! One GET, to see from outside whether a deployed service answers. It is no HTTP client: it reads a
//! status and a body, and no header. `deploy` calls it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

const TIMEOUT: Duration = Duration::from_secs(2);

/// The status and the body.
pub(crate) fn get(address: &str, path: &str) -> Result<(u16, String)> {
    let address: SocketAddr = address.parse().with_context(|| format!("bad address {address}"))?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut text = String::new();
    stream.take(64 << 10).read_to_string(&mut text)?;
    let (head, body) =
        text.split_once("\r\n\r\n").context("the head of the response has no end")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.context("the response has no status")?, body.to_owned()))
}
