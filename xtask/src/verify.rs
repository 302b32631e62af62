//! Hands `e2e`, `faults`, `soak`, `bench` and `invoke` over to the package `verify`, compiled only
//! then. The process becomes verify's: its output, signals and exit status are those of xtask.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Error, Result};

use crate::workspace::root;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// See `--help`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    args: Vec<OsString>,
}

/// Runs in the folder that the command was typed in: arguments may be paths.
pub(crate) fn run(command: &str, args: &Args) -> Result<ExitCode> {
    let manifest = root()?.join("Cargo.toml");
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--quiet", "--package=verify", "--manifest-path"]).arg(manifest);
    let error = cargo.args(["--", command]).args(&args.args).exec();
    Err(Error::from(error).context("cannot start cargo"))
}
