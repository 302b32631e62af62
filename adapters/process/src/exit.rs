//! How a process ends: the exit status, and the text for the user. Nothing is logged here.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// The end of a process.
#[derive(Debug)]
pub enum Exit {
    /// A signal has come: 0.
    Stopped,
    /// A text was asked for, such as that of `--help`: 0, the text on standard output.
    Printed(String),
    /// It cannot start or serve: 1, the reason on standard error.
    Failed(String),
    /// Bad usage: 2, the reason on standard error.
    BadUsage(String),
    /// It was unhealthy for too long, as the log says: 3.
    Unhealthy,
}

impl Exit {
    /// Prints the text, and returns the status.
    pub fn report(self, program: &str) -> ExitCode {
        let (status, error) = match self {
            Self::Stopped => return ExitCode::SUCCESS,
            Self::Printed(text) => {
                // A reader that has gone is no error.
                let _ = io::stdout().write_all(text.as_bytes());
                return ExitCode::SUCCESS;
            }
            Self::Failed(error) => (1, error),
            Self::BadUsage(error) => (2, error),
            Self::Unhealthy => return ExitCode::from(3),
        };
        let _ = writeln!(io::stderr(), "{program}: {}", on_one_line(&error));
        ExitCode::from(status)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Printed(text) | Self::Failed(text) | Self::BadUsage(text) => f.write_str(text),
            Self::Stopped => f.write_str("stopped"),
            Self::Unhealthy => f.write_str("unhealthy"),
        }
    }
}

impl Error for Exit {}

/// A path or a value may contain line breaks and escape sequences: they are shown, not followed.
fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() {
            line.extend(char.escape_default());
        } else {
            line.push(char);
        }
    }
    line
}
