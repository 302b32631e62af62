//! The service on Docker Swarm under a name of its own, brought up and removed by `cargo xtask`:
//! for `e2e`, `soak` and the faults that need an engine. One run at a time has the engine: a second
//! one would remove the services and the swarm of the first.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use toml::{Table, Value};

use crate::cleanup::Cleanup;
use crate::command::{Scratch, read, root, target, xtask};
use crate::docker::docker;

/// Not published: reached inside of its network only. A new container can start before the old one
/// stops, as there is no port in the way.
pub(crate) const INSIDE: [&str; 3] = ["--testability", "--publish=none", "--endpoint-mode=dnsrr"];

/// The fields are dropped in this order: the service goes before the swarm, and the lock last.
pub(crate) struct Deployment {
    _service: Cleanup,
    _swarm: Option<Cleanup>,
    pub(crate) folder: Scratch,
    name: &'static str,
    binaries: Option<PathBuf>,
    _lock: File,
}

impl Deployment {
    /// Needs an engine. Waits for other runs on it, joins a swarm if the engine is in none, and
    /// removes what a former run that was killed may have left.
    pub(crate) fn prepare(name: &'static str, binaries: Option<PathBuf>) -> Result<Self> {
        let lock = lock()?;
        let swarm = join_swarm()?;
        let folder = Scratch::new(&target().join(name))?;
        let mut destroy = under_name(name, &folder.path, &["destroy", "--all"], "")?;
        read(&mut destroy)?;
        let service = Cleanup::new(move || drop(destroy.output()));
        // Commands run in the root of the workspace, wherever this one was typed.
        let binaries = binaries.map(std::path::absolute).transpose()?;
        Ok(Self { _service: service, _swarm: swarm, folder, name, binaries, _lock: lock })
    }

    /// `cargo xtask` under the name of the deployment, with these keys of deploy.toml changed.
    pub(crate) fn command(&self, args: &[&str], changes: &str) -> Result<Command> {
        let mut command = under_name(self.name, &self.folder.path, args, changes)?;
        if let (Some(folder), "deploy" | "image") = (&self.binaries, args[0]) {
            command.arg("--binaries").arg(folder);
        }
        Ok(command)
    }

    /// Runs it to its end, which must be this exit status, and returns its output.
    pub(crate) fn run(&self, args: &[&str], changes: &str, status: i32) -> Result<String> {
        let output = self.command(args, changes)?.output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        print!("{text}");
        let ended = output.status;
        ensure!(ended.code() == Some(status), "{args:?} ended with {ended}, not {status}");
        Ok(text)
    }

    /// As `run`, without publishing the port.
    pub(crate) fn run_inside(&self, args: &[&str], changes: &str, status: i32) -> Result<String> {
        self.run(&[args, &INSIDE].concat(), changes, status)
    }
}

/// Its image is called `NAME/accountservice`.
fn under_name(name: &str, folder: &Path, args: &[&str], changes: &str) -> Result<Command> {
    let config = write_settings(folder, changes)?;
    let mut command = xtask(args);
    command.arg(format!("--config={}", config.display()));
    command.args(["--service", name, "--network", name]);
    command.arg(format!("--image={name}/accountservice"));
    Ok(command)
}

/// The engine's swarm; one that is made here is left at the end.
fn join_swarm() -> Result<Option<Cleanup>> {
    let state = read(&mut docker(&["info", "--format={{.Swarm.LocalNodeState}}"]))?;
    if state != "inactive" {
        return Ok(None);
    }
    read(&mut docker(&["swarm", "init", "--advertise-addr=127.0.0.1"]))?;
    Ok(Some(Cleanup::new(|| drop(docker(&["swarm", "leave", "--force"]).output()))))
}

/// Waits until no other run on this machine has the engine, and says which one has. The lock is
/// held until the file is dropped, or the process ends.
fn lock() -> Result<File> {
    let engine = read(&mut docker(&["info", "--format={{.ID}}"]));
    let engine = engine.context("no engine answers; .ci/run starts one")?;
    // Several checkouts may share an engine.
    let path = std::env::temp_dir().join(format!("verify-{engine}.lock"));
    let file = File::options().append(true).create(true).open(&path);
    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
    if file.try_lock().is_err() {
        eprintln!("Waiting for {} ({})", fs::read_to_string(&path)?.trim(), path.display());
        file.lock()?;
    }
    let command = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    fs::write(&path, format!("process {}: cargo xtask {command}", std::process::id()))?;
    Ok(file)
}

/// Writes a deploy.toml into this folder: that of infra/ with these keys changed.
pub(crate) fn write_settings(folder: &Path, changes: &str) -> Result<PathBuf> {
    let path = folder.join("deploy.toml");
    let settings = fs::read_to_string(root().join("infra/deploy.toml"));
    let mut settings: Table = settings.context("no infra/deploy.toml")?.parse()?;
    merge(&mut settings, changes.parse()?);
    fs::write(&path, settings.to_string())?;
    Ok(path)
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (_, value) => drop(into.insert(key, value)),
        }
    }
}
