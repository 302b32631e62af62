//! A server as a process of its own: started, observed and ended.

use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::{TIMEOUT, eventually};

/// The log entry of a service that serves: this text, then the port.
pub const SERVING: &str = "Starting HTTP service at ";

/// The log entry of a service that serves metrics: this text, then the port.
pub const SERVING_METRICS: &str = "Serving metrics at ";

/// A running process. It is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    errors: Receiver<String>,
    log: Vec<String>,
}

impl Process {
    /// Starts a process with the command's arguments, environment and folder. Its standard output is
    /// read as a log, its standard error is kept for the end.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (line_sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let stdout = BufReader::new(stdout.expect("it is piped"));
            // An error means that the process has been dropped.
            stdout.lines().map_while(Result::ok).try_for_each(|line| line_sender.send(line))
        });
        let (error_sender, errors) = mpsc::channel();
        thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.expect("it is piped").read_to_end(&mut text);
            error_sender.send(String::from_utf8_lossy(&text).into_owned())
        });
        Ok(Self { child, lines, errors, log: Vec::new() })
    }

    /// The lines of the log that have been waited for, and all before them. After
    /// [`wait`](Self::wait) the whole log.
    pub fn log(&self) -> &[String] {
        &self.log
    }

    /// Waits for the next line that contains `text`.
    #[track_caller]
    pub fn line(&mut self, text: &str) -> String {
        self.try_line(text, TIMEOUT).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Waits for the next line that contains `text`. `UnexpectedEof`: the log ended; `TimedOut`: it
    /// has no such line yet. The error contains the log.
    pub fn try_line(&mut self, text: &str, timeout: Duration) -> io::Result<String> {
        let start = Instant::now();
        loop {
            let kind = match self.lines.recv_timeout(timeout.saturating_sub(start.elapsed())) {
                Ok(line) => {
                    self.log.push(line.clone());
                    if line.contains(text) {
                        return Ok(line);
                    }
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => ErrorKind::TimedOut,
                Err(RecvTimeoutError::Disconnected) => ErrorKind::UnexpectedEof,
            };
            let errors = self.errors.recv_timeout(Duration::from_millis(100)).unwrap_or_default();
            let message = format!("no line with {text:?}: {:#?} {errors}", self.log);
            return Err(io::Error::new(kind, message));
        }
    }

    /// Waits for the next line that contains `text` and then a number, such as [`SERVING`].
    #[track_caller]
    pub fn port(&mut self, text: &str) -> u16 {
        let line = self.line(text);
        let after = line.split_once(text).unwrap_or_default().1;
        let end = after.find(|char: char| !char.is_ascii_digit()).unwrap_or(after.len());
        after[..end].parse().unwrap_or_else(|error| panic!("no port in {line:?}: {error}"))
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `TERM`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "could not send {name}");
    }

    /// Sends SIGKILL and waits for the end.
    #[track_caller]
    pub fn kill(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.wait();
    }

    /// Waits for the end. Returns the exit status and the whole standard error.
    #[track_caller]
    pub fn wait(&mut self) -> (ExitStatus, String) {
        let mut status = None;
        eventually("the process ends", || {
            status = self.child.try_wait().expect("the process is a child");
            status.is_some()
        });
        // Both streams end with the process.
        while let Ok(line) = self.lines.recv_timeout(TIMEOUT) {
            self.log.push(line);
        }
        let errors = self.errors.recv_timeout(TIMEOUT).unwrap_or_default();
        (status.expect("the process has ended"), errors)
    }

    /// Ends the process with SIGTERM, and expects success and an empty standard error.
    #[track_caller]
    pub fn stop(mut self) {
        self.signal("TERM");
        let (status, errors) = self.wait();
        assert!(status.success() && errors.is_empty(), "{status}: {errors}");
    }

    /// The processor time that the process has used, in steps of 10 ms.
    #[track_caller]
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("it runs");
        // proc_pid_stat(5): after the name in brackets, `utime` and `stime` are the 12th and 13th
        // field, in hundredths of a second.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks = fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number"));
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
