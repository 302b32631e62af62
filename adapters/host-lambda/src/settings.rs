//! Settings: every variable and default, once. Lambda passes no arguments to `bootstrap`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use accountservice_process::{Exit, Program, Values, kind, read};
use tracing::level_filters::LevelFilter;

const PROGRAM: Program =
    Program { name: "accountservice", version: env!("CARGO_PKG_VERSION"), about: "", notes: "" };

/// What the service is to do.
pub(crate) struct Settings {
    pub(crate) database: PathBuf,
    pub(crate) accounts: u64,
    pub(crate) testability: bool,
    pub(crate) served_by: String,
    pub(crate) log_level: LevelFilter,
    pub(crate) max_body: usize,
    /// Empty, or with a slash in front and none at the end.
    pub(crate) base_path: String,
}

impl Settings {
    /// Reads the environment. Reports all bad values at once.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, Exit> {
        // Each instance of a function has a log stream of its own.
        let log_stream =
            variable("AWS_LAMBDA_LOG_STREAM_NAME").and_then(|it| it.into_string().ok());
        let log_stream = log_stream.unwrap_or_else(|| "lambda".into());
        read(&PROGRAM, [], variable, |values| Self::take(values, &log_stream))
    }

    fn take(values: &mut Values, log_stream: &str) -> Self {
        let path = kind::new("PATH", "a path", |value: &OsStr| {
            let is_url = value.to_string_lossy().contains("://");
            if is_url { Err("a path, not a URL".into()) } else { Ok(PathBuf::from(value)) }
        });
        let base_path = values.take("base-path", kind::text("PATH"), "", "");
        let base_path = base_path.trim_matches('/');
        let slash = if base_path.is_empty() { "" } else { "/" };
        Self {
            // The one folder that is writable.
            database: values.take_secret("database", path, "/tmp/accounts.db", ""),
            accounts: values.take("accounts", kind::number("N", 0, Some(10_000_000)), "100", ""),
            // It lets any client have the process replaced.
            testability: values.take("testability", kind::boolean(), "false", ""),
            served_by: values.take("served-by", kind::text("NAME"), log_stream, ""),
            log_level: values.take("log-level", kind::log_level(), "info", ""),
            max_body: values.take("max-body", kind::number("BYTES", 0, None), "65536", ""),
            base_path: format!("{slash}{base_path}"),
        }
    }
}
