//! The command lines of verify, as far as they can be told without building or measuring.

use std::process::Command;

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
        (&["bench", "size", "--json=/nowhere/a.json"], 1, "there is no folder for /nowhere/a.json"),
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
