//! `bench`: what the static binaries cost, measured as they ship and with everything on that a user
//! has on. Throughput is compared with a floor that is measured in the same rounds, because ratios
//! hold on other machines and figures do not. The goals stand beside what was measured.

pub(crate) mod floor;
mod growth;
mod histogram;
mod load;
mod memory;
mod peers;
mod report;
mod rounds;
mod server;
mod start;
mod statistics;
mod svg;
mod throughput;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use self::peers::Rival;
use self::report::{Figure, Machine, Report, Row};
use self::server::{Cores, service, stop};
use crate::artifacts::Artifacts;
use crate::command::target;
use crate::faults::end_when_interrupted;
use crate::faults::process::Process;

const HELP: &str = "\
Settings: l64 and l512 are 64 and 512 keep-alive connections with one request at a time, lpipe16 is 64
connections with 16 requests in flight on each. The service has its defaults, and its metrics on.

Columns: medians of the samples, min and max of requests/s; % of floor: of an epoll loop that parses
nothing, measured in the same rounds; CPU and user µs: processor time of the server for each request,
and the part outside the kernel; slowest %: answers on the connection with the fewest, as a share of the
mean; retries: samples taken again because other processes used more than 8 % of a core.

Exit statuses:
  0    measured, whatever goals were missed
  1    an error, or answers that were wrong or lost
  2    bad usage
  130  interrupted";

#[derive(clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// What is measured [default: all]
    #[arg(value_name = "PART")]
    parts: Vec<Part>,
    /// Take the binaries from here instead of building them
    #[arg(long, value_name = "FOLDER")]
    binaries: Option<PathBuf>,
    /// Measure the rivals of this folder too; its build.sh builds them
    #[arg(long, value_name = "FOLDER")]
    peers: Option<PathBuf>,
    /// Only these rivals, such as xitca,hyper-rpc
    #[arg(long, value_name = "NAMES", requires = "peers", value_delimiter = ',')]
    only: Vec<String>,
    /// Samples of each, of which the median counts, 1 or more
    #[arg(long, value_name = "N", default_value = "5", value_parser = positive)]
    rounds: usize,
    /// How long a sample takes, 0.1 to 60
    #[arg(long, value_name = "S", default_value = "2", value_parser = seconds)]
    seconds: Duration,
    /// With 10,000,000 accounts and 50,000,000 requests too, which takes some minutes more
    #[arg(long)]
    long: bool,
    /// Where databases are put while it measures; a start depends on the file system [default: target]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Write all of it as JSON; with -, to standard output, where the tables are otherwise
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw the throughput on one core
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    /// One worker on one core, as a share of the floor
    Throughput,
    /// Two workers on two cores
    Cores,
    /// From 1 to 8,192 connections
    Connections,
    /// From 100 to 1,000,000 accounts
    Growth,
    /// At rest, for idle connections, after millions of requests
    Memory,
    /// Until /health says 200
    Start,
    /// In bytes
    Size,
}

impl Part {
    fn measure(self, bench: &Bench) -> Result<Findings> {
        match self {
            Self::Throughput => throughput::one_core(bench),
            Self::Cores => throughput::two_cores(bench),
            Self::Connections => throughput::connections(bench),
            Self::Growth => growth::run(bench),
            Self::Memory => memory::run(bench),
            Self::Start => start::run(bench),
            Self::Size => start::size(bench),
        }
    }
}

/// What a part has found.
#[derive(Default)]
struct Findings {
    rows: Vec<Row>,
    figures: Vec<Figure>,
}

/// What the parts share.
struct Bench {
    artifacts: Artifacts,
    rivals: Vec<Rival>,
    cores: Cores,
    rounds: usize,
    /// Of one sample.
    time: Duration,
    long: bool,
    folder: PathBuf,
}

impl Bench {
    fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }

    /// The folder of a database with so many accounts, made once, by a process that has ended.
    fn database(&self, accounts: u64) -> Result<PathBuf> {
        let folder = self.folder.join(format!("accounts-{accounts}"));
        if folder.exists() {
            return Ok(folder);
        }
        let folder = self.folder(&format!("accounts-{accounts}"))?;
        eprintln!("  seeding {accounts} accounts; a million takes some 7 s");
        let accounts = format!("--accounts={accounts}");
        let mut process = Process::start(&mut service(
            Command::new(&self.artifacts.service),
            &folder,
            &[&accounts],
        ))?;
        process.says("Starting HTTP service at ", Duration::from_mins(30))?;
        stop(process)?;
        Ok(folder)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let parts = if args.parts.is_empty() { Part::value_variants() } else { &args.parts };
    let draws = args.svg.is_none() || parts.contains(&Part::Throughput);
    ensure!(draws, "--svg draws the throughput, which is not measured");
    let to_stdout = args.json.as_deref() == Some(Path::new("-"));
    for file in args.json.iter().filter(|_| !to_stdout).chain(&args.svg) {
        let folder = std::path::absolute(file)?.parent().is_some_and(Path::is_dir);
        ensure!(folder, "there is no folder for {}", file.display());
    }
    let cores = Cores::find()?;
    let rivals = match &args.peers {
        Some(folder) => Rival::all(folder, &args.only)?,
        None => Vec::new(),
    };
    let artifacts = Artifacts::get(args.binaries.as_deref())?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let folder = args.folder.clone().unwrap_or_else(target).join("bench");
    let folder = std::path::absolute(folder.join(std::process::id().to_string()))?;
    end_when_interrupted(folder.clone())?;
    let (rounds, time) = (args.rounds, args.seconds);
    let bench = Bench { artifacts, rivals, cores, rounds, time, long: args.long, folder };
    let mut report = Report {
        machine: Machine::look(&bench.folder("databases")?),
        command: std::env::args().skip(1).collect(),
        rounds,
        seconds_per_sample: time.as_secs_f64(),
        rows: Vec::new(),
        figures: Vec::new(),
    };
    let show = |text: String| if to_stdout { eprintln!("{text}") } else { println!("{text}") };
    for part in parts {
        let name = part.to_possible_value().map_or_else(String::new, |it| it.get_name().to_owned());
        let start = Instant::now();
        eprintln!("--- {name}");
        let found =
            part.measure(&bench).with_context(|| format!("{name} could not be measured"))?;
        eprintln!("    {:.1} s", start.elapsed().as_secs_f64());
        if !found.rows.is_empty() {
            show(report::rows(&found.rows));
        }
        if !found.figures.is_empty() {
            show(report::figures(&found.figures));
        }
        report.rows.extend(found.rows);
        report.figures.extend(found.figures);
    }
    let write = |path: &Path, text: String| {
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    let json = serde_json::to_string_pretty(&report)? + "\n";
    match &args.json {
        Some(_) if to_stdout => print!("{json}"),
        Some(path) => write(path, json)?,
        None => {}
    }
    if let Some(path) = &args.svg {
        write(path, svg::draw(&report))?;
    }
    let missed = report.figures.iter().filter(|figure| figure.met == Some(false)).count();
    let goals = report.figures.iter().filter(|figure| figure.met.is_some()).count();
    eprintln!("{} of {goals} goals met.", goals - missed);
    let wrong: Vec<_> = report.rows.iter().filter(|row| row.errors > 0).collect();
    for row in &wrong {
        eprintln!("error: {}, {}: {} answers wrong or lost", row.server, row.setting, row.errors);
    }
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| "not a number from 1 on".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.1..=60.0).contains(seconds));
    let seconds = seconds.ok_or("not a number from 0.1 to 60")?;
    Ok(Duration::from_secs_f64(seconds))
}

/// Counts that are shown, far below where a float loses the last digit.
#[allow(clippy::cast_precision_loss, reason = "no count here comes near 2 to the power of 52")]
fn float(count: u64) -> f64 {
    count as f64
}
