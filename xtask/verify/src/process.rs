//! Processes under test: started here, ended by their id whatever becomes of the test, and observed
//! through their output and `/proc`. Programs that only run to their end are in `command.rs`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cleanup::Cleanup;
use crate::command::{command, read};

/// How long a start, an end or a recovery may take that is not slow on purpose.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A running process and its output.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    /// The lines that were received so far, of standard output and standard error.
    pub(crate) output: Vec<String>,
    cleanup: Cleanup,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn();
        let program = command.get_program().display();
        let mut child = child.with_context(|| format!("cannot start {program}"))?;
        let pid = pid(child.id());
        let cleanup = Cleanup::new(move || _ = kill(pid, Signal::SIGKILL));
        let (sender, lines) = mpsc::channel();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        if let (Some(stdout), Some(stderr)) = (stdout, stderr) {
            forward(stdout, sender.clone());
            forward(stderr, sender);
        }
        Ok(Self { child, lines, output: Vec::new(), cleanup })
    }

    /// Waits for a line that contains `text`, unless there was one already.
    pub(crate) fn wait_for(&mut self, text: &str, within: Duration) -> Result<String> {
        let (start, mut seen) = (Instant::now(), 0);
        loop {
            if let Some(line) = self.output[seen..].iter().find(|line| line.contains(text)) {
                return Ok(line.clone());
            }
            seen = self.output.len();
            match self.lines.recv_timeout(within.saturating_sub(start.elapsed())) {
                Ok(line) => self.output.push(line),
                Err(_) => bail!("its output has no {text:?}, but {:?}", self.output.last()),
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn terminate(&self) -> Result<()> {
        Ok(kill(pid(self.id()), Signal::SIGTERM)?)
    }

    /// Ends the process with SIGKILL and returns its output.
    pub(crate) fn kill(mut self) -> Result<Vec<String>> {
        self.child.kill()?;
        self.ends_within(SOON)?;
        Ok(std::mem::take(&mut self.output))
    }

    /// Waits for the end of the process and of its output.
    pub(crate) fn ends_within(&mut self, time: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            ensure!(start.elapsed() < time, "it still runs after {time:?}");
            thread::sleep(Duration::from_millis(1));
        };
        self.cleanup.cancel();
        self.output.extend(self.lines.iter());
        Ok(status)
    }

    /// Lowers the number of descriptors that the process may open.
    pub(crate) fn limit_descriptors(&self, most: u64) -> Result<()> {
        let (id, limit) = (self.id().to_string(), format!("--nofile={most}:{most}"));
        read(&mut command("prlimit", &["--pid", &id, &limit])).map(drop)
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(self.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.cleanup.cancel();
    }
}

/// What a process uses at one moment.
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
            memory: status.vmrss.context("it has ended")?,
            peak_memory: status.vmhwm.context("it has ended")?,
            descriptors: process.fd_count()?,
            cpu: ticks(stat.utime + stat.stime),
        })
    }
}

/// Waits until this holds; returns how long it took.
pub(crate) fn until(
    what: &str,
    within: Duration,
    mut holds: impl FnMut() -> bool,
) -> Result<Duration> {
    let start = Instant::now();
    while !holds() {
        ensure!(start.elapsed() < within, "waited {within:?} in vain until {what}");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(start.elapsed())
}

/// The unit of time of `/proc`.
pub(crate) fn ticks(ticks: u64) -> Duration {
    Duration::from_millis(10 * ticks)
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).expect("the kernel's ids fit"))
}

fn forward(stream: impl Read + Send + 'static, sender: mpsc::Sender<String>) {
    thread::spawn(move || {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        lines.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
    });
}
