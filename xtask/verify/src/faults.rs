//! `faults`: the static binaries under overload, faults and attacks, as real processes on loopback
//! and as a deployment on an engine, and a table of the outcome. Each fault is in the file of its
//! group. It runs no test: `cargo xtask check` does, also those of a store that fails in a process.

mod crash;
mod disk;
mod healing;
mod limits;
mod postgres;
mod saturation;

use std::any::Any;
use std::cell::{OnceCell, RefCell};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, Error, Result, ensure};

use crate::artifacts::Artifacts;
use crate::command::{Scratch, target};
use crate::deployment::Deployment;
use crate::machine::Machine;
use crate::service::{self, Service};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The full counts: thousands more connections, hundreds of kills
    #[arg(long)]
    long: bool,
    /// Repeat the moments of a former run
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Only the faults with this text in their name
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Write the table here too
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What was observed, if it was as it has to be. An error says what was not.
type Observed = Result<String>;

/// A fault: its name, and what to do.
type Fault = (&'static str, fn(&Run) -> Observed);

/// A fault that is made from data.
type FaultOfRow = (String, Box<dyn Fn(&Run) -> Observed>);

const GROUPS: [&[Fault]; 5] =
    [&saturation::FAULTS, &limits::FAULTS, &crash::FAULTS, &disk::FAULTS, &healing::FAULTS];

/// Why a fault could not be brought about on this machine.
#[derive(Debug)]
struct Skipped(&'static str);

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// What the faults share.
struct Run {
    artifacts: Artifacts,
    /// Of the faults that need an engine.
    deployment: OnceCell<Deployment>,
    scratch: Scratch,
    long: bool,
    seed: u64,
    done: RefCell<String>,
}

impl Run {
    /// Says what is being done, now and in the table.
    fn does(&self, what: impl Into<String>) {
        let what = what.into();
        eprintln!("    {what}");
        self.done.replace(what);
    }

    /// The larger number in the long form.
    fn count(&self, short: usize, long: usize) -> usize {
        if self.long { long } else { short }
    }

    /// The service with a database in this folder, once it listens.
    fn serve(&self, folder: impl AsRef<Path>, args: &[&str]) -> Result<Service> {
        Service::start(&mut self.service(&self.scratch.folder(folder)?, args))
    }

    /// The service with a database in this folder.
    fn service(&self, folder: &Path, args: &[&str]) -> Command {
        service::command(&self.artifacts.service, folder, args)
    }

    /// The service under a limit of `prlimit`, which is part of every Debian.
    fn limited(&self, limit: &str, folder: &Path, args: &[&str]) -> Command {
        let service = self.service(folder, args);
        let mut command = Command::new("prlimit");
        command.arg(limit).arg(service.get_program()).args(service.get_args()).current_dir(folder);
        command
    }

    /// Exit status and standard error of the probe, as it ships, with its default deadline.
    fn probe(&self, address: SocketAddr) -> Result<(Option<i32>, String)> {
        let port = format!("-port={}", address.port());
        let output = Command::new(&self.artifacts.probe).arg(port).output()?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }

    /// Asks this many times with the probe; each must find the service healthy.
    fn probes(&self, address: SocketAddr, count: usize) -> Observed {
        let (mut total, mut longest) = (Duration::ZERO, Duration::ZERO);
        for number in 0..count {
            let start = Instant::now();
            let (status, error) = self.probe(address)?;
            let took = start.elapsed();
            ensure!(status == Some(0), "{number} probes were healthy, then {error}");
            (total, longest) = (total + took, longest.max(took));
            thread::sleep(Duration::from_millis(50));
        }
        let mean = total.as_millis() / count as u128;
        Ok(format!(
            "{count} probes, all healthy, {mean} ms on average, {} ms at most",
            longest.as_millis()
        ))
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let faults = GROUPS.into_iter().flatten();
    let faults =
        faults.map(|(name, fault)| -> FaultOfRow { ((*name).to_owned(), Box::new(*fault)) });
    let faults = faults.chain(postgres::faults()).filter(|(name, _)| name.contains(&args.only));
    let faults: Vec<_> = faults.collect();
    ensure!(!faults.is_empty(), "no fault has {:?} in its name", args.only);
    let artifacts = Artifacts::get(None)?;
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    let run = Run {
        artifacts,
        deployment: OnceCell::new(),
        scratch: Scratch::new(&target().join("faults"))?,
        long: args.long,
        seed,
        done: RefCell::default(),
    };
    let (start, mut rows, mut failed) = (Instant::now(), String::new(), 0);
    for (number, (name, fault)) in faults.iter().enumerate() {
        eprintln!("--- {} of {}: {name}", number + 1, faults.len());
        let start = Instant::now();
        // The HTTP client panics where the service does not do what is expected.
        let tried = catch_unwind(AssertUnwindSafe(|| fault(&run)));
        let (observed, verdict) = match tried.unwrap_or_else(|panic| Err(message(&*panic))) {
            Ok(observed) => (observed, "pass"),
            Err(error) if error.is::<Skipped>() => (format!("{error:#}"), "skipped"),
            Err(error) => (format!("{error:#}"), "**FAIL**"),
        };
        failed += usize::from(verdict == "**FAIL**");
        let done = run.done.take();
        eprintln!("    {:.1} s. {verdict}: {observed}", start.elapsed().as_secs_f64());
        writeln!(rows, "| {name} | {} | {} | {verdict} |", cell(&done), cell(&observed))?;
    }
    let table = report(args, seed, &rows, start.elapsed(), &Machine::look(&run.scratch.path));
    print!("{table}");
    if let Some(path) = &args.output {
        fs::write(path, &table).with_context(|| format!("cannot write {}", path.display()))?;
    }
    eprintln!("{} of {} faults were withstood or skipped.", faults.len() - failed, faults.len());
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(args: &Args, seed: u64, rows: &str, took: Duration, machine: &Machine) -> String {
    let Machine { cores, kernel, architecture, commit, .. } = machine;
    let long = if args.long { " --long" } else { "" };
    format!(
        "# What the service withstands\n\n\
         Written by `cargo xtask faults{long} --output docs/faults.md`; edit nothing here. Each row ran \
         against the static binaries as they ship. A store that fails in the process, and hostile requests, \
         are tests of `cargo xtask check`: `store_faults` and `hostile`.\n\n\
         - machine: {cores} cores, Linux {kernel}, {architecture}\n\
         - commit: {commit}\n\
         - took: {} s after the build\n\
         - to repeat it with the same random moments: `cargo xtask faults{long} --seed {seed}`\n\n\
         | fault | what was done | what was observed | verdict |\n|---|---|---|---|\n{rows}",
        took.as_secs()
    )
}

fn message(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    Error::msg(text.unwrap_or("a panic without a message").to_owned())
}

/// Text as a cell of a markdown table can hold it.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
