//! The servers that are measured, the service, the floor and peers: each is a process of its own,
//! kept on one core where it is to be compared.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::peers::Peer;
use crate::http::{Client, get};
use crate::process::{Process, SOON, Usage, until};
use crate::requests::SAME;
use crate::service::{self, Service, free_address};

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
    pub(super) process: Process,
    pub(super) address: SocketAddr,
}

impl Server {
    /// The service with all defaults and its metrics on.
    pub(super) fn ours(binary: &Path, folder: &Path, args: &[&str]) -> Result<Self> {
        let args = [&["--metrics-port=0"], args].concat();
        Self::announced(OURS, service::command(binary, folder, &args))
    }

    /// The floor, with the response of this server.
    pub(super) fn floor(like: &Self) -> Result<Self> {
        let response = get(like.address, &format!("/accounts/{SAME}"))?.text;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["floor", "--response", &response]);
        Self::announced(FLOOR, command)
    }

    /// A peer takes its port as its one argument and says nothing when it is up.
    pub(super) fn peer(peer: &Peer, folder: &Path) -> Result<Self> {
        let address = free_address()?;
        let process = Process::start(&mut peer.command(folder, address.port()))?;
        until(&format!("{} is up", peer.name), SOON, || get(address, "/health").is_ok())?;
        Self { name: peer.name.clone(), process, address }.checked()
    }

    fn announced(name: &str, mut command: Command) -> Result<Self> {
        let Service { process, address } = Service::start(&mut command)?;
        Self { name: name.to_owned(), process, address }.checked()
    }

    /// A server with other responses is not compared.
    fn checked(self) -> Result<Self> {
        let mut client = Client::connect(self.address)?;
        let response = client.get(&format!("/accounts/{SAME}"))?;
        let right = r#"{"id":"10042","name":"Person_42","servedBy":""#;
        let is_right = response.status == 200 && response.body().starts_with(right);
        ensure!(is_right, "{} answers {}", self.name, response.text);
        if self.name != FLOOR {
            let status = client.get("/accounts/1")?.status;
            ensure!(status == 404, "{} answers an unknown account by {status}", self.name);
        }
        Ok(self)
    }

    /// A second after the last request.
    pub(super) fn usage_at_rest(&self) -> Result<Usage> {
        thread::sleep(Duration::from_secs(1));
        self.process.usage()
    }

    /// By SIGTERM, so that the database is complete.
    pub(super) fn stop(mut self) -> Result<()> {
        self.process.terminate()?;
        let status = self.process.ends_within(SOON)?;
        ensure!(status.success(), "it ended with {status}: {:?}", self.process.output.last());
        Ok(())
    }
}
