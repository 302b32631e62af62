//! How the process ends: the exit status, and the text for the user.

use std::io::{self, Write};
use std::process::ExitCode;

/// The end of the process: its exit status, and a text for the user.
pub(crate) enum Exit {
    /// A signal has come: 0.
    Stopped,
    /// `--help` or `--version`: 0, the text on standard output.
    Printed(String),
    /// It cannot start or serve: 1.
    Failed(String),
    /// Bad usage: 2.
    BadUsage(String),
    /// It was unhealthy for `--exit-when-unhealthy`, as the log says: 3.
    Unhealthy,
}

impl Exit {
    /// Prints the text, and returns the status.
    pub(crate) fn report(self) -> ExitCode {
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
        let _ = writeln!(io::stderr(), "accountservice: {}", on_one_line(&error));
        ExitCode::from(status)
    }
}

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
