//! `accountservice` as a process on loopback, for `faults` and `bench`. What they rely on of its
//! log and its accounts stands here, once.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use accountservice_host::testing::{Client, Process, SERVING};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Method, Response};

use crate::requests::{FIRST, is_account};

/// Log entries. This one starts with the number of accounts.
pub(crate) const SEEDED: &str = "Seeded ";
pub(crate) const AT_THE_LIMIT: &str = "connections are open, which is the limit";
pub(crate) const FEW_DESCRIPTORS: &str = "open files allows";
pub(crate) const CANNOT_ACCEPT: &str = "Cannot accept connections";
pub(crate) const GAVE_UP: &str = "Gave up on requests";

/// How long a start, an end or a recovery may take that is not slow on purpose.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The service, listening on a port that the system chose.
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Service {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let program = command.get_program().display().to_string();
        let mut process =
            Process::spawn(command).with_context(|| format!("cannot start {program}"))?;
        let line = process.try_line(SERVING, SOON)?;
        let port = line.rsplit(' ').next().unwrap_or_default();
        let port = port.parse().with_context(|| format!("no port in {line:?}"))?;
        Ok(Self { process, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) })
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(self.process.id())
    }

    /// A log entry that is there already or comes soon.
    pub(crate) fn entry(&mut self, text: &str) -> Result<String> {
        let known = self.process.log().iter().find(|line| line.contains(text)).cloned();
        known.map_or_else(|| Ok(self.process.try_line(text, SOON)?), Ok)
    }

    /// Reads some 10,000 of the accounts; fails unless all are right, and no further one is there.
    /// Returns how many were read.
    pub(crate) fn has_accounts(&self, accounts: u64) -> Result<u64> {
        let (mut client, mut read) = (Client::connect(self.address), 0);
        let step = usize::try_from(accounts / 10_000 + 1)?;
        for number in (0..accounts).rev().step_by(step) {
            let id = FIRST + number;
            let response = client.get(&format!("/accounts/{id}"));
            let is_right = is_account(id, str::from_utf8(response.body())?);
            ensure!(response.status() == 200 && is_right, "account {id}: {response:?}");
            read += 1;
        }
        let beyond = client.get(&format!("/accounts/{}", FIRST + accounts)).status();
        ensure!(beyond == 404, "the account after the last one: {beyond}");
        Ok(read)
    }
}

/// What a process uses, as `/proc` shows it.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    /// Resident memory now and at most so far, in KiB.
    pub(crate) memory: u64,
    pub(crate) peak_memory: u64,
    pub(crate) descriptors: usize,
    /// Processor time so far, in steps of 10 ms.
    pub(crate) cpu: Duration,
}

impl Usage {
    pub(crate) fn of(id: u32) -> Result<Self> {
        let process = procfs::process::Process::new(i32::try_from(id)?)?;
        let (status, stat) = (process.status()?, process.stat()?);
        Ok(Self {
            memory: status.vmrss.context("the process has ended")?,
            peak_memory: status.vmhwm.context("the process has ended")?,
            descriptors: process.fd_count()?,
            cpu: Duration::from_millis(10 * (stat.utime + stat.stime)),
        })
    }
}

/// A start of the service with its database in `folder`, without settings from the environment.
pub(crate) fn command(binary: &Path, folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command.current_dir(folder).env_clear();
    command.args(["--address=127.0.0.1", "--port=0"]).args(args);
    command
}

/// One GET on a connection of its own, for servers that answer at once.
pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<Response<Bytes>> {
    Client::try_connect(address, Duration::from_secs(2))?.try_request(&Method::GET, path)
}
