//! What tests prove inside of a process, where a store can be made to fail and a parser be fed byte by
//! byte. The suites run as they are, and their tests are counted.

use std::time::Duration;

use anyhow::ensure;

use super::{Fault, Observed, Run};
use crate::artifacts::triple;
use crate::command::{command, show};
use crate::process::Process;

/// Each with its package and what else `cargo test` needs to find it.
pub(super) const FAULTS: [Fault; 5] = [
    ("Tests: the store fails", |run| suite(run, "accountservice-host-hyper --test=store_faults")),
    ("Tests: hostile requests", |run| suite(run, "accountservice-host-hyper --test=hostile")),
    ("Tests: the host", |run| suite(run, "accountservice-host-hyper --test=host")),
    ("Tests: the process", |run| suite(run, "accountservice-host-hyper --test=process")),
    // Against the binary as it ships.
    ("Tests: the probe", |run| {
        suite(run, &format!("healthchecker --release --target={}", triple()))
    }),
];

/// Building the tests is part of it.
const TIME: Duration = Duration::from_mins(15);

fn suite(run: &Run, package: &str) -> Observed {
    let mut cargo = command("cargo", &["test", "--locked", "--quiet", "--package"]);
    cargo.args(package.split(' '));
    run.does(format!("`{}`", show(&cargo)));
    let mut process = Process::start(&mut cargo)?;
    let status = process.ends_within(TIME)?;
    let results = process.output.iter().filter(|line| line.starts_with("test result: "));
    let passed = results
        .filter_map(|line| line.split(" passed").next()?.rsplit(' ').next()?.parse::<u32>().ok());
    let passed: u32 = passed.sum();
    let mut lines = process.output.iter();
    let failed = lines.find(|line| line.contains("FAILED") || line.contains("error"));
    ensure!(status.success(), "{passed} passed, then: {}", failed.map_or("", String::as_str));
    ensure!(passed > 0, "it ran no test");
    Ok(format!("{passed} tests passed"))
}
