//! `accountservice` as a process on loopback, for `faults` and `bench`. The flags and log lines that
//! they rely on stand here, once.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::http::Client;
use crate::process::{Process, SOON};

pub(crate) const HEADER_TIMEOUT: &str = "--head-timeout";
pub(crate) const KEEP_ALIVE_TIMEOUT: &str = "--idle-timeout";
pub(crate) const SHUTDOWN_TIMEOUT: &str = "--drain-timeout";

pub(crate) const LISTENING: &str = "Starting HTTP service at ";
pub(crate) const SEEDED: &str = "Seeded";
/// At the level debug, with the number of new accounts in front.
pub(crate) const NEW_ACCOUNTS: &str = " of them were new";
pub(crate) const AT_THE_LIMIT: &str = "others are turned away";
pub(crate) const FEW_DESCRIPTORS: &str = "open files allows for";
pub(crate) const CANNOT_ACCEPT: &str = "Cannot accept connections";
pub(crate) const GAVE_UP: &str = "Gave up on requests";

/// The first account.
pub(crate) const FIRST: u64 = 10_000;

/// The service, listening on a port that the system chose.
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Service {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut process = Process::start(command)?;
        let line = process.wait_for(LISTENING, SOON)?;
        let port = line.rsplit(' ').next().unwrap_or_default();
        let port = port.parse().with_context(|| format!("no port in {line:?}"))?;
        Ok(Self { process, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) })
    }

    /// Reads some 10,000 of the accounts; fails unless all are right, and no further one is there.
    /// Returns how many were read.
    pub(crate) fn has_accounts(&self, accounts: u64) -> Result<u64> {
        let (mut client, mut read) = (Client::connect(self.address)?, 0);
        let step = usize::try_from(accounts / 10_000 + 1)?;
        for number in (0..accounts).rev().step_by(step) {
            let (id, name) = (FIRST + number, format!("\"name\":\"Person_{number}\""));
            let response = client.get(&format!("/accounts/{id}"))?;
            let is_right = response.status == 200 && response.body().contains(&name);
            ensure!(is_right, "account {id}: {}", response.text);
            read += 1;
        }
        let beyond = client.get(&format!("/accounts/{}", FIRST + accounts))?.status;
        ensure!(beyond == 404, "the account after the last one: {beyond}");
        Ok(read)
    }
}

/// A start of the service with its database in `folder`, without settings from the environment.
pub(crate) fn command(binary: &Path, folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command.current_dir(folder).args(["--address=127.0.0.1", "--port=0"]).args(args);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ACCOUNTSERVICE_") {
            command.env_remove(name);
        }
    }
    command
}

/// A port without a listener, for servers that cannot choose one themselves.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
