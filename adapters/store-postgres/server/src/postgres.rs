//! A server, which can be configured, signalled, ended and run again.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Home, free_port, installed};

/// A server with the user `app`, whose password is `secret`, and a database `accounts` that belongs
/// to it. Dropping it ends it.
pub struct Postgres {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    home: Home,
    bin: PathBuf,
    child: Option<Child>,
}

impl Postgres {
    /// A running server with an empty database, or `None` where `PostgreSQL` is not installed.
    pub fn start() -> Option<Self> {
        let mut server = Self::initialize()?;
        server.run(&[]);
        server.query("postgres", "CREATE ROLE app LOGIN PASSWORD 'secret'");
        server.query("postgres", "CREATE DATABASE accounts OWNER app");
        Some(server)
    }

    fn initialize() -> Option<Self> {
        let bin = installed()?;
        let home = Home::new();
        let mut initdb = home.command(bin.join("initdb"));
        initdb.args(["--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256"]);
        initdb.args(["--username=postgres", "--encoding=UTF8", "--no-locale", "--pgdata=data"]);
        complete(&mut initdb);
        Some(Self { port: free_port(), home, bin, child: None })
    }

    /// A running server that follows this one as its standby.
    #[must_use]
    pub fn standby(&self) -> Self {
        let home = Home::new();
        let mut copy = home.command(self.bin.join("pg_basebackup"));
        copy.arg("--host").arg(self.folder()).args(["--port", &self.port.to_string()]);
        copy.args(["--username=postgres", "--pgdata=data", "--write-recovery-conf", "--no-sync"]);
        complete(copy.arg("--checkpoint=fast"));
        let mut standby = Self { port: free_port(), home, bin: self.bin.clone(), child: None };
        standby.run(&[]);
        standby
    }

    /// Runs the server, with these settings besides the usual ones, until it answers.
    pub fn run(&mut self, settings: &[&str]) {
        let log = fs::File::options().append(true).create(true).open(self.home.path("log"));
        let mut command = self.home.command(self.bin.join("postgres"));
        command.args(["-D", "data", "-F", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        command.arg("-k").arg(self.folder());
        for setting in settings {
            command.args(["-c", setting]);
        }
        command.stderr(log.expect("room")).stdout(Stdio::null());
        self.child = Some(command.spawn().expect("postgres"));
        let start = Instant::now();
        while let Err(error) = self.try_query("postgres", "SELECT 1") {
            assert!(start.elapsed() < Duration::from_secs(20), "{error}: {}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Executes statements as the superuser, and returns what `psql` prints.
    pub fn query(&self, database: &str, sql: &str) -> String {
        self.try_query(database, sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn try_query(&self, database: &str, sql: &str) -> Result<String, String> {
        let output = self.psql(database).args(["--command", sql]).output().expect("psql");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// As the superuser, by the local socket.
    fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.arg("--host").arg(self.folder()).args(["--port", &self.port.to_string()]);
        psql.args(["--username=postgres", "--dbname", database, "--no-psqlrc", "--quiet"]);
        psql.args(["--tuples-only", "--no-align"]);
        psql
    }

    /// How long it takes to log in by TCP and to query once, on this machine and at this moment. The
    /// start of a process is part of it.
    pub fn time_of_a_login(&self) -> Duration {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["--no-psqlrc", "--command=SELECT 1", &self.url("")]);
        let started_at = Instant::now();
        complete(&mut psql);
        started_at.elapsed()
    }

    /// Locks the table of accounts until the guard is dropped.
    pub(crate) fn lock_accounts(&self) -> TableLock {
        let mut psql = self.psql("accounts");
        let mut session = psql.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("psql");
        let mut input = session.stdin.take().expect("it is piped");
        writeln!(input, "BEGIN; LOCK TABLE accounts; SELECT 'locked';").expect("a session");
        let mut output = BufReader::new(session.stdout.take().expect("it is piped"));
        output.read_line(&mut String::new()).expect("a line");
        TableLock { input: Some(input), session }
    }

    /// The one number that a query in `accounts` gives.
    pub fn number(&self, sql: &str) -> i64 {
        self.query("accounts", sql).parse().expect("a number")
    }

    /// The URL of the database, with these parameters.
    pub fn url(&self, parameters: &str) -> String {
        format!("postgres://app:secret@127.0.0.1:{}/accounts{parameters}", self.port)
    }

    /// The folder of its local socket.
    pub fn folder(&self) -> &Path {
        self.home.folder.path()
    }

    /// The server's own log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home.path("log")).unwrap_or_default()
    }

    /// Writes a file that the server may read, and returns its path. The server's own files are in
    /// `data`.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        self.home.write(name, text)
    }

    /// The processor time that the server has used since it was run.
    pub fn processor_time(&self) -> Duration {
        let server = pid(self.child.as_ref().expect("it runs"));
        let read = |process, file| fs::read_to_string(format!("/proc/{process}/{file}"));
        let processes = children(server).into_iter().chain([server]);
        let own = processes.map(|process| {
            let schedstat = read(process, "schedstat").unwrap_or_default();
            schedstat.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0)
        });
        let own = Duration::from_nanos(own.sum());
        // proc_pid_stat(5): after the name in brackets, the 14th and 15th field are those of processes
        // that have ended, in hundredths of a second.
        let stat = read(server, "stat").expect("it runs");
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ended = fields.skip(13).take(2).map(|ticks| ticks.parse::<u64>().expect("a number"));
        own + Duration::from_millis(ended.sum::<u64>() * 10)
    }

    /// Sends a signal to every process of the server.
    pub fn signal_all(&self, signal: Signal) {
        let server = pid(self.child.as_ref().expect("it runs"));
        for pid in [server].into_iter().chain(children(server)) {
            let _ = kill(pid, signal);
        }
    }

    /// Sends a signal to the server, which is to end it, and waits for the end.
    pub fn end(&mut self, signal: Signal) {
        let Some(mut child) = self.child.take() else { return };
        let pid = pid(&child);
        let children = children(pid);
        kill(pid, signal).expect("it runs");
        child.wait().expect("a child");
        // A killed server leaves its processes behind for a moment.
        for child in children {
            let _ = kill(child, Signal::SIGKILL);
            while kill(child, None).is_ok() {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// A session that holds a lock. The end of its input ends it.
pub(crate) struct TableLock {
    input: Option<ChildStdin>,
    session: Child,
}

impl Drop for TableLock {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.session.wait();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.signal_all(Signal::SIGCONT);
            self.end(Signal::SIGQUIT);
        }
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().expect("a process id"))
}

fn children(parent: Pid) -> Vec<Pid> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let children = fs::read_to_string(path).unwrap_or_default();
    let pids = children.split_whitespace().map(|pid| Pid::from_raw(pid.parse().expect("a number")));
    pids.collect()
}

/// Runs a command to its end, which is to be a good one.
fn complete(command: &mut Command) {
    let output = command.output().expect("a program of PostgreSQL");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
