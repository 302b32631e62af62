//! One check: one GET over loopback, read to its end, under one deadline.
//!
//! This is the only place that opens sockets and looks at the clock. It deliberately follows no
//! redirect, reads no proxy setting and resolves no name: what it asks is this machine.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::answer::{Answer, Fault};
use crate::settings::Settings;

/// From the start of one check to the start of the next, while waiting.
pub const INTERVAL: Duration = Duration::from_millis(250);

/// Why the service does not count as healthy.
#[derive(Debug)]
pub struct Down {
    /// Whom the reason is about.
    pub asked: Loopback,
    /// What went wrong.
    pub reason: Reason,
}

/// The two addresses of this machine that are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loopback {
    /// 127.0.0.1
    V4,
    /// `[::1]`
    V6,
}

impl Loopback {
    /// As it stands in a URL and in the Host field.
    pub fn host(self) -> &'static str {
        match self {
            Self::V4 => "127.0.0.1",
            Self::V6 => "[::1]",
        }
    }

    fn address(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::LOCALHOST.into(),
            Self::V6 => Ipv6Addr::LOCALHOST.into(),
        }
    }
}

/// What can go wrong in a check.
#[derive(Debug)]
pub enum Reason {
    /// A complete answer, but its status is not 200.
    Status {
        /// The status, 101 or 200 to 599.
        status: u16,
        /// The beginning of the body, not to be trusted.
        body: Vec<u8>,
        /// From the first connect to the end of the answer.
        took: Duration,
    },
    /// 127.0.0.1 refused, and this machine has no `[::1]` to ask.
    Refused,
    /// 127.0.0.1 and `[::1]` refused.
    RefusedByBoth,
    /// Nobody took the connection before the deadline, given here: a full backlog.
    NotAccepted(Duration),
    /// Not one byte came before the deadline.
    Silent(Duration),
    /// The answer had begun but not ended at the deadline.
    Unfinished {
        /// The time the check had.
        limit: Duration,
        /// The status, if its line had come.
        status: Option<u16>,
    },
    /// The server reset the connection.
    Reset,
    /// The answer cannot be taken.
    Faulty {
        /// What is wrong with it.
        fault: Fault,
        /// The status, if its line had come.
        status: Option<u16>,
        /// What came in place of a status line; not to be trusted.
        excerpt: Vec<u8>,
    },
    /// The operating system would not let the probe ask.
    System(io::Error),
}

/// Asks once or, with a wait, until the service is healthy or the time is over.
///
/// `Ok` means status 200 in an answer that came to its end. While waiting, no check is given more
/// time than is left of the wait, and the last reason is the one returned.
pub fn run(settings: &Settings) -> Result<(), Down> {
    let Some(wait) = settings.wait() else {
        return ask(settings, settings.timeout());
    };
    let whole = Deadline::new(wait);
    let mut limit = settings.timeout().min(wait);
    loop {
        let started = Instant::now();
        let Err(down) = ask(settings, limit) else {
            return Ok(());
        };
        let pause = INTERVAL.saturating_sub(started.elapsed());
        thread::sleep(whole.left().map_or(Duration::ZERO, |left| left.min(pause)));
        let Some(left) = whole.left() else {
            return Err(down);
        };
        limit = settings.timeout().min(left);
    }
}

/// Asks once; connecting, asking and reading to the end share `limit`.
pub fn ask(settings: &Settings, limit: Duration) -> Result<(), Down> {
    let deadline = Deadline::new(limit);
    let (stream, asked) = connect(settings.port(), &deadline)?;
    exchange(stream, asked, settings, &deadline).map_err(|reason| Down { asked, reason })
}

/// Kept as start and length: their sum could overflow, the difference cannot.
struct Deadline {
    started: Instant,
    limit: Duration,
}

impl Deadline {
    fn new(limit: Duration) -> Self {
        Self { started: Instant::now(), limit }
    }

    /// `None` when the time is over. Never zero, which socket timeouts take for "no timeout".
    fn left(&self) -> Option<Duration> {
        self.limit.checked_sub(self.started.elapsed()).filter(|left| !left.is_zero())
    }
}

fn connect(port: u16, deadline: &Deadline) -> Result<(TcpStream, Loopback), Down> {
    let reason = match connect_to(Loopback::V4, port, deadline) {
        Ok(stream) => return Ok((stream, Loopback::V4)),
        Err(reason) => reason,
    };
    if !matches!(reason, Reason::Refused) {
        return Err(Down { asked: Loopback::V4, reason });
    }
    match connect_to(Loopback::V6, port, deadline) {
        Ok(stream) => Ok((stream, Loopback::V6)),
        Err(Reason::Refused) => Err(Down { asked: Loopback::V4, reason: Reason::RefusedByBoth }),
        Err(reason @ Reason::NotAccepted(_)) => Err(Down { asked: Loopback::V6, reason }),
        // Many containers have no IPv6 at all; that is not what is wrong with the service.
        Err(_) => Err(Down { asked: Loopback::V4, reason }),
    }
}

fn connect_to(loopback: Loopback, port: u16, deadline: &Deadline) -> Result<TcpStream, Reason> {
    let left = deadline.left().ok_or(Reason::NotAccepted(deadline.limit))?;
    let address = SocketAddr::new(loopback.address(), port);
    TcpStream::connect_timeout(&address, left).map_err(|error| match error.kind() {
        ErrorKind::ConnectionRefused => Reason::Refused,
        ErrorKind::ConnectionReset => Reason::Reset,
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Reason::NotAccepted(deadline.limit),
        _ => Reason::System(error),
    })
}

fn exchange(
    mut stream: TcpStream,
    asked: Loopback,
    settings: &Settings,
    deadline: &Deadline,
) -> Result<(), Reason> {
    // In one piece, so that one write carries it. Concatenated, because the formatting of
    // addresses and numbers would add kilobytes to the binary.
    let request = [
        "GET ",
        settings.path(),
        " HTTP/1.1\r\nHost: ",
        asked.host(),
        ":",
        &settings.port().to_string(),
        concat!("\r\nUser-Agent: healthchecker/", env!("CARGO_PKG_VERSION")),
        "\r\nConnection: close\r\n\r\n",
    ]
    .concat();
    send(&mut stream, request.as_bytes(), deadline)?;

    let mut answer = Answer::default();
    // Read to the end, even if the status says it all: closing with unread bytes resets the
    // connection and fills the server's log.
    let received = receive(&mut stream, &mut answer, deadline);
    let status = answer.status();
    match received {
        Ok(()) if status == Some(200) => Ok(()),
        Ok(()) => Err(Reason::Status {
            status: status.unwrap_or_default(),
            body: answer.into_excerpt(),
            took: deadline.started.elapsed(),
        }),
        Err(Failure::Fault(fault)) => {
            Err(Reason::Faulty { fault, status, excerpt: answer.into_excerpt() })
        }
        Err(Failure::Time) if answer.is_empty() => Err(Reason::Silent(deadline.limit)),
        Err(Failure::Time) => Err(Reason::Unfinished { limit: deadline.limit, status }),
        Err(Failure::Io(error)) if error.kind() == ErrorKind::ConnectionReset => Err(Reason::Reset),
        Err(Failure::Io(error)) => Err(Reason::System(error)),
    }
}

fn send(stream: &mut TcpStream, mut request: &[u8], deadline: &Deadline) -> Result<(), Reason> {
    while !request.is_empty() {
        let left = deadline.left().ok_or(Reason::Silent(deadline.limit))?;
        stream.set_write_timeout(Some(left)).map_err(Reason::System)?;
        match stream.write(request) {
            Ok(written) => request = request.get(written..).unwrap_or_default(),
            // Out of time, which is found out above, or a signal.
            Err(error) if is_passing(&error) => {}
            // A server may answer and close before it has read; its answer is still there.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

enum Failure {
    Fault(Fault),
    Time,
    Io(io::Error),
}

fn receive(
    stream: &mut TcpStream,
    answer: &mut Answer,
    deadline: &Deadline,
) -> Result<(), Failure> {
    let mut buffer = [0; 8 * 1024];
    loop {
        // Set anew before each read: a server that drips must not get the whole time per byte.
        let left = deadline.left().ok_or(Failure::Time)?;
        stream.set_read_timeout(Some(left)).map_err(Failure::Io)?;
        match stream.read(&mut buffer) {
            Ok(0) => return answer.end().map_err(Failure::Fault),
            Ok(read) => {
                let bytes = buffer.get(..read).unwrap_or_default();
                if answer.feed(bytes).map_err(Failure::Fault)? {
                    return Ok(());
                }
            }
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(Failure::Io(error)),
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
