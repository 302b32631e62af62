//! `e2e`, `faults`, `soak`, `bench` and `invoke` reach the package `verify` unchanged. A `cargo`
//! that prints its arguments stands in for the real one.

use crate::fixture::{Fixture, run};

#[test]
fn commands_that_verify_keep_their_arguments_folder_and_exit_status() {
    let fixture = Fixture::new(&[]);
    fixture.program("cargo", "#!/bin/sh\nprintf '%s|' \"$@\"\npwd\nexit 7\n");
    for command in ["e2e", "faults", "soak", "bench", "invoke"] {
        let mut xtask = fixture.command(&[command, "size", "--help", "--only=a b", "--", "-x"]);
        let ended = run(xtask.current_dir(fixture.path()));
        let (_, args) =
            ended.out.split_once("Cargo.toml|").unwrap_or_else(|| panic!("{}", ended.out));
        let here = fixture.path().canonicalize().unwrap();
        let due = format!("--|{command}|size|--help|--only=a b|--|-x|{}\n", here.display());
        assert_eq!(args, due);
        assert_eq!(ended.code, Some(7));
    }
}
