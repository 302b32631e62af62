//! The servers that are measured, ours, the floor and rivals: each a process of its own, on the cores
//! it is given, and what it has used of them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;

use super::load::FIRST;
use crate::faults::process::{Process, SOON, Service};
use crate::load::Client;

/// How the service and the floor are called in tables.
pub(super) const OURS: &str = "accountservice";
pub(super) const FLOOR: &str = "floor";

/// Two cores: the first is for servers that have one, the second for the load.
#[derive(Clone, Copy)]
pub(super) struct Cores(pub(super) [usize; 2]);

impl Cores {
    pub(super) fn find() -> Result<Self> {
        let ours = sched_getaffinity(Pid::from_raw(0))?;
        let mut cores = (0..CpuSet::count()).filter(|core| ours.is_set(*core) == Ok(true));
        let two = cores.next().zip(cores.next());
        let (first, second) =
            two.context("bench needs two cores: one for the server, one for the load")?;
        Ok(Self([first, second]))
    }
}

/// Does it in a thread that stays on these cores, as do the processes that it starts.
pub(super) fn on<T: Send>(cores: &[usize], work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let pinned = || {
        let mut set = CpuSet::new();
        cores.iter().try_for_each(|core| set.set(*core))?;
        sched_setaffinity(Pid::from_raw(0), &set)?;
        work()
    };
    thread::scope(|scope| scope.spawn(pinned).join().expect("what is measured does not panic"))
}

/// A server that is up and answers.
pub(super) struct Server {
    pub(super) name: String,
    pub(super) process: Process,
    pub(super) at: SocketAddr,
}

impl Server {
    /// The service, as a user has it who changes nothing but the number of workers.
    pub(super) fn ours(
        binary: &Path,
        folder: &Path,
        args: &[&str],
        cores: &[usize],
    ) -> Result<Self> {
        let mut command = service(Command::new(binary), folder, args);
        Self::listening(OURS, on(cores, || Service::start(&mut command))?)
    }

    /// The floor, with the answer that this server gives.
    pub(super) fn floor(like: &Self, workers: usize, cores: &[usize]) -> Result<Self> {
        let answer = Client::connect(like.at)?.ask("/accounts/10042")?.text;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["floor", "--workers", &workers.to_string(), "--answer", &answer]);
        Self::listening(FLOOR, on(cores, || Service::start(&mut command))?)
    }

    fn listening(name: &str, service: Service) -> Result<Self> {
        let server = Self { name: name.to_owned(), process: service.process, at: service.at };
        server.check().with_context(|| format!("{name} does not serve"))?;
        Ok(server)
    }

    /// A server that takes its port as its one argument and says nothing when it is up.
    pub(super) fn rival(name: &str, mut command: Command, cores: &[usize]) -> Result<Self> {
        let at = free_address()?;
        command.arg(at.port().to_string());
        let process = on(cores, || Process::start(&mut command))?;
        let mut server = Self { name: name.to_owned(), process, at };
        let start = Instant::now();
        while let Err(error) = Client::connect(at).and_then(|mut client| client.ask("/health")) {
            let ended = server.process.has_ended()?;
            let waits = start.elapsed() < SOON && !ended;
            ensure!(waits, "{name} does not come up: {error}");
            thread::sleep(Duration::from_millis(10));
        }
        server.check().with_context(|| format!("{name} does not serve"))?;
        Ok(server)
    }

    /// Whoever answers something else is not compared.
    fn check(&self) -> Result<()> {
        let reply = Client::connect(self.at)?.ask(&format!("/accounts/{}", FIRST + 42))?;
        let right = r#"{"id":"10042","name":"Person_42","servedBy":""#;
        ensure!(reply.status == 200 && reply.body().starts_with(right), "{}", reply.text);
        if self.name != FLOOR {
            let reply = Client::connect(self.at)?.ask("/accounts/1")?;
            ensure!(reply.status == 404, "an unknown account is answered by {}", reply.status);
        }
        Ok(())
    }

    /// Resident memory in KiB, a second after the last request.
    pub(super) fn memory_at_rest(&self) -> Result<u64> {
        thread::sleep(Duration::from_secs(1));
        self.memory()
    }

    /// Resident memory in KiB.
    pub(super) fn memory(&self) -> Result<u64> {
        self.process.memory("VmRSS").with_context(|| format!("{} has ended", self.name))
    }

    pub(super) fn stop(self) -> Result<()> {
        stop(self.process)
    }
}

/// As a user does, so that the database is as it should be.
pub(super) fn stop(mut process: Process) -> Result<()> {
    process.terminate()?;
    let status = process.ends_within(SOON)?;
    ensure!(status.success(), "it ended with {status}: {:?}", process.said.last());
    Ok(())
}

/// The service on loopback with its metrics on, its database in this folder.
pub(super) fn service(mut command: Command, folder: &Path, args: &[&str]) -> Command {
    command.current_dir(folder).args(["--address=127.0.0.1", "--metrics-port=0"]);
    command.args(["--port=0"]).args(args);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ACCOUNTSERVICE_")) {
        command.env_remove(name);
    }
    command
}

/// A port that nobody has, for those who cannot choose one themselves.
pub(super) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Processor time of a process so far.
#[derive(Clone, Copy)]
pub(super) struct Usage {
    /// Exact, of all threads that live.
    pub(super) run: Duration,
    /// In ticks of 10 ms; they are good for shares only.
    user: u32,
    system: u32,
}

impl Usage {
    pub(super) fn of(id: u32) -> Result<Self> {
        let mut nanos = 0;
        for thread in fs::read_dir(format!("/proc/{id}/task"))? {
            // A thread may have ended in the meantime.
            let stat = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
            let run = stat.split(' ').next().and_then(|run| run.parse::<u64>().ok());
            nanos += run.unwrap_or_default();
        }
        let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
        let [user, system] = ticks(fields);
        Ok(Self { run: Duration::from_nanos(nanos), user, system })
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            run: self.run.saturating_sub(before.run),
            user: self.user - before.user,
            system: self.system - before.system,
        }
    }

    /// The part that was spent outside the kernel.
    pub(super) fn user_share(self) -> f64 {
        f64::from(self.user) / f64::from((self.user + self.system).max(1))
    }
}

/// Processor time of this process so far, threads that have ended included.
pub(super) fn own() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros)?))
}

/// Processor time that all processes have used so far.
pub(super) fn busy() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let [user, nice, system, _idle, _wait, interrupts, soft] =
        ticks(stat.split_whitespace().skip(1));
    Ok(Duration::from_millis(10) * (user + nice + system + interrupts + soft))
}

fn ticks<'a, const N: usize>(mut fields: impl Iterator<Item = &'a str>) -> [u32; N] {
    std::array::from_fn(|_| fields.next().and_then(|field| field.parse().ok()).unwrap_or_default())
}
