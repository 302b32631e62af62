//! `e2e`, `faults`, `soak`, `bench` and `invoke` reach the package `verify` unchanged. A `cargo` that prints its
//! arguments stands in for the real one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tempfile::TempDir;

#[test]
fn commands_that_verify_keep_their_arguments_folder_and_exit_status() {
    let folder = TempDir::new().unwrap();
    let cargo = folder.path().join("cargo");
    fs::write(&cargo, "#!/bin/sh\nprintf '%s|' \"$@\"\npwd\nexit 7\n").unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    for command in ["e2e", "faults", "soak", "bench", "invoke"] {
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        xtask.args([command, "size", "--help", "--only=a b", "--", "-x"]);
        let path = format!("{}:/bin", folder.path().display());
        let output = xtask.current_dir(folder.path()).env("PATH", path).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let (_, args) = said.split_once("Cargo.toml|").unwrap_or_else(|| panic!("{said}"));
        let here = folder.path().canonicalize().unwrap();
        let due = format!("--|{command}|size|--help|--only=a b|--|-x|{}\n", here.display());
        assert_eq!(args, due);
        assert_eq!(output.status.code(), Some(7));
    }
}
