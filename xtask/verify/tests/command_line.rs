//! The command line of `bench`, as far as it can be told without measuring.

use std::process::Command;

fn verify(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_verify")).args(args).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), said)
}

#[test]
fn what_cannot_be_measured_is_told_before_anything_is_built() {
    let nowhere = "--peers=/nowhere";
    for (args, code, message) in [
        (&["speed"][..], 2, "invalid value 'speed' for '[PART]...'"),
        (&["--rounds=0"], 2, "'--rounds <N>': not a number from 1 on"),
        (&["--seconds=0.01"], 2, "'--seconds <S>': not a number from 0.1 to 60"),
        (&["--seconds=NaN"], 2, "'--seconds <S>': not a number from 0.1 to 60"),
        (&["--only=xitca"], 2, "--peers <FOLDER>"),
        (&[nowhere], 1, "cannot find /nowhere/build.sh"),
        (&[nowhere, "--only=xitca,no"], 1, "there is no rival \"no\", only axum, actix"),
        (&["size", "--svg=a.svg"], 1, "--svg draws the throughput, which is not measured"),
        (&["size", "--json=/nowhere/a.json"], 1, "there is no folder for /nowhere/a.json"),
    ] {
        let (ended, said) = verify(&[&["bench"], args].concat());
        assert!(said.contains(message), "{args:?}: {said}");
        assert!(!said.contains("Building"), "{args:?}: {said}");
        assert_eq!(ended, Some(code), "{args:?}");
    }
}

#[test]
fn help_tells_the_parts_the_columns_and_the_exit_statuses() {
    let (code, help) = verify(&["bench", "--help"]);
    assert_eq!(code, Some(0));
    for part in ["throughput", "cores", "connections", "growth", "memory", "start", "size"] {
        assert!(help.contains(&format!("- {part}:")), "{part} is not in {help}");
    }
    for text in ["lpipe16", "% of floor", "retries", "Exit statuses"] {
        assert!(help.contains(text), "{text} is not in {help}");
    }
}

#[test]
fn the_floor_is_nobody_elses_business() {
    let (_, help) = verify(&["--help"]);
    assert!(help.contains("  bench ") && !help.contains("  floor "), "{help}");
}
