//! What tests prove inside of a process, where a store can be made to fail and a parser be fed byte
//! by byte. The suites run as they are, and their tests are counted.

use anyhow::ensure;

use super::{Fault, Observed, Run};
use crate::artifacts::triple;
use crate::command::{command, show};

/// Each with its package and what else `cargo test` needs to find it.
pub(super) const FAULTS: [Fault; 6] = [
    ("Tests: the store fails", |run| suite(run, "accountservice --test=store_faults")),
    ("Tests: the shared store's server fails", |run| {
        suite(run, "accountservice-store-postgres --test=postgres")
    }),
    ("Tests: hostile requests", |run| suite(run, "accountservice-host-hyper --test=hostile")),
    ("Tests: the host", |run| suite(run, "accountservice-host-hyper --test=host")),
    ("Tests: the process", |run| suite(run, "accountservice --test=process")),
    // Against the binary as it ships.
    ("Tests: the probe", |run| {
        suite(run, &format!("healthchecker --release --target={}", triple()))
    }),
];

fn suite(run: &Run, package: &str) -> Observed {
    let mut cargo = command("cargo", &["test", "--locked", "--quiet", "--package"]);
    cargo.args(package.split(' '));
    run.does(format!("`{}`", show(&cargo)));
    let output = cargo.output()?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let results = text.lines().filter(|line| line.starts_with("test result: "));
    let passed = results
        .filter_map(|line| line.split(" passed").next()?.rsplit(' ').next()?.parse::<u32>().ok());
    let passed: u32 = passed.sum();
    let failed = text.lines().find(|line| line.contains("FAILED") || line.contains("error"));
    ensure!(output.status.success(), "{passed} passed, then: {}", failed.unwrap_or_default());
    ensure!(passed > 0, "it ran no test");
    Ok(format!("{passed} tests passed"))
}
