//! `verify`: runs the whole service, breaks it and measures it. `cargo xtask e2e`, `faults`,
//! `soak`, `bench` and `invoke` start it. It shares no code with xtask, which it runs as users do.

// It measures through epoll and `/proc`.
#![cfg(target_os = "linux")]

mod artifacts;
mod availability;
mod bench;
mod cleanup;
mod command;
mod deployment;
mod docker;
mod e2e;
mod faults;
mod invoke;
mod load;
mod machine;
mod pool;
mod requests;
mod service;
mod soak;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run the whole life of the service on a real engine, under names of its own
    E2e {
        /// Take the binaries from here instead of building them
        #[arg(long, value_name = "FOLDER")]
        binaries: Option<std::path::PathBuf>,
    },
    /// Put the static binaries through overload, faults and attacks, and print a table
    Faults(faults::Args),
    /// Measure the static binaries: throughput against a floor, memory, start, size, growth
    ///
    /// Every figure that has a goal is shown with it. A missed goal is no failure; a wrong or a lost
    /// response is. Needs Linux and two cores; takes five minutes, and an idle machine.
    ///
    /// l64 means 64 keep-alive connections with one request in flight on each. The service has one
    /// worker and its metrics on; the floor is an epoll loop. The tables show medians.
    Bench(bench::Args),
    /// The server that `bench` compares with
    #[command(hide = true)]
    Floor(bench::floor::Args),
    /// Run the image in a container under load, and see that memory and descriptors stay flat
    Soak(soak::Args),
    /// Send one request to the host for AWS Lambda, as an event, without AWS
    Invoke(invoke::Args),
}

fn main() -> ExitCode {
    run(Cli::parse().command).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(task: Task) -> Result<ExitCode> {
    cleanup::on_interrupt()?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let done = |()| ExitCode::SUCCESS;
    match task {
        Task::E2e { binaries } => e2e::run(binaries).map(done),
        Task::Faults(args) => faults::run(&args),
        Task::Bench(args) => bench::run(args),
        Task::Floor(args) => bench::floor::run(&args).map(done),
        Task::Soak(args) => soak::run(&args).map(done),
        Task::Invoke(args) => invoke::run(&args).map(done),
    }
}
