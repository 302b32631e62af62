//! One check: one GET over loopback, read to its end, under one deadline.
//!
//! Called by `main`. This module alone opens sockets and reads the clock. It follows no redirect,
//! reads no proxy setting and resolves no name, and it leaves the wording to [`crate::report`].

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::response::{Response, ResponseError};
use crate::settings::Settings;

/// From the start of one check to the start of the next with `--wait`.
const INTERVAL: Duration = Duration::from_millis(250);

/// A failed check.
#[derive(Debug)]
pub(crate) struct Unhealthy {
    /// The server that the cause is about.
    pub(crate) address: SocketAddr,
    pub(crate) cause: Cause,
    /// As far as it had arrived.
    pub(crate) response: Response,
    /// The time that this check had.
    pub(crate) limit: Duration,
    /// The time that it took.
    pub(crate) elapsed: Duration,
}

#[derive(Debug)]
pub(crate) enum Cause {
    /// Connecting, sending or reading failed. `TimedOut` means that the deadline passed.
    Io(io::Error),
    /// The response is invalid, too large or cut short.
    Response(ResponseError),
    /// The response is complete, but its status is not 200.
    Status(u16),
}

/// Checks once or, with `--wait`, until a check passes or the time is over.
///
/// No check outlives the wait, and the last failure is returned.
pub(crate) fn run(settings: &Settings) -> Result<(), Unhealthy> {
    let waiting = Deadline::new(settings.wait.unwrap_or_default());
    let mut limit = settings.timeout.min(settings.wait.unwrap_or(settings.timeout));
    loop {
        let started = Instant::now();
        let Err(unhealthy) = check(settings, limit) else {
            return Ok(());
        };
        let pause = INTERVAL.saturating_sub(started.elapsed());
        thread::sleep(pause.min(waiting.left().unwrap_or_default()));
        let Ok(left) = waiting.left() else {
            return Err(unhealthy);
        };
        limit = settings.timeout.min(left);
    }
}

fn check(settings: &Settings, limit: Duration) -> Result<(), Unhealthy> {
    let deadline = Deadline::new(limit);
    let mut response = Response::default();
    let (address, connected) = connect(settings.port, &deadline);
    let checked = connected
        .map_err(Cause::Io)
        .and_then(|stream| exchange(stream, address, &settings.path, &deadline, &mut response));
    let elapsed = deadline.started.elapsed();
    checked.map_err(|cause| Unhealthy { address, cause, response, limit, elapsed })
}

/// 127.0.0.1 or, if it refuses, `[::1]`: the connection or why there is none, and the address that
/// this is about.
fn connect(port: u16, deadline: &Deadline) -> (SocketAddr, io::Result<TcpStream>) {
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    let connect = |address| TcpStream::connect_timeout(address, deadline.left()?);
    match connect(&v4) {
        Err(refused) if refused.kind() == ErrorKind::ConnectionRefused => match connect(&v6) {
            // Many containers have no IPv6; the cause is the refusal on IPv4.
            Err(error) if error.kind() != ErrorKind::TimedOut => (v4, Err(refused)),
            connected => (v6, connected),
        },
        connected => (v4, connected),
    }
}

/// Sends the request and reads the response to its end: closing a connection with unread bytes
/// resets it, which servers log as an error.
fn exchange(
    mut stream: TcpStream,
    address: SocketAddr,
    path: &str,
    deadline: &Deadline,
    response: &mut Response,
) -> Result<(), Cause> {
    let request = format!(
        "GET {path} HTTP/1.0\r\nHost: {address}\r\nUser-Agent: healthchecker/{}\r\n\
         Connection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    );
    let mut unsent = request.as_bytes();
    while !unsent.is_empty() {
        let sent = deadline.repeat(|left| {
            stream.set_write_timeout(Some(left))?;
            stream.write(unsent)
        });
        // The server may have responded and closed before it read the request. If not, reading
        // fails too.
        let Ok(sent) = sent else { break };
        unsent = &unsent[sent..];
    }

    let mut buffer = [0; 8 * 1024];
    loop {
        let read = deadline.repeat(|left| {
            stream.set_read_timeout(Some(left))?;
            stream.read(&mut buffer)
        });
        let read = read.map_err(Cause::Io)?;
        response.received.extend(&buffer[..read]);
        match response.complete_status(read == 0).map_err(Cause::Response)? {
            None => {}
            Some(200) => return Ok(()),
            Some(status) => return Err(Cause::Status(status)),
        }
    }
}

/// Kept as start and length: a sum of the two could overflow.
struct Deadline {
    started: Instant,
    limit: Duration,
}

impl Deadline {
    fn new(limit: Duration) -> Self {
        Self { started: Instant::now(), limit }
    }

    /// Never zero, which socket timeouts do not accept. `TimedOut` after the deadline.
    fn left(&self) -> io::Result<Duration> {
        let left = self.limit.saturating_sub(self.started.elapsed());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }

    /// Repeats a read or write that is interrupted or times out before the deadline. Each gets the
    /// time that is left as its timeout, which the kernel counts in ticks.
    fn repeat(&self, mut transfer: impl FnMut(Duration) -> io::Result<usize>) -> io::Result<usize> {
        loop {
            let result = transfer(self.left()?);
            let kind = result.as_ref().map_err(io::Error::kind);
            if !matches!(kind, Err(ErrorKind::WouldBlock | ErrorKind::Interrupted)) {
                return result;
            }
        }
    }
}
