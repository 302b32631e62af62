//! The binary in a folder of its own.

use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use accountservice_host::testing::{Client, Process, SERVING};

/// The error of an address that another socket has, as glibc and musl word it.
pub(crate) const ADDRESS_IN_USE: &str = if cfg!(target_env = "musl") {
    "Address in use (os error 98)"
} else {
    "Address already in use (os error 98)"
};

/// A folder that is removed at the end of the test.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The database of a service without `--database`.
    pub(crate) fn database(&self) -> PathBuf {
        self.path().join("accounts.db")
    }

    /// The bytes of the database; `None` if there is no such file.
    pub(crate) fn database_bytes(&self) -> Option<Vec<u8>> {
        fs::read(self.database()).ok()
    }

    /// The binary, on any port of the loopback interface.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_under(&[], arguments)
    }

    /// The binary in the place of a shell that has run `script`.
    pub(crate) fn command_after(&self, script: &str, arguments: &[&str]) -> Command {
        let script = format!(r#"{script}; exec "$0" "$@""#);
        self.command_under(&["sh", "-c", &script], arguments)
    }

    /// The binary as an argument of another program.
    pub(crate) fn command_under(&self, program: &[&str], arguments: &[&str]) -> Command {
        let mut command = self.bare_command_under(program);
        command.args(["--port=0", "--address=127.0.0.1"]).args(arguments);
        command
    }

    /// The binary without arguments: on its default port and address.
    pub(crate) fn bare_command(&self) -> Command {
        self.bare_command_under(&[])
    }

    fn bare_command_under(&self, program: &[&str]) -> Command {
        let mut words = program.iter().chain(&[env!("CARGO_BIN_EXE_accountservice")]);
        let mut command = Command::new(words.next().expect("at least the binary"));
        command.args(words).current_dir(self.path());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ACCOUNTSERVICE_")) {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Process {
        spawn(self.command(arguments))
    }

    /// Starts the service and waits until it serves.
    #[track_caller]
    pub(crate) fn start(&self, arguments: &[&str]) -> Service {
        Service::of(self.spawn(arguments))
    }
}

pub(crate) fn spawn(mut command: Command) -> Process {
    Process::spawn(&mut command).expect("the program can be started")
}

/// Waits for the end of a process that cannot start. Returns its only line on standard error.
#[track_caller]
pub(crate) fn failure(mut process: Process, status: i32) -> String {
    let (ended, errors) = process.wait();
    assert_eq!(ended.code(), Some(status), "{errors}");
    match errors.strip_suffix('\n') {
        Some(line) if !line.contains('\n') => line.to_owned(),
        _ => panic!("not one line: {errors:?}"),
    }
}

/// A process that serves.
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Service {
    #[track_caller]
    pub(crate) fn of(mut process: Process) -> Self {
        let port = process.port(SERVING);
        Self { process, address: (Ipv4Addr::LOCALHOST, port).into() }
    }

    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// The response to a GET on a connection of its own.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        get(self.address, path)
    }

    /// Ends it with SIGTERM, and expects success.
    #[track_caller]
    pub(crate) fn stop(self) {
        self.process.stop();
    }
}

/// Status and body of the response to a GET on a connection of its own.
#[track_caller]
pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let response = Client::connect(address).get(path);
    let body = String::from_utf8(response.body().to_vec()).expect("UTF-8");
    (response.status().as_u16(), body)
}

/// Says that a test was skipped, on one line that the test runner does not hold back.
pub(crate) fn skipped(name: &str, reason: &str) {
    let reason: Vec<_> = reason.split_whitespace().collect();
    let _ = writeln!(io::stderr(), "SKIPPED {name}: {}", reason.join(" "));
}
