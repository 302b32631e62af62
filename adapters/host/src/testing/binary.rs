//! A binary of the workspace, built by Cargo for a test that starts it.

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Builds a binary or an example and returns its path. `arguments` are those of `cargo build`, such as
/// `--package=P --example=E`. Cargo says where the file is: the environment and the configuration of
/// Cargo change that.
pub fn build_binary(arguments: &[&str]) -> io::Result<PathBuf> {
    // Cargo tells the processes that it runs which one it is.
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--message-format=json-render-diagnostics"]).args(arguments);
    let output = cargo.stderr(Stdio::inherit()).output()?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut binaries =
        messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    let binary = binaries.next_back().filter(|_| output.status.success());
    binary
        .ok_or_else(|| io::Error::other(format!("cargo build {}: no binary", arguments.join(" "))))
}
