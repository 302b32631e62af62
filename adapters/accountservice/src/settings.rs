//! Settings: each flag, environment variable and default, once, in [`Settings::take`].
//!
//! How flags and variables are read is in `accountservice-process`. The plan of a deployment reads
//! the defaults from `--help`.

mod database;

use std::ffi::OsString;
use std::mem;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use accountservice_host_hyper::ServerConfig;
use accountservice_process::{Exit, Program, Values, kind, read};
use tracing::level_filters::LevelFilter;

pub(crate) use database::Database;

const PROGRAM: Program = Program {
    name: "accountservice",
    version: env!("CARGO_PKG_VERSION"),
    about: "The account service: GET /accounts/{id}, GET /health, /health/live, /health/ready.",
    notes: "TIME is a number with a unit: 500ms, 10s, 2m. \
        BOOL is true or false; --testability alone is true.\n\
        Exit status: 0 stopped by SIGTERM or SIGINT, 1 could not start, 2 bad usage, \
        3 unhealthy for --exit-when-unhealthy.\n",
};

const MILLISECOND: Duration = Duration::from_millis(1);

/// What the service is to do.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) port: u16,
    pub(crate) address: IpAddr,
    pub(crate) database: Database,
    pub(crate) accounts: u64,
    pub(crate) testability: bool,
    pub(crate) served_by: Option<String>,
    pub(crate) log_format: LogFormat,
    pub(crate) log_level: LevelFilter,
    pub(crate) metrics_port: Option<u16>,
    pub(crate) server: ServerConfig,
    pub(crate) exit_when_unhealthy: Option<Duration>,
    /// Variables that are no settings, one log entry each.
    pub(crate) ignored: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl Settings {
    /// Reads the command line and the environment.
    pub(crate) fn from_process() -> Result<Self, Exit> {
        Self::from(std::env::args_os().skip(1), |name| std::env::var_os(name))
    }

    fn from(
        arguments: impl IntoIterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Exit> {
        read(&PROGRAM, arguments, variable, Self::take)
    }

    /// Takes each setting, in the order of `--help`.
    #[rustfmt::skip]
    fn take(values: &mut Values) -> Self {
        let path_or_url = kind::new("PATH|URL", "a path or a URL", Database::parse);
        let log_format = kind::new("FORMAT", "text or json", |text: &str| match text {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        });
        let settings = Self {
            // The port of the original.
            port: values.take("port", kind::number("PORT", 0, Some(u16::MAX)), "6767",
                "TCP port to listen on; 0 lets the system choose"),
            // A container is reached from outside.
            address: values.take("address", kind::new("IP", "an IP address", |text: &str| text.parse().ok()), "0.0.0.0",
                "address to listen on; :: for IPv6 and IPv4"),
            database: values.take_secret("database", path_or_url, "accounts.db",
                "database file, created if missing, or postgres://USER:PASSWORD@HOST/DATABASE; the variable, or a file that \
                 ACCOUNTSERVICE_DATABASE_FILE names, keeps the password out of the process list"),
            accounts: values.take("accounts", kind::number("N", 0, Some(10_000_000)), "100",
                "accounts to seed, from id 10000 on; 0 to 10000000"),
            // It lets any client have the process replaced.
            testability: values.take("testability", kind::boolean(), "false",
                "serve /testability/healthy/{state}; never in production"),
            served_by: values.take("served-by", kind::optional(kind::text("NAME")), "",
                "name of this replica in accounts; default: first non-loopback IPv4 address, else the host name"),
            log_format: values.take("log-format", log_format, "text",
                "text or json"),
            log_level: values.take("log-level", kind::log_level(), "info",
                "error, warn, info, debug (with an entry for each request) or trace"),
            // Counts are for the operator alone.
            metrics_port: values.take("metrics-port", kind::optional(kind::number("PORT", 0, Some(u16::MAX))), "",
                "serve /metrics for Prometheus on this port, not the port of the service; default: off"),
            // The reasons for these defaults are in `ServerConfig`; a test compares the two.
            server: ServerConfig {
                workers: values.take("workers", kind::optional(kind::number("N", 1, Some(1024))), "",
                    "threads that serve connections; default: one per core")
                    .and_then(NonZeroUsize::new).unwrap_or(ServerConfig::default().workers),
                max_connections: values.take("max-connections", kind::number("N", 1, None), "10000",
                    "open connections; further ones get one response: health, or 503"),
                max_head: values.take("max-head", kind::number("BYTES", 8192, Some(16 << 20)), "65536",
                    "longest request head, else 431; 8192 or more"),
                max_body: values.take("max-body", kind::number("BYTES", 0, Some(1 << 30)), "65536",
                    "longest request body, else 413"),
                header_timeout: values.take("header-timeout", kind::time(MILLISECOND), "10s",
                    "for a complete request head, else the connection is closed"),
                body_timeout: values.take("body-timeout", kind::time(MILLISECOND), "10s",
                    "for a complete request body, else 408"),
                keep_alive_timeout: values.take("keep-alive-timeout", kind::time(MILLISECOND), "75s",
                    "for an idle connection between two requests"),
                shutdown_timeout: values.take("shutdown-timeout", kind::time(MILLISECOND), "4s",
                    "for requests in flight when the process stops"),
                drain_delay: values.take("drain-delay", kind::time(Duration::ZERO), "0s",
                    "after SIGTERM, health is 503 and connections are accepted for this long before the shutdown timeout starts"),
                ..ServerConfig::default()
            },
            exit_when_unhealthy: values.take("exit-when-unhealthy", kind::optional(kind::time(MILLISECOND)), "",
                "exit with status 3 when /health has been 503 for this long for a reason of this process; default: off"),
            ignored: mem::take(&mut values.ignored),
        };
        values.renamed("head-timeout", "header-timeout");
        values.renamed("idle-timeout", "keep-alive-timeout");
        values.renamed("drain-timeout", "shutdown-timeout");
        let port = settings.port;
        if settings.metrics_port == Some(port) && port != 0 {
            values.reject(format!("--metrics-port {port}: the port of the service itself; choose another one"));
        }
        settings
    }
}

#[cfg(test)]
#[path = "../tests/unit/settings.rs"]
mod tests;
