//! One run of the binary in a folder of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::client::{Client, PATIENCE, eventually};

/// A folder that is gone at the end of the test.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path().join("accounts.db")
    }

    /// The binary, on any port of the loopback interface.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_accountservice"));
        self.prepare(&mut command, arguments);
        command
    }

    /// As `command`, but the shell does something first.
    pub(crate) fn command_after(&self, first: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("sh");
        let run = format!(r#"{first}; exec "$0" "$@""#);
        command.args(["-c", &run, env!("CARGO_BIN_EXE_accountservice")]);
        self.prepare(&mut command, arguments);
        command
    }

    fn prepare(&self, command: &mut Command, arguments: &[&str]) {
        command.current_dir(self.path()).args(["--port=0", "--address=127.0.0.1"]).args(arguments);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ACCOUNTSERVICE_")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    }

    /// Starts the service and waits until it serves.
    pub(crate) fn start(&self, arguments: &[&str]) -> Service {
        let mut service = Service::spawn(&mut self.command(arguments));
        service.serves();
        service
    }
}

pub(crate) struct Service {
    child: Child,
    lines: mpsc::Receiver<String>,
    /// What has been read of the log so far.
    pub(crate) log: Vec<String>,
    pub(crate) port: u16,
}

impl Service {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the binary runs");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (read, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = read.send(line);
            }
        });
        Self { child, lines, log: Vec::new(), port: 0 }
    }

    /// Waits for a line with this text.
    pub(crate) fn says(&mut self, text: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("it never said {text:?}: {:#?}", self.log);
            };
            self.log.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits until it serves.
    pub(crate) fn serves(&mut self) {
        self.port = self.says_port("Starting HTTP service at ");
    }

    /// Waits for a line that ends with this text and a port.
    pub(crate) fn says_port(&mut self, text: &str) -> u16 {
        let line = self.says(text);
        let digits = line.chars().rev().skip_while(|c| !c.is_ascii_digit());
        let digits: Vec<_> = digits.take_while(char::is_ascii_digit).collect();
        let port: String = digits.into_iter().rev().collect();
        port.parse().expect("a port")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// Asks on a connection of its own; status and body.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let answer = self.connect().get(path);
        (answer.status().as_u16(), String::from_utf8(answer.body().to_vec()).expect("UTF-8"))
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("a kill command").success());
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is ours");
    }

    /// Waits until it ends; its status, and all that it has said on standard error.
    pub(crate) fn ends(&mut self) -> (ExitStatus, String) {
        let mut status = None;
        eventually("the process ends", || {
            status = self.child.try_wait().expect("it is ours");
            status.is_some()
        });
        // The log ends with the process.
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.log.push(line);
        }
        let mut errors = String::new();
        let stderr = self.child.stderr.as_mut().expect("a pipe");
        stderr.read_to_string(&mut errors).expect("UTF-8");
        (status.expect("it has ended"), errors)
    }

    /// Ends it with SIGTERM, as whoever has no more questions.
    pub(crate) fn stops(mut self) {
        self.signal("TERM");
        let (status, errors) = self.ends();
        assert!(status.success() && errors.is_empty(), "{status}: {errors}");
    }

    /// The processor time that the process has used so far.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        // proc_pid_stat(5): after the name in brackets, `utime` and `stime` are the 12th and 13th
        // field, in hundredths of a second.
        let fields = stat.rsplit_once(')').expect("a name").1.split_whitespace();
        let times = fields.skip(11).take(2).map(|time| time.parse::<u64>().expect("a number"));
        Duration::from_millis(times.sum::<u64>() * 10)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
