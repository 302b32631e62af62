//! `bench`: what the static binaries cost, measured as they ship and with all defaults on.
//! Throughput is compared with a floor of the same rounds: ratios hold on other machines, figures
//! do not. Goals stand beside the figures; only a wrong response is a failure.

pub(crate) mod floor;
mod lambda;
mod memory;
mod postgres;
mod report;
pub(crate) mod rounds;
mod server;
mod start;
mod throughput;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::Serialize;

use self::report::{Findings, Report};
use self::server::{Cores, Peer, Server, on};
use crate::artifacts::Artifacts;
use crate::command::{Scratch, target};
use crate::machine::Machine;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What is measured [default: all but postgres]
    #[arg(value_name = "PART")]
    parts: Vec<Part>,
    /// Take the binaries from here instead of building them
    #[arg(long, value_name = "FOLDER")]
    binaries: Option<PathBuf>,
    /// Measure the peers of this folder too; its build.sh builds them
    #[arg(long, value_name = "FOLDER")]
    peers: Option<PathBuf>,
    /// Only these peers, such as xitca,hyper-rpc
    #[arg(long, value_name = "NAMES", requires = "peers", value_delimiter = ',')]
    only: Vec<String>,
    /// Samples of each, of which the median counts, 1 or more
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How long a sample takes, 0.1 to 60
    #[arg(long, value_name = "S", default_value = "2", value_parser = seconds)]
    seconds: Duration,
    /// With 10,000,000 accounts and 50,000,000 requests too, which takes some minutes more
    #[arg(long)]
    long: bool,
    /// Where databases are put; a start depends on the file system [default: target]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Write all of it as JSON; with -, to standard output, instead of the tables
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum Part {
    /// One worker on one core, as a share of the floor
    Throughput,
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
    /// The shared store, beside axum with two other clients, which take minutes to build
    Postgres,
    /// The host for AWS Lambda: until it asks for an event, and processor time per event
    Lambda,
}

/// What the parts share.
struct Bench {
    artifacts: Artifacts,
    peers: Vec<Peer>,
    cores: Cores,
    scratch: Scratch,
    args: Args,
}

impl Bench {
    fn measure(&self, part: Part) -> Result<Findings> {
        match part {
            Part::Throughput => throughput::one_core(self),
            Part::Connections => throughput::connections(self),
            Part::Growth => throughput::growth(self),
            Part::Memory => memory::run(self),
            Part::Start => start::run(self),
            Part::Size => start::size(self),
            Part::Postgres => postgres::run(self),
            Part::Lambda => lambda::run(self),
        }
    }

    /// One worker of the service on the server's core, with its database in this folder.
    fn serve(&self, folder: &Path, args: &[&str]) -> Result<Server> {
        let args = [&["--workers=1"], args].concat();
        on(self.cores.server, || Server::ours(&self.artifacts.service, folder, &args))
    }

    /// The folder of a database with this many accounts, made once, by a process that has ended.
    fn database(&self, accounts: u64) -> Result<PathBuf> {
        let name = format!("accounts-{accounts}");
        if !self.scratch.path.join(&name).exists() {
            eprintln!("  seeding {accounts} accounts; a million takes some 7 s");
            let flag = format!("--accounts={accounts}");
            let server = self.serve(&self.scratch.folder(&name)?, &[&flag])?;
            server.service.process.stop();
        }
        self.scratch.folder(&name)
    }
}

pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let to_stdout = args.json.as_deref() == Some(Path::new("-"));
    let create =
        |it: &PathBuf| File::create(it).with_context(|| format!("cannot create {}", it.display()));
    let json = args.json.as_ref().filter(|_| !to_stdout).map(create).transpose()?;
    let peers = args.peers.as_deref().map(|folder| Peer::all(folder, &args.only)).transpose()?;
    let bench = Bench {
        artifacts: Artifacts::get(args.binaries.as_deref())?,
        peers: peers.unwrap_or_default(),
        cores: Cores::find()?,
        scratch: Scratch::new(&args.folder.clone().unwrap_or_else(target).join("bench"))?,
        args,
    };
    let mut report = Report {
        machine: Machine::look(&bench.scratch.path),
        command: std::env::args().skip(1).collect(),
        rounds: bench.args.rounds,
        seconds_per_sample: bench.args.seconds.as_secs_f64(),
        parts: BTreeMap::new(),
    };
    let mut errors = 0;
    for part in chosen(&bench.args.parts) {
        eprintln!("--- {part:?}");
        let found = bench.measure(part).with_context(|| format!("{part:?}"))?;
        if !to_stdout {
            println!("{found}");
        }
        errors += found.rows.iter().map(|row| row.errors).sum::<u64>();
        report.parts.insert(part, found);
    }
    if let Some(file) = json {
        serde_json::to_writer_pretty(file, &report)?;
    } else if to_stdout {
        println!("{}", serde_json::to_string_pretty(&report)?);
    }
    let figures = report.parts.values().flat_map(|found| &found.figures);
    let goals: Vec<_> = figures.filter_map(|figure| figure.met).collect();
    eprintln!("{} of {} goals met.", goals.iter().filter(|met| **met).count(), goals.len());
    ensure!(errors == 0, "{errors} responses were wrong or lost");
    Ok(ExitCode::SUCCESS)
}

/// These parts, or all but the one that builds the rivals.
fn chosen(parts: &[Part]) -> Vec<Part> {
    let all = Part::value_variants().iter().filter(|part| **part != Part::Postgres);
    if parts.is_empty() { all.copied().collect() } else { parts.to_vec() }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.1..=60.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "not a number from 0.1 to 60".to_owned())
}

/// Counts that are shown, far below where a float loses the last digit.
#[allow(clippy::cast_precision_loss, reason = "no count here comes near 2 to the power of 52")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_but_postgres_is_measured_if_none_is_named() {
        use Part::{Connections, Growth, Lambda, Memory, Postgres, Size, Start, Throughput};
        let all = [Throughput, Connections, Growth, Memory, Start, Size, Lambda];
        assert_eq!(chosen(&[]), all);
        assert_eq!(chosen(&[Size, Postgres]), [Size, Postgres]);
    }
}
