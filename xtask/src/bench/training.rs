//! `profile`: runs the service with counters in it, as the benchmark does, and keeps what it counted.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::load::{Load, Shape};
use super::server::{service, stop};
use crate::command::{Cmd, target};
use crate::dist::{self, Runner, Target};
use crate::faults::end_when_interrupted;
use crate::faults::process::Service;
use crate::load::{Crowd, Manner, Tally};
use crate::profile::path;

/// What it is asked for accounts, and for how long: connections, and requests at once on each.
const ACCOUNTS: [(usize, usize, Duration); 3] = [
    (64, 1, Duration::from_secs(4)),
    (512, 1, Duration::from_secs(1)),
    (64, 16, Duration::from_secs(1)),
];
/// For how long it is asked for other things, among them what the engine has to look up: so rarely
/// that it is not taken for the main thing.
const OTHERS: Duration = Duration::from_millis(200);

/// Records a profile for each target that this machine can run.
pub(crate) fn run() -> Result<()> {
    Cmd::new("rustup", ["component", "add", "llvm-tools"]).run()?;
    let work = target().join("profile");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
    end_when_interrupted(work.clone())?;
    for target in &dist::TARGETS {
        let Some(runner) = target.runner() else { continue };
        eprintln!("Building for {} with counters in it", target.triple);
        let recorded = work.join(format!("counts-{}", target.arch));
        let flags = [format!("-Cprofile-generate={}", recorded.display())];
        let (name, package, _) = dist::BINARIES[0];
        let binary = dist::compile(target, package, &flags, Some(&work))?.join(name);
        watch(&runner, &binary, &work.join(target.arch))?;
        let profile = path(target)?;
        let merged = work.join("merged");
        Cmd::new(&tool()?, ["merge", "--sparse", "--output", &merged.display().to_string()])
            .args([recorded.display().to_string()])
            .run()?;
        clear(target, profile.parent().unwrap_or(&profile))?;
        fs::copy(&merged, &profile)?;
        eprintln!("  {}: {} bytes", profile.display(), fs::metadata(&profile)?.len());
    }
    let _ = fs::remove_dir_all(&work);
    Ok(())
}

/// Removes the profiles of all versions.
fn clear(target: &Target, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(target.triple) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// rustup keeps LLVM's tools where no path leads.
fn tool() -> Result<String> {
    let sysroot = Cmd::new("rustc", ["--print", "sysroot"]).read()?;
    let version = Cmd::new("rustc", ["--verbose", "--version"]).read()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc does not say what it runs on")?;
    let tool: PathBuf = [sysroot.trim(), "lib/rustlib", host, "bin/llvm-profdata"].iter().collect();
    Ok(tool.display().to_string())
}

fn watch(runner: &Runner, binary: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let service =
        Service::start(&mut service(runner.cmd(binary).command(), folder, &["--workers=1"]))?;
    for (connections, depth, time) in ACCOUNTS {
        let answers = Load::connect(service.at, Shape::new(connections, depth))?.run(time)?;
        ensure!(answers.wrong + answers.lost == 0, "wrong or lost answers");
        eprintln!("  {} answers on {connections} connections", answers.requests);
    }
    let crowd = Crowd::gather(service.at, ACCOUNTS[0].0, 1, Manner::Stay);
    thread::sleep(OTHERS);
    let tally = crowd.dismiss();
    ensure!(Tally::get(&tally.wrong) == 0, "wrong answers: {}", tally.examples());
    // What it has counted is written when it ends.
    stop(service.process)
}
