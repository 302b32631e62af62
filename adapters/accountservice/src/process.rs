//! What the process needs of the machine: a runtime, its name and file descriptors. `main` runs it.

use accountservice_host_hyper::ServerConfig;
// Linked in place of musl's memory functions, which are slower up to 1 KiB.
#[cfg(all(target_arch = "x86_64", target_env = "musl"))]
use accountservice_musl_memory as _;
use accountservice_process::Exit;
use anyhow::{Context, ensure};
use nix::ifaddrs::getifaddrs;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::runtime::Builder;
use tokio::select;
use tracing::{info, warn};

use crate::logging;
use crate::metrics::FILE_DESCRIPTORS;
use crate::settings::Settings;

/// File descriptors that are no connections: standard streams, database, listener, signals and the
/// runtime of the main thread are 13, with room to spare.
const OTHER_DESCRIPTORS: usize = 32;

/// Those 13, one connection each below and above the limit, and one that waits for a slot.
const MIN_DESCRIPTORS: usize = 16;

/// The descriptors of a worker's runtime.
const DESCRIPTORS_PER_WORKER: usize = 4;

/// Runs `serve` with a log, a runtime and all file descriptors that the system grants, unless there
/// are no settings.
pub(crate) fn run<F>(settings: Result<Settings, Exit>, serve: impl FnOnce(Settings) -> F) -> Exit
where
    F: Future<Output = anyhow::Result<Exit>>,
{
    let mut settings = match settings {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    let log = logging::start(settings.log_format, settings.log_level);
    for ignored in &settings.ignored {
        info!("{ignored}");
    }
    let exit = || {
        let descriptors = raise_fd_limit(&settings.server)?;
        let for_metrics = settings.metrics_port.map_or(0, |_| FILE_DESCRIPTORS);
        settings.server = within_fd_limit(settings.server, descriptors, for_metrics);
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot start the runtime")?;
        let exit = runtime.block_on(async {
            select! {
                exit = serve(settings) => exit,
                () = log.report_lost_lines() => Ok(Exit::Stopped),
            }
        });
        // The end does not wait for a look-up of a name that is still under way.
        runtime.shutdown_background();
        exit
    };
    exit().unwrap_or_else(|error| Exit::Failed(format!("{error:#}")))
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
