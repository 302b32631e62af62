//! Settings: every flag, environment variable and default, once, in [`SETTINGS`].
//!
//! All bad values are reported together. The plan of a deployment reads the defaults from `--help`.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use accountservice_host_hyper::ServerConfig;
use lexopt::Arg::{Long, Short, Value};
use lexopt::Parser;
use tracing::level_filters::LevelFilter;

use crate::database::Database;
use crate::exit::Exit;

/// One setting, as `--help` shows it. The variable is named after the flag.
struct Setting {
    flag: &'static str,
    value: &'static str,
    default: &'static str,
    help: &'static str,
}

/// In the order of `--help`.
#[rustfmt::skip]
const SETTINGS: &[Setting] = &[
    // The port of the original.
    Setting { flag: "port", value: "PORT", default: "6767", help: "TCP port to listen on; 0 lets the system choose" },
    // A container is reached from outside.
    Setting { flag: "address", value: "IP", default: "0.0.0.0", help: "address to listen on; :: for IPv6 and IPv4" },
    Setting { flag: "database", value: "PATH|URL", default: "accounts.db", help: "database file, created if missing, or postgres://USER:PASSWORD@HOST/DATABASE; the variable, or a file that ACCOUNTSERVICE_DATABASE_FILE names, keeps the password out of the process list" },
    Setting { flag: "accounts", value: "N", default: "100", help: "accounts to seed, from id 10000 on; 0 to 10000000" },
    // It lets any client have the process replaced.
    Setting { flag: "testability", value: "BOOL", default: "false", help: "serve /testability/healthy/{state}; never in production" },
    Setting { flag: "served-by", value: "NAME", default: "", help: "name of this replica in accounts; default: first non-loopback IPv4 address, else the host name" },
    Setting { flag: "log-format", value: "FORMAT", default: "text", help: "text or json" },
    Setting { flag: "log-level", value: "LEVEL", default: "info", help: "error, warn, info, debug (with an entry for each request) or trace" },
    // Counts are for the operator alone.
    Setting { flag: "metrics-port", value: "PORT", default: "", help: "serve /metrics for Prometheus on this port, not the port of the service; default: off" },
    // The reasons for these defaults are in `ServerConfig`; a test compares the two.
    Setting { flag: "workers", value: "N", default: "", help: "threads that serve connections; default: one per core" },
    Setting { flag: "max-connections", value: "N", default: "10000", help: "open connections; further ones get one response: health, or 503" },
    Setting { flag: "max-head", value: "BYTES", default: "65536", help: "longest request head, else 431; 8192 or more" },
    Setting { flag: "max-body", value: "BYTES", default: "65536", help: "longest request body, else 413" },
    Setting { flag: "header-timeout", value: "TIME", default: "10s", help: "for a complete request head, else the connection is closed" },
    Setting { flag: "body-timeout", value: "TIME", default: "10s", help: "for a complete request body, else 408" },
    Setting { flag: "keep-alive-timeout", value: "TIME", default: "75s", help: "for an idle connection between two requests" },
    Setting { flag: "shutdown-timeout", value: "TIME", default: "4s", help: "for requests in flight when the process stops" },
    Setting { flag: "drain-delay", value: "TIME", default: "0s", help: "after SIGTERM, health is 503 and connections are accepted for this long before the shutdown timeout starts" },
    Setting { flag: "exit-when-unhealthy", value: "TIME", default: "", help: "exit with status 3 when /health has been 503 for this long for a reason of this process; default: off" },
];

/// Names a file that contains the value of `--database`.
const DATABASE_FILE: &str = "ACCOUNTSERVICE_DATABASE_FILE";

/// Former names, each with the present one.
const RENAMED: [(&str, &str); 3] = [
    ("head-timeout", "header-timeout"),
    ("idle-timeout", "keep-alive-timeout"),
    ("drain-timeout", "shutdown-timeout"),
];

/// What the service is to do.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
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
    /// Reads the command line and the environment. A flag wins over a variable.
    pub(crate) fn from_process() -> Result<Self, Exit> {
        Self::read(Parser::from_env(), |name| std::env::var_os(name))
    }

    fn read(parser: Parser, variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, Exit> {
        let usage = |error: String| {
            Exit::BadUsage(format!("{error}; accountservice --help shows what there is"))
        };
        // Flags first: `--help` is for the user whose variables are bad.
        let flags = match from_flags(parser) {
            Ok(Flags::Values(flags)) => flags,
            Ok(Flags::Print(text)) => return Err(Exit::Printed(text)),
            Err(error) => return Err(usage(error.to_string())),
        };
        let (mut given, ignored) = from_variables(&variable).map_err(usage)?;
        let file = variable(DATABASE_FILE).filter(|path| !path.is_empty());
        if let Some(path) = file.filter(|_| !flags.contains_key("database")) {
            let value = Database::read(&path)?;
            if let Some((name, _)) = given.insert("database", (DATABASE_FILE.into(), value)) {
                let name = name.trim_end_matches('=');
                return Err(usage(format!("{name} and {DATABASE_FILE} are set: unset one")));
            }
        }
        given.extend(flags);
        Values { given, ignored, errors: Vec::new() }.into_settings()
    }
}

/// The values that were given, by flag, each with the name by which the user gave it.
type Given = HashMap<&'static str, (String, OsString)>;

/// Reads the variables of all settings. Says which are ignored.
fn from_variables(
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<(Given, Vec<String>), String> {
    let mut given = Given::new();
    let mut ignored = Vec::new();
    // An empty variable is how compose files and shells say that there is none.
    let value_of = |name: &str| variable(name).filter(|value| !value.is_empty());
    for (old, new) in RENAMED {
        if value_of(&variable_of(old)).is_some() {
            return Err(format!("{} is {} now", variable_of(old), variable_of(new)));
        }
    }
    for setting in SETTINGS {
        let name = variable_of(setting.flag);
        match value_of(&name) {
            Some(value) if is_service_link(&value) => ignored.push(format!(
                "Ignoring {name}={}: Kubernetes and Docker links set it for a service of this name",
                value.to_string_lossy().escape_debug()
            )),
            Some(value) => {
                given.insert(setting.flag, (format!("{name}="), value));
            }
            None => {}
        }
    }
    Ok((given, ignored))
}

/// Kubernetes sets `NAME_PORT=tcp://10.96.0.1:6767` for every service of a namespace, Docker for
/// every link.
fn is_service_link(value: &OsStr) -> bool {
    let value = value.to_string_lossy();
    ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme))
}

enum Flags {
    Values(Given),
    /// A text was asked for, such as that of `--help`.
    Print(String),
}

fn from_flags(mut parser: Parser) -> Result<Flags, lexopt::Error> {
    let mut given = Given::new();
    while let Some(argument) = parser.next()? {
        let setting = match argument {
            Short('h') | Long("help") => return Ok(Flags::Print(help())),
            Short('V') | Long("version") => {
                let version = env!("CARGO_PKG_VERSION");
                return Ok(Flags::Print(format!("accountservice {version}\n")));
            }
            Long(flag) => {
                if let Some((old, new)) = RENAMED.iter().find(|(old, _)| *old == flag) {
                    return Err(format!("--{old} is --{new} now").into());
                }
                SETTINGS.iter().find(|setting| setting.flag == flag)
            }
            Short(_) | Value(_) => None,
        };
        let Some(setting) = setting else { return Err(argument.unexpected()) };
        let value = match parser.optional_value() {
            Some(value) => value,
            None if setting.value == "BOOL" => boolean_ahead(&mut parser).unwrap_or("true".into()),
            None => parser.value()?,
        };
        given.insert(setting.flag, (format!("--{} ", setting.flag), value));
    }
    Ok(Flags::Values(given))
}

/// The value of a flag that needs none: `--testability false`.
fn boolean_ahead(parser: &mut Parser) -> Option<OsString> {
    let mut ahead = parser.try_raw_args()?;
    let is_boolean = ahead.peek().is_some_and(|value| value == "true" || value == "false");
    if is_boolean { ahead.next() } else { None }
}

/// Given values on their way to settings, and the errors in them.
struct Values {
    given: Given,
    ignored: Vec<String>,
    errors: Vec<String>,
}

impl Values {
    /// Parses the value that was given for `flag`, or its default.
    fn take<T>(
        &mut self,
        flag: &str,
        expected: &str,
        parse: impl FnOnce(&OsStr) -> Option<T>,
    ) -> Option<T> {
        let (name, value) = self.given(flag);
        let parsed = parse(&value);
        if parsed.is_none() {
            self.errors.push(format!("{name}{}: not {expected}", value.display()));
        }
        parsed
    }

    /// The value of `flag`, or its default, with the name by which it was given.
    fn given(&mut self, flag: &str) -> (String, OsString) {
        self.given.remove(flag).unwrap_or_else(|| {
            let setting = SETTINGS.iter().find(|setting| setting.flag == flag);
            (String::new(), setting.map_or("", |setting| setting.default).into())
        })
    }

    fn text<T>(
        &mut self,
        flag: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.take(flag, expected, |value| value.to_str().and_then(parse))
    }

    fn number<N: FromStr + PartialOrd>(
        &mut self,
        flag: &str,
        expected: &str,
        range: RangeInclusive<N>,
    ) -> Option<N> {
        self.text(flag, expected, |text| number(text, &range))
    }

    /// A number that may be left out.
    #[expect(clippy::option_option, reason = "an error, nothing, or a number")]
    fn optional_number<N: FromStr + PartialOrd>(
        &mut self,
        flag: &str,
        expected: &str,
        range: RangeInclusive<N>,
    ) -> Option<Option<N>> {
        self.text(flag, expected, |text| match text {
            "" => Some(None),
            text => number(text, &range).map(Some),
        })
    }

    fn time(&mut self, flag: &str) -> Option<Duration> {
        self.text(flag, "a time from 1ms to 1day, such as 500ms or 10s", time)
    }

    fn into_settings(mut self) -> Result<Settings, Exit> {
        let default = ServerConfig::default();
        let address = self.text("address", "an IP address", |text| text.parse().ok());
        let port = self.number("port", "a number from 0 to 65535", 0..=u16::MAX);
        let (name, database) = self.given("database");
        let database = match Database::parse(name.trim_end_matches(['=', ' ']), &database) {
            Ok(database) => Some(database),
            Err(Exit::Failed(error)) => {
                self.errors.push(error);
                None
            }
            Err(bad_usage) => return Err(bad_usage),
        };
        let accounts = self.number("accounts", "a number from 0 to 10000000", 0..=10_000_000);
        let testability = self.text("testability", "true or false", |text| text.parse().ok());
        let served_by = self.text("served-by", "text", |text| Some(text.to_owned()));
        let log_format = self.text("log-format", "text or json", |text| match text {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        });
        let log_level = self.text("log-level", "error, warn, info, debug or trace", |text| {
            let known = ["error", "warn", "info", "debug", "trace"].contains(&text);
            text.parse().ok().filter(|_| known)
        });
        let metrics_port =
            self.optional_number("metrics-port", "a number from 0 to 65535", 0..=u16::MAX);
        let workers = self.optional_number("workers", "a number from 1 to 1024", 1..=1024);
        let max_connections = self.number("max-connections", "a number from 1 on", 1..=usize::MAX);
        let max_head = self.number("max-head", "a number from 8192 to 16777216", 8192..=16 << 20);
        let max_body = self.number("max-body", "a number from 0 to 1073741824", 0..=1 << 30);
        let header_timeout = self.time("header-timeout");
        let body_timeout = self.time("body-timeout");
        let keep_alive_timeout = self.time("keep-alive-timeout");
        let shutdown_timeout = self.time("shutdown-timeout");
        let drain_delay = self.text("drain-delay", "a time from 0s to 1day", |text| {
            let delay = humantime::parse_duration(text).ok();
            delay.filter(|delay| *delay <= Duration::from_hours(24))
        });
        let exit_when_unhealthy =
            self.text("exit-when-unhealthy", "a time from 1ms to 1day", |text| match text {
                "" => Some(None),
                text => time(text).map(Some),
            });
        if let (Some(port), Some(Some(metrics_port))) = (port, metrics_port)
            && port == metrics_port
            && port != 0
        {
            self.errors.push(format!(
                "--metrics-port {port}: the port of the service itself; choose another one"
            ));
        }
        let Self { ignored, errors, .. } = self;
        let has_errors = !errors.is_empty();
        let settings = || {
            Some(Settings {
                address: address?,
                port: port?,
                database: database?,
                accounts: accounts?,
                testability: testability?,
                served_by: Some(served_by?).filter(|name| !name.is_empty()),
                log_format: log_format?,
                log_level: log_level?,
                metrics_port: metrics_port?,
                server: ServerConfig {
                    workers: workers?.and_then(NonZeroUsize::new).unwrap_or(default.workers),
                    max_connections: max_connections?,
                    overload_slots: default.overload_slots,
                    max_head: max_head?,
                    max_body: max_body?,
                    header_timeout: header_timeout?,
                    body_timeout: body_timeout?,
                    keep_alive_timeout: keep_alive_timeout?,
                    drain_delay: drain_delay?,
                    shutdown_timeout: shutdown_timeout?,
                },
                exit_when_unhealthy: exit_when_unhealthy?,
                ignored,
            })
        };
        settings().filter(|_| !has_errors).ok_or_else(|| Exit::Failed(errors.join("; ")))
    }
}

fn number<N: FromStr + PartialOrd>(text: &str, range: &RangeInclusive<N>) -> Option<N> {
    // The standard parser accepts a plus.
    let digits = !text.starts_with('+');
    text.parse().ok().filter(|number| digits && range.contains(number))
}

fn time(text: &str) -> Option<Duration> {
    let range = Duration::from_millis(1)..=Duration::from_hours(24);
    humantime::parse_duration(text).ok().filter(|time| range.contains(time))
}

fn variable_of(flag: &str) -> String {
    format!("ACCOUNTSERVICE_{}", flag.to_uppercase().replace('-', "_"))
}

fn help() -> String {
    let mut text = String::from(
        "The account service: GET /accounts/{id}, GET /health, /health/live, /health/ready.\n\n\
         Usage: accountservice [--SETTING VALUE]...\n\n\
         Settings, each a flag or an environment variable (the flag wins):\n",
    );
    for Setting { flag, value, default, help } in SETTINGS {
        let default =
            if default.is_empty() { String::new() } else { format!(" [default: {default}]") };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  --{flag} {value}  {}", variable_of(flag));
        let _ = writeln!(text, "      {help}{default}");
    }
    text.push_str(
        "  -h, --help\n  -V, --version\n\n\
         TIME is a number with a unit: 500ms, 10s, 2m. BOOL is true or false; --testability alone is true.\n\
         Exit status: 0 stopped by SIGTERM or SIGINT, 1 could not start, 2 bad usage, \
         3 unhealthy for --exit-when-unhealthy.\n",
    );
    text
}

#[cfg(test)]
#[path = "../tests/unit/settings.rs"]
mod tests;
