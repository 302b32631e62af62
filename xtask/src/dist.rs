//! `dist`: both binaries, static, for each target, built with rustup alone. It checks that they
//! are static, have no interpreter, keep their size ceilings and, where they can run, get healthy.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::command::Cmd;
use crate::settings::{Binary, Settings};
use crate::workspace::Lock;
use crate::{elf, size, toolchain, workspace, zip};

/// A target that ships: its triple, Docker's name for it, ELF's number, and what runs it elsewhere.
pub(crate) struct Target {
    pub(crate) triple: &'static str,
    arch: &'static str,
    machine: u16,
    emulator: &'static str,
}

pub(crate) const TARGETS: [Target; 2] = [
    Target {
        triple: "x86_64-unknown-linux-musl",
        arch: "amd64",
        machine: elf::X86_64,
        emulator: "qemu-x86_64-static",
    },
    Target {
        triple: "aarch64-unknown-linux-musl",
        arch: "arm64",
        machine: elf::AARCH64,
        emulator: "qemu-aarch64-static",
    },
];

pub(crate) const TRIPLES: [&str; 2] = [TARGETS[0].triple, TARGETS[1].triple];

/// Both binaries of one target. While this lives, no other run of xtask replaces them.
pub(crate) struct Artifacts {
    /// With their names in the image.
    pub(crate) files: [(String, PathBuf); 2],
    _lock: Lock,
}

/// What the service runs in.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Host {
    /// A process of its own, for the image
    Hyper,
    /// AWS Lambda, as the zip that it takes
    Lambda,
}

pub(crate) fn run(settings: &Settings, host: Host, triples: &[String]) -> Result<()> {
    let chosen =
        |target: &&Target| triples.is_empty() || triples.iter().any(|t| t == target.triple);
    for target in TARGETS.iter().filter(chosen) {
        match host {
            Host::Hyper => smoke_test(settings, target, &build(settings, target)?)?,
            Host::Lambda => build_lambda(settings, target)?,
        }
    }
    Ok(())
}

/// Builds the host for AWS Lambda and packs it into `target/lambda/ARCH.zip`.
fn build_lambda(settings: &Settings, target: &Target) -> Result<()> {
    let Binary { binary, package, max_bytes } = &settings.lambda;
    let _lock = prepare_build(target)?;
    toolchain::build(package, &[], target.triple)?.run()?;
    let built = workspace::target()?.join(target.triple).join("release").join(binary);
    let bytes = check(target, &built, binary, *max_bytes, "[lambda]")?;
    let folder = workspace::target()?.join("lambda");
    let path = folder.join(format!("{}.zip", target.arch));
    let cannot_write = || format!("cannot write {}", path.display());
    fs::create_dir_all(&folder).with_context(cannot_write)?;
    let archive = zip::archive(binary, &bytes)?;
    fs::write(&path, &archive).with_context(cannot_write)?;
    println!("{}: {} bytes", path.display(), archive.len());
    Ok(())
}

/// The binaries for an engine's architecture: built now, or taken from a folder.
pub(crate) fn for_arch(
    settings: &Settings,
    arch: &str,
    folder: Option<&Path>,
) -> Result<Artifacts> {
    let target = TARGETS.iter().find(|target| target.arch == arch);
    let target = target.with_context(|| {
        format!("the engine is {arch}; this project is built for amd64 and arm64")
    })?;
    match folder {
        // Commands run in the root of the workspace, wherever this one was typed.
        Some(folder) => artifacts(settings, target, &std::path::absolute(folder)?, Lock::take()?),
        None => build(settings, target),
    }
}

/// Adds a compilation target, if rustup does not have it yet.
pub(crate) fn add_target(target: &str) -> Result<()> {
    let installed = Cmd::new("rustup", ["target", "list", "--installed"]).read()?;
    if installed.lines().any(|line| line == target) {
        return Ok(());
    }
    Cmd::new("rustup", ["target", "add", target]).run()
}

fn build(settings: &Settings, target: &Target) -> Result<Artifacts> {
    let lock = prepare_build(target)?;
    // One at a time: together they would share the features of their dependencies.
    toolchain::build(&settings.program.package, settings.features(), target.triple)?.run()?;
    toolchain::build(&settings.probe.package, &[], target.triple)?.run()?;
    let folder = workspace::target()?.join(target.triple).join("release");
    artifacts(settings, target, &folder, lock)
}

fn prepare_build(target: &Target) -> Result<Lock> {
    let lock = Lock::take()?;
    eprintln!("Building for {}; the first time takes a minute or two.", target.triple);
    add_target(target.triple)?;
    toolchain::check()?;
    Ok(lock)
}

/// Reads a binary and checks that it can ship.
fn check(target: &Target, path: &Path, name: &str, ceiling: u64, table: &str) -> Result<Vec<u8>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    elf::is_static(&bytes, target.machine)
        .with_context(|| format!("{} cannot ship", path.display()))?;
    size::check(name, target.arch, bytes.len(), ceiling, table)?;
    eprintln!("  {name}: {} bytes of at most {ceiling}, static, {}", bytes.len(), target.arch);
    Ok(bytes)
}

fn artifacts(settings: &Settings, target: &Target, folder: &Path, lock: Lock) -> Result<Artifacts> {
    let Settings { program, probe, .. } = settings;
    let files = [&program.binary, &probe.binary].map(|name| (name.clone(), folder.join(name)));
    let ceilings = [(program.max_bytes, "[program]"), (probe.max_bytes, "[probe]")];
    for ((name, path), (ceiling, table)) in files.iter().zip(ceilings) {
        check(target, path, name, ceiling, table)?;
    }
    Ok(Artifacts { files, _lock: lock })
}

impl Target {
    /// The emulator that the binaries need here, if any; `None` if they cannot run.
    fn runner(&self) -> Option<&[&'static str]> {
        if self.triple.starts_with(std::env::consts::ARCH) && cfg!(target_os = "linux") {
            return Some(&[]);
        }
        let has_emulator = Cmd::new(self.emulator, ["--version"]).succeeds().unwrap_or(false);
        if !has_emulator {
            eprintln!("  {} not run: this machine has no {}", self.triple, self.emulator);
        }
        has_emulator.then_some(std::slice::from_ref(&self.emulator))
    }
}

/// Starts the service and asks it with the probe, both as they ship. A service with a shared store
/// only shows that it runs.
fn smoke_test(settings: &Settings, target: &Target, artifacts: &Artifacts) -> Result<()> {
    let Some(runner) = target.runner() else { return Ok(()) };
    let command = |path: &Path| {
        let path = path.display().to_string();
        match runner {
            [emulator, ..] => Cmd::new(emulator, [path]),
            [] => Cmd::new(&path, [""; 0]),
        }
    };
    let how = if runner.is_empty() { "" } else { " in an emulator" };
    let [(_, service), (_, probe)] = &artifacts.files;
    if settings.database.url.is_some() {
        // Without its database it would not get healthy.
        let help = command(service).args(["--help"]).read();
        help.with_context(|| format!("{} does not run", target.triple))?;
        eprintln!("  runs{how}: it prints its help");
        return Ok(());
    }
    let folder = workspace::target()?.join("xtask");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let database = folder.join(format!("{}.db", target.arch));
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr())?.port().to_string();
    let service = command(service)
        .env(&settings.variable("PORT"), &port)
        .env(&settings.variable("ADDRESS"), "127.0.0.1")
        .env(&settings.variable("DATABASE"), database.display().to_string());
    let running = service.spawn(Stdio::null())?;
    let healthy = command(probe).args(["--port", &port, "--wait", "20s"]).read();
    drop(running);
    let _ = fs::remove_file(&database);
    healthy.with_context(|| format!("{} does not serve", target.triple))?;
    eprintln!("  runs{how}: the probe finds it healthy");
    Ok(())
}
