//! What the process needs of the machine: a runtime, its ports, signals, name and file descriptors.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use accountservice_host_hyper::ServerConfig;
use anyhow::{Context, ensure};
use nix::ifaddrs::getifaddrs;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::logging;
use crate::metrics::FILE_DESCRIPTORS;
use crate::settings::Settings;

/// The length of the accept queue. The kernel limits it to `net.core.somaxconn`. A probe that meets a
/// full queue is heard a second later; behind a very long queue it is not heard in time.
const ACCEPT_QUEUE: i32 = 2048;

/// File descriptors that are no connections: standard streams, database, listener, signals and the
/// runtime of the main thread are 13, with room to spare.
const OTHER_DESCRIPTORS: usize = 32;

/// Those 13, and one connection each below and above the limit.
const MIN_DESCRIPTORS: usize = 15;

/// The descriptors of a worker's runtime.
const DESCRIPTORS_PER_WORKER: usize = 4;

/// The end of the process: its exit status, and a text for the user.
pub(crate) enum Exit {
    /// A signal has come: 0.
    Stopped,
    /// `--help` or `--version`: 0, the text on standard output.
    Printed(String),
    /// It cannot start or serve: 1.
    Failed(String),
    /// Bad usage: 2.
    BadUsage(String),
    /// It was unhealthy for `--exit-when-unhealthy`, as the log says: 3.
    Unhealthy,
}

impl Exit {
    /// Prints the text, and returns the status.
    pub(crate) fn report(self) -> ExitCode {
        let (status, error) = match self {
            Self::Stopped => return ExitCode::SUCCESS,
            Self::Printed(text) => {
                // A reader that has gone is no error.
                let _ = io::stdout().write_all(text.as_bytes());
                return ExitCode::SUCCESS;
            }
            Self::Failed(error) => (1, error),
            Self::BadUsage(error) => (2, error),
            Self::Unhealthy => return ExitCode::from(3),
        };
        let _ = writeln!(io::stderr(), "accountservice: {}", on_one_line(&error));
        ExitCode::from(status)
    }
}

/// A path or a value may contain line breaks and escape sequences: they are shown, not followed.
fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() {
            line.extend(char.escape_default());
        } else {
            line.push(char);
        }
    }
    line
}

/// Runs `serve` with a log, a runtime and all file descriptors that the system grants.
pub(crate) fn run<F>(mut settings: Settings, serve: impl FnOnce(Settings) -> F) -> ExitCode
where
    F: Future<Output = anyhow::Result<Exit>>,
{
    let log = logging::start(settings.log_format, settings.log_level);
    for ignored in &settings.ignored {
        info!("{ignored}");
    }
    let exit = || {
        let descriptors = raise_fd_limit(&settings.server)?;
        let for_metrics = settings.metrics_port.map_or(0, |_| FILE_DESCRIPTORS);
        settings.server = within_fd_limit(settings.server, descriptors, for_metrics);
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.context("cannot start the runtime")?.block_on(async {
            select! {
                exit = serve(settings) => exit,
                () = log.report_lost_lines() => Ok(Exit::Stopped),
            }
        })
    };
    exit().unwrap_or_else(|error| Exit::Failed(format!("{error:#}"))).report()
}

/// A port that is taken by this process, but to which clients cannot connect yet.
pub(crate) struct Port {
    socket: Socket,
    address: SocketAddr,
}

impl Port {
    pub(crate) fn reserve(address: IpAddr, port: u16) -> anyhow::Result<Self> {
        let address = SocketAddr::new(address, port);
        let bind = || {
            let domain = Domain::for_address(address);
            let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
            if address.is_ipv6() {
                // `::` means IPv4 as well, whatever net.ipv6.bindv6only says.
                socket.set_only_v6(false)?;
            }
            // A port whose last connections have just been closed is free.
            socket.set_reuse_address(true)?;
            socket.set_nonblocking(true)?;
            socket.bind(&address.into())?;
            io::Result::Ok(socket)
        };
        let socket = bind().with_context(|| format!("cannot listen on {address}"))?;
        Ok(Self { socket, address })
    }

    pub(crate) fn reserve_optional(
        address: IpAddr,
        port: Option<u16>,
    ) -> anyhow::Result<Option<Self>> {
        port.map(|port| Self::reserve(address, port)).transpose()
    }

    /// Lets clients connect. Returns the port number too, in case the system has chosen it.
    pub(crate) fn listen(self) -> anyhow::Result<(TcpListener, u16)> {
        let Self { socket, address } = self;
        let listen = || {
            socket.listen(ACCEPT_QUEUE)?;
            let listener = TcpListener::from_std(socket.into())?;
            let port = listener.local_addr()?.port();
            io::Result::Ok((listener, port))
        };
        listen().with_context(|| format!("cannot listen on {address}"))
    }
}

/// The signals that stop the process: SIGTERM, as from Docker, and SIGINT, as from Ctrl-C.
pub(crate) struct Shutdown {
    terminate: Signal,
    interrupt: Signal,
    is_requested: bool,
}

impl Shutdown {
    /// Signals are heard from now on. A process with the id 1 would ignore them otherwise.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        let terminate = listen(SignalKind::terminate())?;
        let interrupt = listen(SignalKind::interrupt())?;
        Ok(Self { terminate, interrupt, is_requested: false })
    }

    /// Completes when a signal has come, and at once after that.
    pub(crate) async fn requested(&mut self) {
        if self.is_requested {
            return;
        }
        let name = select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        };
        info!("Stopping on {name}");
        self.is_requested = true;
    }
}

/// The first IPv4 address that is not a loopback address; else the host name. Looked up once, since
/// it takes longer than a request.
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

/// Raises the limit of file descriptors to the hard limit, and returns it.
///
/// With too few descriptors the service could not even say which step failed.
fn raise_fd_limit(config: &ServerConfig) -> anyhow::Result<usize> {
    let limit = getrlimit(Resource::RLIMIT_NOFILE);
    let (soft, hard) = limit.context("cannot ask for the limit of open files")?;
    let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_or(soft, |()| hard);
    let descriptors = usize::try_from(raised).unwrap_or(usize::MAX);
    let min = MIN_DESCRIPTORS + config.workers.get() * DESCRIPTORS_PER_WORKER;
    ensure!(
        descriptors >= min,
        "cannot serve with a limit of {descriptors} open files: at least {min} are needed"
    );
    Ok(descriptors)
}

/// Limits the connections to the file descriptors that there are.
fn within_fd_limit(config: ServerConfig, descriptors: usize, for_metrics: usize) -> ServerConfig {
    let other = OTHER_DESCRIPTORS + config.workers.get() * DESCRIPTORS_PER_WORKER + for_metrics;
    let room = descriptors.saturating_sub(other);
    if config.max_connections <= room.saturating_sub(config.overload_slots) {
        return config;
    }
    let overload_slots = config.overload_slots.min(room / 2).max(1);
    let max_connections = room.saturating_sub(overload_slots).max(1);
    warn!("The limit of {descriptors} open files allows {max_connections} connections");
    ServerConfig { max_connections, overload_slots, ..config }
}
