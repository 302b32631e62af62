//! What the process needs of the machine: its port, its signals, its name, its limits.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use accountservice_host_hyper::Limits;
use anyhow::{Context, ensure};
use nix::ifaddrs::getifaddrs;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

/// How many connections may wait to be accepted. The kernel cuts it to `net.core.somaxconn`. A probe
/// that meets a full one is not heard before it knocks again, a second later; one behind a very long
/// one is not heard in time.
const BACKLOG: u32 = 2048;

/// File descriptors that are no connections: standard streams, database, listener, signals and the
/// first thread's runtime are 13, with room to spare.
const OTHER_DESCRIPTORS: usize = 32;

/// Those 13, and one connection each below and above the limit.
const LEAST_DESCRIPTORS: usize = 15;

/// And those that a worker's runtime takes.
const DESCRIPTORS_PER_WORKER: usize = 4;

/// Prints what was asked for. A reader that has gone away is none of our business.
pub(crate) fn print(text: &str) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// Says on one line of standard error why the process ends, and with which status it does.
///
/// A path or a value of a setting may hold line breaks and worse: they are shown, not followed.
pub(crate) fn fail(status: u8, why: &str) -> ExitCode {
    let mut line = String::with_capacity(why.len());
    for char in why.chars() {
        if char.is_control() {
            line.extend(char.escape_default());
        } else {
            line.push(char);
        }
    }
    let _ = writeln!(io::stderr(), "accountservice: {line}");
    ExitCode::from(status)
}

/// A port that is ours, but to which nobody can connect yet.
pub(crate) struct Port {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Port {
    pub(crate) fn reserve(address: IpAddr, port: u16) -> anyhow::Result<Self> {
        let address = SocketAddr::new(address, port);
        let bound = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let bound = bound.and_then(|socket| {
            // A port whose last connections have just been closed is free.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            Ok(socket)
        });
        let socket = bound.with_context(|| format!("cannot listen on {address}"))?;
        Ok(Self { socket, address })
    }

    /// Lets clients connect. The port comes along, in case it was for the system to choose.
    pub(crate) fn listen(self) -> anyhow::Result<(TcpListener, u16)> {
        let listening = self.socket.listen(BACKLOG).and_then(|listener| {
            let port = listener.local_addr()?.port();
            Ok((listener, port))
        });
        listening.with_context(|| format!("cannot listen on {}", self.address))
    }
}

/// The wish to stop: SIGTERM, as from Docker, or SIGINT, as from Ctrl-C.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
    name: Option<&'static str>,
}

impl Stop {
    /// From now on the signals are wishes; a process with the id 1 would not even notice them
    /// otherwise.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        let terminate = listen(SignalKind::terminate())?;
        let interrupt = listen(SignalKind::interrupt())?;
        Ok(Self { terminate, interrupt, name: None })
    }

    /// Over when a signal has come, and once it has, over at once.
    pub(crate) async fn requested(&mut self) {
        if self.name.is_some() {
            return;
        }
        let name = tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        };
        info!("Stopping on {name}");
        self.name = Some(name);
    }
}

/// The first IPv4 address that is not a loopback one; else the host name. Asked for once, because
/// it takes longer than answering a request.
pub(crate) fn address_or_host_name() -> String {
    let address = getifaddrs().ok().and_then(|interfaces| {
        interfaces
            .filter_map(|interface| Some(interface.address?.as_sockaddr_in()?.ip()))
            .find(|address| !address.is_loopback())
    });
    match address {
        Some(address) => address.to_string(),
        None => nix::unistd::gethostname()
            .map_or_else(|_| "localhost".to_owned(), |name| name.to_string_lossy().into_owned()),
    }
}

/// Raises the limit of file descriptors as far as it goes, and says how far that is.
///
/// With next to none there is no service, and what fails first would not be able to say why.
pub(crate) fn raise_fd_limit(limits: &Limits) -> anyhow::Result<usize> {
    let limit = getrlimit(Resource::RLIMIT_NOFILE);
    let (soft, hard) = limit.context("cannot ask for the limit of open files")?;
    let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_or(soft, |()| hard);
    let descriptors = usize::try_from(raised).unwrap_or(usize::MAX);
    let least = LEAST_DESCRIPTORS + limits.workers.get() * DESCRIPTORS_PER_WORKER;
    ensure!(
        descriptors >= least,
        "cannot serve with a limit of {descriptors} open files: {least} is the least"
    );
    Ok(descriptors)
}

/// Takes no more connections than so many file descriptors allow.
pub(crate) fn within_fd_limit(mut limits: Limits, descriptors: usize, metrics: usize) -> Limits {
    let other = OTHER_DESCRIPTORS + limits.workers.get() * DESCRIPTORS_PER_WORKER + metrics;
    let room = descriptors.saturating_sub(other);
    if limits.connections > room.saturating_sub(limits.overflow) {
        limits.overflow = limits.overflow.min(room / 2).max(1);
        limits.connections = room.saturating_sub(limits.overflow).max(1);
        let most = limits.connections;
        warn!("The limit of {descriptors} open files allows for {most} connections");
    }
    limits
}
