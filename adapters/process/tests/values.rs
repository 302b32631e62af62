//! Settings of a program that is none of ours.

use std::ffi::OsString;

use accountservice_process::{Exit, Program, kind, read};

const PROGRAM: Program =
    Program { name: "order-book", version: "1.0.0", about: "Books orders.", notes: "The end.\n" };

fn settings(arguments: &[&str], variables: &[(&str, &str)]) -> Result<(u16, String), Exit> {
    let arguments = arguments.iter().map(OsString::from);
    let variable = |name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| OsString::from(value))
    };
    read(&PROGRAM, arguments, variable, |values| {
        let port = values.take("port", kind::number("PORT", 1, Some(9999)), "80", "where it is");
        let token = kind::new("TOKEN", "a token", |value: &std::ffi::OsStr| {
            let text = value.to_string_lossy().into_owned();
            if text.len() == 4 { Ok(text) } else { Err("a token has 4 letters".to_owned()) }
        });
        (port, values.take_secret("token", token, "none", "what is kept"))
    })
}

#[test]
fn variables_begin_with_the_name_of_the_program() {
    let variables = [("ORDER_BOOK_PORT", "81"), ("ORDER_BOOK_TOKEN", "abcd")];
    assert_eq!(settings(&[], &variables).expect("settings"), (81, "abcd".to_owned()));
}

#[test]
fn a_secret_may_be_in_a_file_and_is_not_in_its_error() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "abcd\r\n").expect("room");
    let variables = [("ORDER_BOOK_TOKEN_FILE", file.path().to_str().expect("UTF-8"))];
    assert_eq!(settings(&[], &variables).expect("settings"), (80, "abcd".to_owned()));
    std::fs::write(file.path(), "much too long").expect("room");
    let exit = settings(&["--port=0"], &variables).expect_err("two errors");
    assert!(matches!(exit, Exit::BadUsage(_)));
    assert_eq!(
        exit.to_string(),
        "--port 0: not a number from 1 to 9999; ORDER_BOOK_TOKEN_FILE: a token has 4 letters"
    );
}

#[test]
fn help_has_the_settings_in_the_order_in_which_they_are_taken() {
    let exit = settings(&["-h"], &[]).expect_err("help");
    assert_eq!(
        exit.to_string(),
        "Books orders.\n\nUsage: order-book [--SETTING VALUE]...\n\n\
         Settings, each a flag or an environment variable (the flag wins):\n  \
           --port PORT  ORDER_BOOK_PORT\n      where it is [default: 80]\n  \
           --token TOKEN  ORDER_BOOK_TOKEN\n      what is kept [default: none]\n  \
           -h, --help\n  -V, --version\n\nThe end.\n"
    );
}
