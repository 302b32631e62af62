//! The command lines of verify, as far as they can be told without building or measuring.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use tempfile::TempDir;

fn verify(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_verify")).args(args).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), text)
}

#[test]
fn a_wrong_command_line_is_refused_before_anything_is_built() {
    let nowhere = "--peers=/nowhere";
    for (args, code, message) in [
        (&["bench", "speed"][..], 2, "invalid value 'speed' for '[PART]...'"),
        (&["bench", "--rounds=0"], 2, "'--rounds <N>': 0 is not in 1..=65535"),
        (&["bench", "--seconds=0.01"], 2, "'--seconds <S>': not a number from 0.1 to 60"),
        (&["bench", "--seconds=NaN"], 2, "'--seconds <S>': not a number from 0.1 to 60"),
        (&["bench", "--only=xitca"], 2, "--peers <FOLDER>"),
        (&["bench", nowhere], 1, "cannot find /nowhere/build.sh"),
        (&["bench", nowhere, "--only=xitca,no"], 1, "there is no peer \"no\", only axum actix"),
        (
            &["bench", "size", "--json=/nowhere/a.json"],
            1,
            "cannot create /nowhere/a.json: No such file",
        ),
        (&["bench", "size", "--binaries=/nowhere"], 1, "there is no /nowhere/accountservice"),
        (&["faults", "--only=nothing"], 1, "no fault has \"nothing\" in its name"),
        (&["soak", "--minutes=0"], 2, "'--minutes <N>': 0 is not in 1.."),
    ] {
        let (ended, text) = verify(args);
        assert!(text.contains(message), "{args:?}: {text}");
        assert!(!text.contains("Building"), "{args:?}: {text}");
        assert_eq!(ended, Some(code), "{args:?}");
    }
}

/// Both would have the same service, and one of them would leave the swarm. The engine is a
/// `docker` that knows its own id only.
#[test]
fn of_two_runs_on_one_engine_the_second_waits_and_says_for_which_one() {
    let folder = TempDir::new().unwrap();
    let docker = folder.path().join("docker");
    fs::write(&docker, "#!/bin/sh\n[ \"$2\" = '--format={{.ID}}' ] && echo A:1\n").unwrap();
    fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("verify-A:1.lock");
    fs::write(&path, "process 1: cargo xtask soak").unwrap();
    let held = File::open(&path).unwrap();
    held.lock().unwrap();
    let mut e2e = Command::new(env!("CARGO_BIN_EXE_verify"));
    e2e.arg("e2e").env("TMPDIR", folder.path());
    e2e.env("PATH", folder.path()).stderr(Stdio::piped());
    let mut waits = e2e.spawn().unwrap();
    let mut lines = BufReader::new(waits.stderr.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    assert!(line.starts_with("Waiting for process 1: cargo xtask soak ("), "{line}");
    assert_eq!(waits.try_wait().unwrap(), None);
    drop(held);
    assert_eq!(waits.wait().unwrap().code(), Some(1));
    let holder = fs::read_to_string(&path).unwrap();
    assert_eq!(holder, format!("process {}: cargo xtask e2e", waits.id()));
}
