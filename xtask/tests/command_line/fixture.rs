//! Runs xtask as users and scripts do, in a workspace with settings of its own: tests compare with
//! literals. Where an engine is needed, a `docker` that answers from a table stands in;
//! `tests/engine` and `cargo xtask e2e` use a real one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use expect_test::Expect;
use tempfile::TempDir;

use crate::deploy_toml::changed;

/// A healthy engine that is in a swarm, where nothing is deployed.
const ENGINE: &[(&str, &str)] = &[
    ("version*", r#"echo '{"Version":"28.0","ApiVersion":"1.48","Arch":"amd64"}'"#),
    (
        "info*",
        r#"echo '{"SystemTime":"2026-01-02T03:04:05Z","Swarm":{"LocalNodeState":"active","ControlAvailable":true}}'"#,
    ),
    ("context inspect*", r#"echo '"ssh://elsewhere"'"#),
    ("network inspect*", "exit 1"),
    ("inspect --type network*", "echo '[]'; exit 1"),
    ("node ls*", "true"),
    ("service ls*", "true"),
    ("ps*", "true"),
];

/// A workspace, and in its folder a `docker` that answers from a table and notes each question.
pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
}

impl Fixture {
    /// The engine of the table, with other answers to some questions.
    pub(crate) fn new(answers: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let case = |(asked, answer): &(&str, &str)| {
            format!("  {}) {answer} ;;", asked.replace(' ', "\\ "))
        };
        let cases = answers.iter().chain(ENGINE).map(case).collect::<Vec<_>>().join("\n");
        let notes = folder.path().join("notes").display().to_string();
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$*\" >>'{notes}'\ncase \"$*\" in\n{cases}\n  \
             *) echo \"unexpected: $*\" >&2; exit 99 ;;\nesac\n"
        );
        let fixture = Self { folder };
        fixture.program("docker", &script);
        workspace(fixture.path(), "");
        fixture
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into the folder.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path: PathBuf = self.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    pub(crate) fn program(&self, name: &str, script: &str) {
        let path = self.file(name, script);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The flag for a settings file with these keys changed.
    pub(crate) fn config(&self, changes: &str) -> String {
        format!("--config={}", self.file("deploy.toml", changed(changes)))
    }

    /// Binaries that pass for static ones: the bare header of an ELF file for `x86_64`.
    pub(crate) fn binaries(&self) -> String {
        let mut header = vec![0; 64];
        header[..6].copy_from_slice(b"\x7fELF\x02\x01");
        header[18] = 62;
        self.file("accountservice", &header);
        self.file("healthchecker", &header);
        format!("--binaries={}", self.path().display())
    }

    /// xtask in the workspace, with this `docker` first in its path.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let path = format!("{}:{}", self.path().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(args).env("PATH", path).env("CARGO_TARGET_DIR", self.path().join("target"));
        command.env("CARGO_MANIFEST_DIR", self.path().join("xtask"));
        command
    }

    pub(crate) fn xtask(&self, args: &[&str]) -> Ended {
        run(&mut self.command(args))
    }

    pub(crate) fn deploy(&self, args: &[&str]) -> Ended {
        self.xtask(&[&["deploy", &self.binaries()], args].concat())
    }

    pub(crate) fn notes(&self) -> String {
        fs::read_to_string(self.path().join("notes")).unwrap_or_default()
    }
}

/// As much of a workspace as xtask reads, in this folder, with these keys of its settings changed.
pub(crate) fn workspace(root: &Path, changes: &str) {
    let manifest = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")).unwrap();
    for (name, content) in [
        ("Cargo.toml", manifest),
        ("xtask/Cargo.toml", Vec::new()),
        ("infra/deploy.toml", changed(changes).into()),
    ] {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn check(&self, code: i32, err: &Expect) {
        err.assert_eq(&self.err);
        assert_eq!(self.code, Some(code), "{}", self.err);
    }

    #[track_caller]
    pub(crate) fn fails(&self, code: i32, message: &str) {
        assert!(self.err.contains(message), "{}", self.err);
        assert_eq!(self.code, Some(code), "{}", self.err);
    }

    #[track_caller]
    pub(crate) fn succeeds(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }
}

pub(crate) fn run(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
