//! `healthchecker`: the health probe that an orchestrator runs inside the container.
//!
//! It sends one request to the service on loopback, under one deadline. The exit status is the
//! result; if the service is unhealthy, one line on stderr says why, for `docker inspect`. It is
//! not an HTTP client: no redirects, proxies, name resolution, TLS or HTTP/2.

mod check;
mod report;
mod response;
mod settings;

use std::io::{self, Write};
use std::process::{self, ExitCode};
use std::{env, panic};

use settings::Command;

fn main() -> ExitCode {
    // A panic exits with 101 by default and prints several lines.
    panic::set_hook(Box::new(|_| {
        print(io::stderr(), "DOWN internal error in the probe\n");
        process::exit(1);
    }));

    match settings::parse(env::args_os().skip(1)) {
        Ok(Command::Check(settings)) => match check::run(&settings) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(unhealthy) => print(io::stderr(), &report::unhealthy(&unhealthy, &settings)),
        },
        Ok(Command::Help) => print(io::stdout(), settings::HELP),
        Err(bad_usage) => print(io::stderr(), &report::bad_usage(&bad_usage)),
    }
    ExitCode::FAILURE
}

/// Ignores errors: a closed pipe or a full disk must not change the exit status. Every text ends
/// with a newline, so stdout flushes it.
fn print(mut to: impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes());
}
