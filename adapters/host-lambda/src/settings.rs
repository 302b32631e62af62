//! Settings: every variable and default, once. Lambda passes no arguments to `bootstrap`.

use std::fmt::Debug;
use std::str::FromStr;

use anyhow::{Result, ensure};
use tracing::level_filters::LevelFilter;

/// What the service is to do.
pub(crate) struct Settings {
    pub(crate) database: String,
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
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let mut errors = Vec::new();
        // Each instance of a function has a log stream of its own.
        let log_stream = variable("AWS_LAMBDA_LOG_STREAM_NAME").unwrap_or_else(|| "lambda".into());
        let settings = Self {
            // The one folder that is writable.
            database: take(&variable, "DATABASE", "/tmp/accounts.db", &mut errors),
            accounts: take(&variable, "ACCOUNTS", "100", &mut errors),
            // It lets any client have the process replaced.
            testability: take(&variable, "TESTABILITY", "false", &mut errors),
            served_by: take(&variable, "SERVED_BY", &log_stream, &mut errors),
            log_level: take(&variable, "LOG_LEVEL", "info", &mut errors),
            max_body: take(&variable, "MAX_BODY", "65536", &mut errors),
            base_path: take(&variable, "BASE_PATH", "", &mut errors),
        };
        if settings.database.contains("://") {
            errors.push("ACCOUNTSERVICE_DATABASE: a path, not a URL".into());
        }
        ensure!(errors.is_empty(), "{}", errors.join("; "));
        let base_path = settings.base_path.trim_matches('/');
        let slash = if base_path.is_empty() { "" } else { "/" };
        Ok(Self { base_path: format!("{slash}{base_path}"), ..settings })
    }
}

/// Parses `ACCOUNTSERVICE_{name}`, or `default` where it is not set, empty or wrong.
fn take<T: FromStr<Err: Debug>>(
    variable: impl Fn(&str) -> Option<String>,
    name: &str,
    default: &str,
    errors: &mut Vec<String>,
) -> T {
    let name = format!("ACCOUNTSERVICE_{name}");
    let value = variable(&name).filter(|value| !value.is_empty());
    let value = value.as_deref().unwrap_or(default);
    value.parse().unwrap_or_else(|_| {
        errors.push(format!("{name}={value} is not valid"));
        default.parse().unwrap_or_else(|error| unreachable!("{default} is valid: {error:?}"))
    })
}
