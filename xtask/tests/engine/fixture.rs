//! A service of its own on the engine: `cargo xtask` under its name, and what Docker says of it.
//! All is removed before and after each test.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::deploy_toml::changed;

/// Times that end soon, with room for a busy machine.
pub(crate) const QUICK: &str = r#"
    deadline = "8s"
    health = { interval = "200ms", timeout = "600ms", probe_timeout = "500ms", retries = 2 }
    restart = { delay = "100ms", shutdown_timeout = "100ms", stop_grace = "200ms" }
    update.monitor = "3900ms"
    rollback.monitor = "3900ms"
"#;
/// On what a test makes by hand; the value is the name of the service under test.
const LABEL: &str = "xtask-test.of";
const PAUSE: Duration = Duration::from_millis(100);
const TIMEOUT: Duration = Duration::from_mins(1);

/// A static program for both binaries, see `program.rs`.
static PROGRAM: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("program");
    let target = format!("--target={}-unknown-linux-musl", std::env::consts::ARCH);
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition=2024", &target, "-Clinker=rust-lld", "-Copt-level=s", "-Clto"]);
    rustc.args(["-Cpanic=abort", "-Cstrip=symbols", "-o"]).arg(&path);
    rustc.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engine/program.rs"));
    assert!(rustc.status().unwrap().success());
    fs::read(path).unwrap()
});

pub(crate) struct Engine {
    pub(crate) name: &'static str,
    pub(crate) folder: TempDir,
}

pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Engine {
    pub(crate) fn new(name: &'static str) -> Self {
        let folder = TempDir::new().unwrap();
        // Images of the same content would be one for all tests.
        let program = [&PROGRAM, name.as_bytes()].concat();
        for binary in ["accountservice", "healthchecker"] {
            fs::write(folder.path().join(binary), &program).unwrap();
        }
        let engine = Self { name, folder };
        engine.clean_up();
        engine
    }

    fn config(&self, changes: &str) -> PathBuf {
        let path = self.folder.path().join("deploy.toml");
        fs::write(&path, changed(changes)).unwrap();
        path
    }

    /// Runs xtask with these binaries, where the arguments name no others.
    pub(crate) fn xtask(&self, args: &[&str], changes: &str) -> Ended {
        let mut command = self.command(args, changes);
        let takes_binaries = ["deploy", "image"].contains(&args[0]);
        if takes_binaries && !args.iter().any(|arg| arg.starts_with("--binaries")) {
            command.arg("--binaries").arg(self.folder.path());
        }
        ended(&command.output().unwrap())
    }

    /// xtask under the names of this service, where the arguments give no others.
    pub(crate) fn command(&self, args: &[&str], changes: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(args).arg("--config").arg(self.config(changes));
        for (flag, value) in [
            ("--service", self.name),
            ("--network", self.name),
            ("--image", &format!("{}/image", self.name)),
        ] {
            if !args.iter().any(|arg| arg.starts_with(flag)) {
                command.args([flag, value]);
            }
        }
        command.env("ONE", "first content").env("TWO", "second content");
        command.env("CARGO_TARGET_DIR", self.folder.path().join("target"));
        command
    }

    /// Brings the service up without containers, and returns what was printed.
    pub(crate) fn deploy(&self, (args, changes): (&[&str], &str)) -> String {
        let ended = self.xtask(&[&["deploy", "--replicas=0"], args].concat(), changes);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        ended.out
    }

    /// The name of the image, which is built if it is not there.
    pub(crate) fn image(&self, args: &[&str]) -> String {
        let ended = self.xtask(&[&["image"], args].concat(), "");
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        ended.out.lines().last().unwrap().to_owned()
    }

    /// `docker service create` by hand, without a health check.
    pub(crate) fn create(&self, name: &str, args: &[&str]) -> Ended {
        let label = self.label();
        let create = ["service", "create", "--detach", "--no-resolve-image", "--no-healthcheck"];
        let named = ["--restart-condition=none", "--name", name, &label];
        ended(&run(&[&create, &named[..], args].concat()))
    }

    /// The label by which what was made by hand is removed at the end.
    pub(crate) fn label(&self) -> String {
        format!("--label={LABEL}={}", self.name)
    }

    /// What was asked of Swarm.
    pub(crate) fn spec(&self) -> Value {
        inspect("service", self.name)["Spec"].take()
    }

    /// The running containers of the service, by their ids.
    pub(crate) fn containers(&self) -> String {
        docker(&["ps", "--quiet", &format!("--filter={}", of_service(self.name))])
    }

    fn clean_up(&self) {
        let filter = format!("--filter=label={LABEL}={}", self.name);
        for (kind, list) in
            [("service", &["service", "ls", "--quiet"][..]), ("", &["ps", "--all", "--quiet"])]
        {
            let ids = docker(&[list, &[&filter]].concat());
            for id in ids.lines() {
                let remove = if kind.is_empty() { vec!["rm", "--force"] } else { vec![kind, "rm"] };
                run(&[&remove[..], &[id]].concat());
            }
        }
        self.xtask(&["destroy", "--all"], "");
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.clean_up();
    }
}

fn ended(output: &Output) -> Ended {
    Ended {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn run(args: &[&str]) -> Output {
    Command::new("docker").args(args).output().unwrap()
}

pub(crate) fn docker(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Whether there is such an object.
pub(crate) fn exists(kind: &str, name: &str) -> bool {
    run(&["inspect", "--type", kind, name]).status.success()
}

pub(crate) fn inspect(kind: &str, name: &str) -> Value {
    let found: Value = serde_json::from_str(&docker(&["inspect", "--type", kind, name])).unwrap();
    found[0].clone()
}

/// The filter for the containers of a service.
pub(crate) fn of_service(name: &str) -> String {
    format!("label=com.docker.swarm.service.name={name}")
}

/// The tasks of a service, as JSON.
pub(crate) fn tasks(service: &str) -> Vec<Value> {
    let ids = docker(&["service", "ps", "--quiet", "--no-trunc", service]);
    ids.lines().map(|id| inspect("task", id)).collect()
}

/// Asks until there is a result.
pub(crate) fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started_at = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started_at.elapsed() < TIMEOUT, "no {what} within {TIMEOUT:?}");
        std::thread::sleep(PAUSE);
    }
}
