//! `cargo xtask`: builds, checks, ships and heals accountservice. This file reads the command line
//! and hands over; each command lives in the file of its name.

mod arg;
mod check;
mod command;
mod converge;
mod deploy;
mod desired;
mod destroy;
mod dist;
mod docker;
mod dockerfile;
mod elf;
mod emit;
mod exit;
mod flags;
mod hash;
mod heal;
mod image;
mod interrupt;
mod plan;
mod preflight;
mod revision;
mod service;
mod settings;
mod size;
mod source;
mod status;
mod stored;
mod toolchain;
mod units;
mod verify;
mod workspace;
mod zip;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::exit::Exit;
use crate::flags::{Flags, Names};
use crate::units::Span;

/// Builds, checks, ships and heals accountservice.
///
/// It asks Docker through the `docker` command line only, so contexts, `DOCKER_HOST` and ssh work
/// as they do there.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// The gate: format, lints, tests, docs, purity of the core, licences
    Check,
    /// Build both binaries, static, and check what was built
    Dist {
        /// Build for this target only; may be given more than once
        #[arg(long, value_name = "TRIPLE", value_parser = dist::TRIPLES)]
        target: Vec<String>,
        /// What the service runs in
        #[arg(long, value_enum, default_value = "hyper")]
        host: dist::Host,
        #[command(flatten)]
        names: Names,
    },
    /// Write infra/Dockerfile and infra/swarm.sh from infra/deploy.toml
    Emit {
        /// Write nothing; fail if they are stale
        #[arg(long)]
        check: bool,
        /// Where to write [default: infra]
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
        #[command(flatten)]
        flags: Flags,
    },
    /// Build the image, tagged by the hash of its content, and print its name
    Image {
        /// Only fill target/image, for a `docker build` by hand
        #[arg(long)]
        prepare: bool,
        /// Take the binaries from here instead of building them
        #[arg(long, value_name = "FOLDER")]
        binaries: Option<PathBuf>,
        #[command(flatten)]
        flags: Flags,
    },
    /// Build all, bring the service up on Docker Swarm, and wait until it is healthy
    ///
    /// Deploying twice is safe: the second time nothing changes. A version that does not get
    /// healthy is rolled back. After an interruption, run it again.
    #[command(after_help = exit::HELP)]
    Deploy {
        /// Show every command and touch nothing
        #[arg(long)]
        dry_run: bool,
        /// Print the outcome as JSON; infra/README.md has its shape
        #[arg(long, conflicts_with = "dry_run")]
        json: bool,
        /// Take the binaries from here instead of building them
        #[arg(long, value_name = "FOLDER")]
        binaries: Option<PathBuf>,
        #[command(flatten)]
        flags: Flags,
    },
    /// Show the tasks of the service, their health, their last probes, and drift from the settings
    Status {
        /// Print it as JSON; infra/README.md has its shape
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        names: Names,
    },
    /// Force one replica unhealthy and time how Swarm replaces it
    ///
    /// Needs a service that was deployed with --testability, and a replica on the node that
    /// `docker` talks to.
    #[command(after_help = exit::HELP)]
    Heal {
        /// Fail, with 7, if it takes longer, such as 20s
        #[arg(long, value_name = "TIME")]
        budget: Option<Span>,
        /// Print the timeline as JSON; infra/README.md has its shape
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        names: Names,
    },
    /// Run the whole life of the service on a real engine, under names of its own
    #[command(disable_help_flag = true)]
    E2e(verify::Args),
    /// Put the static binaries through overload, faults and attacks, and print a table
    #[command(disable_help_flag = true)]
    Faults(verify::Args),
    /// Measure the static binaries: throughput against a floor, memory, start, size, growth
    #[command(disable_help_flag = true)]
    Bench(verify::Args),
    /// Run the image in a container under load, and see that memory and descriptors stay flat
    #[command(disable_help_flag = true)]
    Soak(verify::Args),
    /// Send one request to the host for AWS Lambda, as an event, without AWS
    #[command(disable_help_flag = true)]
    Invoke(verify::Args),
    /// Remove the service and wait until it is gone
    #[command(after_help = exit::HELP)]
    Destroy {
        /// Remove its network, images, secrets and configs too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        names: Names,
    },
}

fn main() -> ExitCode {
    run(Cli::parse().command).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(task: Task) -> Result<ExitCode> {
    let done = |()| ExitCode::SUCCESS;
    match task {
        Task::Check => Ok(check::run()),
        Task::Dist { target, host, names } => {
            dist::run(&names.settings()?, host, &target).map(done)
        }
        Task::Emit { check, out, flags } => {
            emit::run(&flags.settings()?, out.as_deref(), check).map(done)
        }
        Task::Image { prepare, binaries, flags } => {
            image::run(&flags.settings()?, binaries.as_deref(), prepare).map(done)
        }
        Task::Deploy { dry_run: true, flags, .. } => emit::dry_run(&flags.settings()?).map(done),
        Task::Deploy { dry_run: false, json, binaries, flags } => {
            let settings = flags.settings();
            deploy::run(settings, binaries.as_deref(), json).map(Exit::into)
        }
        Task::Status { json, names } => status::run(&names.settings()?, json).map(done),
        Task::Heal { budget, json, names } => {
            heal::run(&names.settings()?, budget, json).map(Exit::into)
        }
        Task::E2e(args) => verify::run("e2e", &args),
        Task::Faults(args) => verify::run("faults", &args),
        Task::Bench(args) => verify::run("bench", &args),
        Task::Soak(args) => verify::run("soak", &args),
        Task::Invoke(args) => verify::run("invoke", &args),
        Task::Destroy { all, names } => destroy::run(&names.settings()?, all).map(Exit::into),
    }
}
