//! The servers that are measured, the service, the floor and peers: each is a process of its own,
//! kept on one core where it is to be compared.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use accountservice_host::testing::{Process, eventually};
use anyhow::{Context, Result, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::float;
use crate::command::{command, read};
use crate::requests::{SAME, is_account};
use crate::service::{self, Service, get};

/// How the service and the floor are called in tables.
pub(super) const OURS: &str = "accountservice";
pub(super) const FLOOR: &str = "floor";
const PEERS: &str =
    "axum actix ntex xitca may hyper-mt hyper-rpc hyper-rpc-ndb hyper-rpc-map hand-map";

/// Two cores, one for the server and one for the load.
pub(super) struct Cores {
    pub(super) server: usize,
    pub(super) load: usize,
}

impl Cores {
    pub(super) fn find() -> Result<Self> {
        let ours = sched_getaffinity(Pid::from_raw(0))?;
        let mut cores = (0..CpuSet::count()).filter(|core| ours.is_set(*core) == Ok(true));
        let (server, load) = cores.next().zip(cores.next()).context("bench needs two cores")?;
        Ok(Self { server, load })
    }
}

/// Does this on one core, as do the processes that are started meanwhile.
pub(super) fn on<T>(core: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let this = Pid::from_raw(0);
    let before = sched_getaffinity(this)?;
    let mut set = CpuSet::new();
    set.set(core)?;
    sched_setaffinity(this, &set)?;
    let done = work();
    sched_setaffinity(this, &before)?;
    done
}

/// A server that is up and answers.
pub(super) struct Server {
    pub(super) name: String,
    pub(super) service: Service,
}

impl Server {
    /// The service with all defaults and its metrics on.
    pub(super) fn ours(binary: &Path, folder: &Path, args: &[&str]) -> Result<Self> {
        let args = [&["--metrics-port=0"], args].concat();
        let service = Service::start(&mut service::command(binary, folder, &args))?;
        Self { name: OURS.to_owned(), service }.checked()
    }

    /// The floor, with a response as long as that of this server.
    pub(super) fn floor(like: &Self) -> Result<Self> {
        let response = get(like.service.address, &format!("/accounts/{SAME}"))?;
        let mut text = format!("HTTP/1.1 {}\r\n", response.status());
        for (name, value) in response.headers() {
            write!(text, "{name}: {}\r\n", value.to_str()?)?;
        }
        write!(text, "\r\n{}", str::from_utf8(response.body())?)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["floor", "--response", &text]);
        let service = Service::start(&mut command)?;
        Self { name: FLOOR.to_owned(), service }.checked()
    }

    /// A peer takes its port as its first argument and says nothing when it is up.
    pub(super) fn peer(peer: &Peer, folder: &Path) -> Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let process = Process::spawn(&mut peer.command(folder, address.port()))
            .with_context(|| format!("cannot start {}", peer.binary.display()))?;
        eventually(&format!("{} is up", peer.name), || get(address, "/health").is_ok());
        Self { name: peer.name.clone(), service: Service { process, address } }.checked()
    }

    /// A server with other responses is not compared.
    fn checked(self) -> Result<Self> {
        let response = get(self.service.address, &format!("/accounts/{SAME}"))?;
        let is_right = is_account(SAME, str::from_utf8(response.body())?);
        ensure!(response.status() == 200 && is_right, "{} answers {response:?}", self.name);
        if self.name != FLOOR {
            let status = get(self.service.address, "/accounts/1")?.status();
            ensure!(status == 404, "{} answers an unknown account by {status}", self.name);
        }
        Ok(self)
    }

    /// Resident memory in KiB, a second after the last request.
    pub(super) fn memory_at_rest(&self) -> Result<f64> {
        thread::sleep(Duration::from_secs(1));
        Ok(float(self.service.usage()?.memory))
    }
}

/// A server of others with the same responses, from a folder with a `build.sh` that builds it by name
/// into `$CARGO_TARGET_DIR/release/peer-NAME`.
pub(super) struct Peer {
    pub(super) name: String,
    pub(super) binary: PathBuf,
    /// After the port.
    pub(super) args: Vec<String>,
}

impl Peer {
    /// All of the folder, or those with these names; what is missing is built.
    pub(super) fn all(folder: &Path, chosen: &[String]) -> Result<Vec<Self>> {
        let known: Vec<_> = PEERS.split(' ').collect();
        for name in chosen {
            ensure!(known.contains(&name.as_str()), "there is no peer {name:?}, only {PEERS}");
        }
        let script = folder.join("build.sh");
        let script = fs::canonicalize(&script)
            .with_context(|| format!("cannot find {}", script.display()))?;
        let temporary = std::env::var_os("PEERS_TMP")
            .map_or_else(|| std::env::temp_dir().join("accountservice-peers"), PathBuf::from);
        let target = std::path::absolute(temporary)?.join("target");
        let is_chosen = |name: &&str| chosen.is_empty() || chosen.iter().any(|it| it == name);
        let peer = |name: &str| {
            let binary = target.join(format!("release/peer-{name}"));
            Self { name: name.to_owned(), binary, args: Vec::new() }
        };
        let peers: Vec<_> = known.into_iter().filter(is_chosen).map(peer).collect();
        let missing = peers.iter().filter(|peer| !peer.binary.exists());
        let missing: Vec<_> = missing.map(|peer| peer.name.as_str()).collect();
        if !missing.is_empty() {
            eprintln!("Building {}; this takes some minutes.", missing.join(", "));
            let mut build = command(&script.display().to_string(), &missing);
            read(build.env("CARGO_TARGET_DIR", &target))?;
        }
        Ok(peers)
    }

    /// One worker in this folder, on this port.
    pub(super) fn command(&self, folder: &Path, port: u16) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(folder).env("WORKERS", "1").arg(port.to_string()).args(&self.args);
        command
    }
}
