//! `dist`: both binaries, static, for each target, built with rustup alone. What is built is checked
//! where it is built: static, without an interpreter, under its size ceiling, and, where this machine
//! can run it, alive.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::command::{Cmd, root};
use crate::elf;

/// What is built, its package, and the size in bytes above which something has gone wrong. Together
/// they are the image, which is to stay below 3.5 MB.
pub(crate) const BINARIES: [(&str, &str, u64); 2] = [
    ("accountservice", "accountservice-host-hyper", 2_800_000),
    ("healthchecker", "healthchecker", 450_000),
];

/// A target that ships: its triple, Docker's name for it, ELF's number, and who can run it elsewhere.
pub(crate) struct Target {
    pub(crate) triple: &'static str,
    pub(crate) arch: &'static str,
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

/// The triples that ship.
pub(crate) const TRIPLES: [&str; 2] = [TARGETS[0].triple, TARGETS[1].triple];

/// Both binaries of one target.
pub(crate) struct Dist {
    pub(crate) service: PathBuf,
    pub(crate) probe: PathBuf,
}

pub(crate) fn run(triples: &[String]) -> Result<()> {
    let chosen =
        |target: &&Target| triples.is_empty() || triples.iter().any(|t| t == target.triple);
    for target in TARGETS.iter().filter(chosen) {
        let dist = build(target)?;
        prove(target, &dist)?;
    }
    Ok(())
}

/// The binaries for an engine's architecture: built now, or taken from a folder.
pub(crate) fn for_arch(arch: &str, folder: Option<&Path>) -> Result<Dist> {
    let target = TARGETS.iter().find(|target| target.arch == arch).with_context(|| {
        format!("the engine is {arch}; accountservice is built for amd64 and arm64")
    })?;
    let Some(folder) = folder else {
        return build(target);
    };
    let dist = Dist { service: folder.join(BINARIES[0].0), probe: folder.join(BINARIES[1].0) };
    check(target, &dist)?;
    Ok(dist)
}

/// Adds a compilation target, if rustup does not have it yet.
pub(crate) fn add_target(target: &str) -> Result<()> {
    let installed = Cmd::new("rustup", ["target", "list", "--installed"]).read()?;
    if installed.lines().any(|line| line == target) {
        return Ok(());
    }
    Cmd::new("rustup", ["target", "add", target]).run()
}

fn build(target: &Target) -> Result<Dist> {
    eprintln!("Building for {}; the first time takes a minute or two.", target.triple);
    let folder = compile(target)?;
    let dist = Dist { service: folder.join(BINARIES[0].0), probe: folder.join(BINARIES[1].0) };
    check(target, &dist)?;
    Ok(dist)
}

/// Compiles both packages, and says in which folder their binaries are.
fn compile(target: &Target) -> Result<PathBuf> {
    add_target(target.triple)?;
    let folder = crate::command::target();
    let flags = remap()?.map(|flag| format!("{flag:?}"));
    Cmd::new("cargo", ["build", "--release", "--locked", "--target", target.triple])
        .args(BINARIES.map(|(_, package, _)| format!("--package={package}")))
        .args(["--target-dir", &folder.display().to_string()])
        .args(["--config", &format!("target.{}.rustflags=[{}]", target.triple, flags.join(", "))])
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .run()?;
    Ok(folder.join(target.triple).join("release"))
}

/// The same source gives the same binaries wherever it is built: no path of this machine is in them,
/// and flags from the environment, which would replace those of `.cargo/config.toml`, are left out.
fn remap() -> Result<[String; 2]> {
    let home = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")));
    let home = home.context("neither CARGO_HOME nor HOME is set")?;
    let root = root().display().to_string();
    Ok([(root, "/accountservice"), (home, "/cargo")]
        .map(|(from, to)| format!("--remap-path-prefix={from}={to}")))
}

fn check(target: &Target, dist: &Dist) -> Result<()> {
    for (path, (name, _, ceiling)) in [&dist.service, &dist.probe].into_iter().zip(BINARIES) {
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let size = bytes.len() as u64;
        elf::is_static(&bytes, target.machine)
            .with_context(|| format!("{} cannot ship", path.display()))?;
        ensure!(size <= ceiling, "{name} has {size} bytes, over its ceiling of {ceiling}");
        eprintln!("  {name}: {size} bytes of at most {ceiling}, static, {}", target.arch);
    }
    Ok(())
}

/// What a target's binaries run in, on this machine.
struct Runner(Option<&'static str>);

impl Target {
    /// None if they do not run here.
    fn runner(&self) -> Option<Runner> {
        if self.triple.starts_with(std::env::consts::ARCH) && cfg!(target_os = "linux") {
            return Some(Runner(None));
        }
        let has_emulator = Cmd::new(self.emulator, ["--version"]).succeeds().unwrap_or(false);
        if !has_emulator {
            eprintln!("  {} not run: this machine has no {}", self.triple, self.emulator);
        }
        has_emulator.then_some(Runner(Some(self.emulator)))
    }
}

impl Runner {
    fn cmd(&self, path: &Path) -> Cmd {
        let path = path.display().to_string();
        match self.0 {
            None => Cmd::new(&path, [""; 0]),
            Some(emulator) => Cmd::new(emulator, [path]),
        }
    }
}

/// Starts the service and asks it with the probe, both as they ship.
fn prove(target: &Target, dist: &Dist) -> Result<()> {
    let Some(runner) = target.runner() else { return Ok(()) };
    let folder = crate::command::target().join("xtask");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let database = folder.join(format!("{}.db", target.arch));
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr())?.port().to_string();
    let service = runner
        .cmd(&dist.service)
        .env("ACCOUNTSERVICE_PORT", &port)
        .env("ACCOUNTSERVICE_ADDRESS", "127.0.0.1")
        .env("ACCOUNTSERVICE_DATABASE", database.display().to_string());
    let child = service.command().stdout(Stdio::null()).spawn();
    let running = Running(child.with_context(|| format!("cannot start `{service}`"))?);
    let probe = runner.cmd(&dist.probe).args(["--port", &port, "--wait", "20s"]);
    let healthy = probe.read();
    drop(running);
    let _ = std::fs::remove_file(&database);
    if let Err(error) = healthy {
        bail!("{} does not serve: {error:#}", target.triple);
    }
    eprintln!("  runs{}: the probe finds it healthy", runner.0.map_or("", |_| " in an emulator"));
    Ok(())
}

/// A child that is ended when it is no longer needed.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
