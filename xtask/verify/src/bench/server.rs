//! The servers that are measured, the service, the floor and peers: each is a process of its own,
//! kept on one core where it is to be compared.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use accountservice_host::testing::{Process, eventually};
use anyhow::{Context, Result, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::float;
use super::peers::Peer;
use crate::requests::SAME;
use crate::service::{self, Service, get};

/// How the service and the floor are called in tables.
pub(super) const OURS: &str = "accountservice";
pub(super) const FLOOR: &str = "floor";

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
        let right = br#"{"id":"10042","name":"Person_42","servedBy":""#;
        let is_right = response.status() == 200 && response.body().starts_with(right);
        ensure!(is_right, "{} answers {response:?}", self.name);
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
