//! `faults`: the static binaries under overload, faults and attacks, as real processes on loopback,
//! and what came of it as a table. Each fault lives in the file of its group. What the engine adds, a
//! container under its memory limit, is `soak`.

mod attack;
mod crash;
mod disk;
mod limits;
pub(crate) mod process;
mod saturation;
mod suites;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::artifacts::Artifacts;
use crate::command::{command, read, target};
use crate::interrupt::Interrupt;

pub(crate) use process::{descriptors, memory};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The full counts: thousands more connections, hundreds of kills
    #[arg(long)]
    long: bool,
    /// Repeat the moments of a former run
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Only the faults whose name has this in it
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Write the table here too
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What was observed, when it was as it has to be. An error says what was not.
type Observed = Result<String>;

/// A fault: its name, and what to do.
type Fault = (&'static str, fn(&Scene) -> Observed);

const GROUPS: [&[Fault]; 6] = [
    &saturation::FAULTS,
    &limits::FAULTS,
    &crash::FAULTS,
    &disk::FAULTS,
    &attack::FAULTS,
    &suites::FAULTS,
];

/// Why a fault could not be brought about on this machine.
#[derive(Debug)]
struct Skipped(String);

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skipped {}

/// What the faults share.
struct Scene {
    artifacts: Artifacts,
    folder: PathBuf,
    long: bool,
    seed: u64,
    done: RefCell<String>,
}

impl Scene {
    /// Says what is being done, in the table and meanwhile.
    fn does(&self, what: impl Into<String>) {
        let what = what.into();
        eprintln!("    {what}");
        self.done.replace(what);
    }

    /// The larger number in the long form.
    fn count(&self, short: usize, long: usize) -> usize {
        if self.long { long } else { short }
    }

    /// A new folder for this fault.
    fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }

    /// The service with a database in this folder, on a port of the system's choice.
    fn service(&self, folder: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(&self.artifacts.service);
        command.current_dir(folder).args(["--port=0", "--address=127.0.0.1"]).args(args);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ACCOUNTSERVICE_")) {
            command.env_remove(name);
        }
        command
    }

    /// The service under limits of `prlimit`, which is part of every Debian.
    fn limited(&self, limit: &str, folder: &Path, args: &[&str]) -> Command {
        let service = self.service(folder, args);
        let mut command = Command::new("prlimit");
        command.arg(limit).arg(service.get_program()).args(service.get_args()).current_dir(folder);
        command
    }

    /// Asks with the probe as it ships, at its default deadline, and says how long it took.
    fn probe(&self, at: SocketAddr) -> Result<(Option<i32>, String, Duration)> {
        let start = Instant::now();
        let port = format!("-port={}", at.port());
        let output = Command::new(&self.artifacts.probe).arg(port).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok((output.status.code(), said, start.elapsed()))
    }

    /// Asks with the probe so many times; each must find it healthy.
    fn probes(&self, at: SocketAddr, count: usize) -> Observed {
        let (mut took, mut failed) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (status, said, time) = self.probe(at)?;
            if status == Some(0) {
                took.push(time);
            } else {
                failed.push(said);
            }
            thread::sleep(Duration::from_millis(50));
        }
        took.sort();
        let [p50, p99, max] = [50, 99, 100].map(|p| percentile(&took, p).as_secs_f64() * 1e3);
        let figures = format!(
            "{} of {count} probes healthy, p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms",
            took.len()
        );
        ensure!(failed.is_empty(), "{figures}; {}", failed[0].trim());
        Ok(figures)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let artifacts = Artifacts::get(None)?;
    let faults = GROUPS.into_iter().flatten().filter(|(name, _)| name.contains(&args.only));
    let faults: Vec<_> = faults.collect();
    ensure!(!faults.is_empty(), "no fault has {:?} in its name", args.only);
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;

    let folder = target().join("faults").join(std::process::id().to_string());
    end_when_interrupted(folder.clone())?;
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let seed = args.seed.unwrap_or(now.as_secs());
    let scene = Scene { artifacts, folder, long: args.long, seed, done: RefCell::default() };
    let (start, mut rows, mut failed) = (Instant::now(), String::new(), 0);
    for (number, (name, fault)) in faults.iter().enumerate() {
        eprintln!("--- {} of {}: {name}", number + 1, faults.len());
        let start = Instant::now();
        let (observed, verdict) = match fault(&scene) {
            Ok(observed) => (observed, "pass"),
            Err(error) if error.is::<Skipped>() => (format!("{error:#}"), "skipped"),
            Err(error) => (format!("{error:#}"), "**FAIL**"),
        };
        failed += usize::from(verdict == "**FAIL**");
        let done = scene.done.take();
        eprintln!("    {:.1} s. {verdict}: {observed}", start.elapsed().as_secs_f64());
        writeln!(rows, "| {name} | {} | {} | {verdict} |", cell(&done), cell(&observed))?;
    }
    let table = report(args, seed, &rows, start.elapsed());
    print!("{table}");
    if let Some(path) = &args.output {
        fs::write(path, &table).with_context(|| format!("cannot write {}", path.display()))?;
    }
    eprintln!("{} of {} faults were withstood or skipped.", faults.len() - failed, faults.len());
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is in the way of being ended may be anywhere, so that this does not wait for it.
pub(crate) fn end_when_interrupted(folder: PathBuf) -> Result<()> {
    let interrupt = Interrupt::listen()?;
    thread::spawn(move || {
        while !interrupt.within(Duration::from_hours(1)) {}
        let _nothing_starts = process::end_all();
        let _ = fs::remove_dir_all(folder);
        eprintln!("error: interrupted; what was started has been ended");
        std::process::exit(130);
    });
    Ok(())
}

fn report(args: &Args, seed: u64, rows: &str, took: Duration) -> String {
    let read = |program: &str, args: &[&str]| {
        let text = read(&mut command(program, args));
        text.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
    };
    let kernel = read("uname", &["--kernel-release"]);
    // What comes after the first dash is the name that somebody gave to a build.
    let kernel = kernel.split('-').next().unwrap_or_default();
    let commit = read("git", &["rev-parse", "--short", "HEAD"]);
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let long = if args.long { " --long" } else { "" };
    format!(
        "# What the service withstands\n\n\
         Written by `cargo xtask faults{long} --output docs/faults.md`; edit nothing here. Each row ran \
         against the static binaries as they ship.\n\n\
         - machine: {cores} cores, Linux {kernel}, {}\n\
         - commit: {commit}\n\
         - took: {} s after the build\n\
         - to repeat it with the same random moments: `cargo xtask faults{long} --seed {seed}`\n\n\
         | fault | what was done | what was observed | verdict |\n|---|---|---|---|\n{rows}",
        std::env::consts::ARCH,
        took.as_secs()
    )
}

/// Text as a cell of a markdown table can hold it.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// Of sorted times, the smallest that this many percent do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_that_was_measured() {
        let times: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Duration::from_millis(100));
        assert_eq!(percentile(&times, 99), Duration::from_millis(198));
        assert_eq!(percentile(&times, 100), Duration::from_millis(200));
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }
}
