//! Processes under test: each is ended by its id, whatever becomes of the test, and what they say
//! and use is looked at from outside.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::command::{command, read};

/// How long anything may take to start or to end that is not meant to take its time.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// What must not outlive this command, even if it is interrupted.
static LIVING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
static MOUNTS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Ends all that was started, at once. Nothing is started any more: the locks are kept.
pub(crate) fn end_all()
-> (MutexGuard<'static, BTreeSet<u32>>, MutexGuard<'static, BTreeSet<PathBuf>>) {
    let (living, mounts) = (lock(&LIVING), lock(&MOUNTS));
    for id in &*living {
        let _ = signal(*id, Signal::SIGKILL);
    }
    for at in &*mounts {
        let _ = command("umount", ["--lazy".as_ref(), at.as_os_str()]).output();
    }
    (living, mounts)
}

fn lock<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signal(id: u32, signal: Signal) -> Result<()> {
    let id = i32::try_from(id).context("a process id beyond what there can be")?;
    kill(Pid::from_raw(id), signal).with_context(|| format!("cannot send {signal} to {id}"))
}

/// A running process, and the lines that it prints.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    /// All lines that have been looked at.
    pub(crate) said: Vec<String>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut living = lock(&LIVING);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        living.insert(child.id());
        drop(living);
        let (sender, lines) = mpsc::channel();
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|out| Box::new(out) as _),
            child.stderr.take().map(|err| Box::new(err) as _),
        ];
        for stream in streams.into_iter().flatten() {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Self { child, lines, said: Vec::new() })
    }

    /// The first line that has this in it.
    pub(crate) fn says(&mut self, what: &str, within: Duration) -> Result<String> {
        let start = Instant::now();
        while let Ok(line) = self.lines.recv_timeout(within.saturating_sub(start.elapsed())) {
            self.said.push(line.clone());
            if line.contains(what) {
                return Ok(line);
            }
        }
        bail!("it did not say {what:?} but {:?}", self.said.last())
    }

    /// Whether a line has this in it, once the process has ended or up to now.
    pub(crate) fn said(&mut self, what: &str) -> bool {
        self.said.extend(self.lines.try_iter());
        self.said.iter().any(|line| line.contains(what))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn terminate(&self) -> Result<()> {
        signal(self.id(), Signal::SIGTERM)
    }

    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// SIGKILL, and all that it had said until then.
    pub(crate) fn kill(mut self) -> Result<Vec<String>> {
        self.child.kill()?;
        self.ends_within(SOON)?;
        Ok(std::mem::take(&mut self.said))
    }

    /// Waits for its end and reads what it has said.
    pub(crate) fn ends_within(&mut self, time: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            ensure!(start.elapsed() < time, "it still runs after {time:?}");
            thread::sleep(Duration::from_millis(1));
        };
        lock(&LIVING).remove(&self.id());
        // The end of both streams ends this.
        self.said.extend(self.lines.iter());
        Ok(status)
    }

    /// A line of `/proc/ID/status`, in KiB.
    pub(crate) fn memory(&self, key: &str) -> Option<u64> {
        memory(self.id(), key)
    }

    pub(crate) fn descriptors(&self) -> Result<usize> {
        descriptors(self.id())
    }

    /// Cuts the number of descriptors that it may open.
    pub(crate) fn limit_descriptors(&self, most: u64) -> Result<()> {
        let (id, limit) = (self.id().to_string(), format!("--nofile={most}:{most}"));
        read(&mut command("prlimit", ["--pid", &id, &limit])).map(drop)
    }

    /// Processor time so far, in user and system mode. The unit of `/proc` is 10 ms.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks = fields.skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
        Ok(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        lock(&LIVING).remove(&self.child.id());
    }
}

/// A line of `/proc/ID/status`, in KiB, such as `VmRSS`.
pub(crate) fn memory(id: u32, key: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

pub(crate) fn descriptors(id: u32) -> Result<usize> {
    let folder = format!("/proc/{id}/fd");
    Ok(fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))?.count())
}

/// The service, listening on a port that the system chose.
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) at: SocketAddr,
}

impl Service {
    /// Starts it and waits until it listens.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut process = Process::start(command)?;
        let line = process.says("Starting HTTP service at ", SOON)?;
        let port = line.rsplit(' ').next().unwrap_or_default();
        let port = port.parse().with_context(|| format!("no port in {line:?}"))?;
        Ok(Self { process, at: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) })
    }
}

/// A small file system in memory, where this is allowed.
pub(crate) struct Mount(PathBuf);

impl Mount {
    pub(crate) fn at(path: PathBuf, size: &str) -> Result<Self> {
        let mut mounts = lock(&MOUNTS);
        fs::create_dir_all(&path)?;
        let options = format!("--options=size={size}");
        let place = path.display().to_string();
        read(&mut command("mount", ["--types=tmpfs", &options, "tmpfs", &place]))?;
        mounts.insert(path.clone());
        Ok(Self(path))
    }

    pub(crate) fn make_read_only(&self) -> Result<()> {
        let path = self.0.display().to_string();
        read(&mut command("mount", ["--options=remount,ro", &path])).map(drop)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = command("umount", [&self.0]).output();
        lock(&MOUNTS).remove(&self.0);
    }
}
