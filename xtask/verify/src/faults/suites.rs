//! What is proven by tests inside a process, where a store can be made to fail at will and a parser be
//! fed byte by byte. They run as they are, and are counted.

use std::time::Duration;

use anyhow::ensure;

use super::process::Process;
use super::{Fault, Observed, Scene, Skipped};
use crate::command::{command, root, show};

pub(super) const FAULTS: [Fault; 5] = [
    ("Tests: the store fails, panics, is slow, is stuck", |scene| host(scene, "store_faults")),
    ("Tests: malformed and smuggling requests", |scene| host(scene, "hostile")),
    ("Tests: the host's promises", |scene| host(scene, "host")),
    ("Tests: the process's promises", |scene| host(scene, "process")),
    ("Tests: the probe", |scene| run(scene, &["--package", "healthchecker"])),
];

/// Building the tests is part of it.
const TIME: Duration = Duration::from_mins(15);

fn host(scene: &Scene, name: &str) -> Observed {
    let tests = root().join("adapters/host-hyper/tests");
    if !tests.join(name).join("main.rs").exists() && !tests.join(format!("{name}.rs")).exists() {
        let missing = format!("there is no test target {name}");
        return Err(Skipped(missing).into());
    }
    run(scene, &["--package", "accountservice-host-hyper", "--test", name])
}

fn run(scene: &Scene, what: &[&str]) -> Observed {
    let mut cargo = command("cargo", ["test", "--locked", "--quiet"]);
    cargo.args(what);
    scene.does(format!("`{}`", show(&cargo)));
    let mut process = Process::start(&mut cargo)?;
    let status = process.ends_within(TIME)?;
    let results = process.said.iter().filter(|line| line.starts_with("test result: "));
    let passed = results
        .filter_map(|line| line.split(" passed").next()?.rsplit(' ').next()?.parse::<u32>().ok());
    let passed: u32 = passed.sum();
    let failed = process.said.iter().find(|line| line.contains("FAILED") || line.contains("error"));
    ensure!(status.success(), "{passed} passed, then: {}", failed.map_or("", String::as_str));
    ensure!(passed > 0, "it ran no test");
    Ok(format!("{passed} tests passed"))
}
