//! The service on Docker Swarm under a name of its own, brought up and removed by `cargo xtask`:
//! for `e2e`, `soak` and the faults that need an engine.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use toml::{Table, Value};

use crate::cleanup::Cleanup;
use crate::command::{Scratch, read, root, target, xtask};
use crate::docker::docker;
use crate::lock::lock;

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
    pub(crate) fn prepare(name: &'static str, binaries: Option<&Path>) -> Result<Self> {
        let lock = lock()?;
        let swarm = join_swarm()?;
        let folder = Scratch::new(&target().join(name))?;
        fs::copy(root().join("infra/deploy.toml"), folder.path.join("deploy.toml"))?;
        let mut destroy = under_name(name, &folder.path, &["destroy", "--all"]);
        read(&mut destroy)?;
        let service = Cleanup::new(move || drop(destroy.output()));
        // Commands run in the root of the workspace, wherever this one was typed.
        let binaries = binaries.map(std::path::absolute).transpose()?;
        Ok(Self { _service: service, _swarm: swarm, folder, name, binaries, _lock: lock })
    }

    /// `cargo xtask` under the name of the deployment, with these keys of deploy.toml changed.
    pub(crate) fn command(&self, args: &[&str], changes: &str) -> Result<Command> {
        let settings = fs::read_to_string(root().join("infra/deploy.toml"));
        let mut settings: Table = settings.context("no infra/deploy.toml")?.parse()?;
        merge(&mut settings, changes.parse()?);
        fs::write(self.folder.path.join("deploy.toml"), settings.to_string())?;
        let mut command = under_name(self.name, &self.folder.path, args);
        let binaries = self.binaries.as_ref().filter(|_| ["deploy", "image"].contains(&args[0]));
        command.args(binaries.map(|folder| format!("--binaries={}", folder.display())));
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
fn under_name(name: &str, folder: &Path, args: &[&str]) -> Command {
    let mut command = xtask(args);
    command.arg(format!("--config={}", folder.join("deploy.toml").display()));
    command.args(["--service", name, "--network", name]);
    command.arg(format!("--image={name}/accountservice"));
    command
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

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (_, value) => drop(into.insert(key, value)),
        }
    }
}
