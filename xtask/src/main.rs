//! `cargo xtask`: builds, checks, ships and heals accountservice. This file reads the command line
//! and hands over; each command lives in the file of its name.

mod check;
mod command;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Builds, checks, ships and heals accountservice.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// The gate: format, lints, tests, docs, purity of the core, licences
    Check,
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Task::Check => check::run(),
    }
}
