//! The `healthchecker` binary: flags in, exit status out. Everything it decides is in the library.

use std::io::{self, Write};
use std::process::{self, ExitCode};
use std::{env, panic};

use healthchecker::settings::{self, Command};
use healthchecker::{check, report};

fn main() -> ExitCode {
    // Docker knows 0 and 1 and reserves the rest. A defect in the probe would otherwise exit with
    // 101 and print several lines.
    panic::set_hook(Box::new(|_| {
        say(io::stderr(), "DOWN the probe itself failed\n");
        process::exit(1);
    }));

    match settings::parse(env::args_os().skip(1)) {
        Ok(Command::Check(settings)) => match check::run(&settings) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(down) => say(io::stderr(), &report::down(&down, &settings)),
        },
        Ok(Command::Help) => say(io::stdout(), settings::HELP),
        Err(bad_usage) => say(io::stderr(), &report::bad_usage(&bad_usage)),
    }
    ExitCode::FAILURE
}

/// The exit status is the answer; a reader that has gone away must not change it, as the panic in
/// `eprint!` would. Every text ends with a newline, at which stdout too writes by itself.
fn say(mut to: impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes());
}
