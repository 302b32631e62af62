//! Settings: every flag, environment variable and default, in one place.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use accountservice_host_hyper::Limits;
use lexopt::Arg::{Long, Short, Value};
use lexopt::Parser;
use tracing::level_filters::LevelFilter;

/// One setting, as `--help` shows it. The variable is named after the flag.
struct Setting {
    flag: &'static str,
    value: &'static str,
    default: &'static str,
    help: &'static str,
}

/// The order is that of `--help`.
#[rustfmt::skip]
const SETTINGS: &[Setting] = &[
    // The original's port.
    Setting { flag: "port", value: "PORT", default: "6767", help: "TCP port to listen on; 0 lets the system choose" },
    // A container is reached from outside.
    Setting { flag: "address", value: "IP", default: "0.0.0.0", help: "address to listen on; :: for IPv6 and IPv4" },
    Setting { flag: "database", value: "PATH", default: "accounts.db", help: "database file, created if missing" },
    Setting { flag: "accounts", value: "N", default: "100", help: "accounts to seed, from id 10000 on; 0 to 10000000" },
    // It lets anybody have the process replaced.
    Setting { flag: "testability", value: "BOOL", default: "false", help: "serve /testability/healthy/{state}; never in production" },
    Setting { flag: "served-by", value: "NAME", default: "", help: "what accounts are served by; default: first non-loopback IPv4 address, else the host name" },
    Setting { flag: "log-format", value: "FORMAT", default: "text", help: "text or json" },
    Setting { flag: "log-level", value: "LEVEL", default: "info", help: "error, warn, info, debug (with a line for each request) or trace" },
    // What is asked for is nobody's but the operator's.
    Setting { flag: "metrics-port", value: "PORT", default: "", help: "serve /metrics for Prometheus on this port, which may be that of the service; default: off" },
    // For these, see `Limits`.
    Setting { flag: "workers", value: "N", default: "", help: "threads that serve connections; default: one for each core" },
    Setting { flag: "max-connections", value: "N", default: "10000", help: "open connections; further ones get one answer: health, or 503" },
    Setting { flag: "max-head", value: "BYTES", default: "65536", help: "longest request head, else 431; 8192 or more" },
    Setting { flag: "max-body", value: "BYTES", default: "65536", help: "longest request body, else 413" },
    Setting { flag: "head-timeout", value: "TIME", default: "10s", help: "for a request head to come in, else the connection is closed" },
    Setting { flag: "body-timeout", value: "TIME", default: "10s", help: "for a request body to come in, else 408" },
    Setting { flag: "idle-timeout", value: "TIME", default: "75s", help: "for a connection to rest between requests" },
    Setting { flag: "drain-timeout", value: "TIME", default: "4s", help: "for requests in flight when the process is to stop" },
];

/// What the service is to do.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) database: PathBuf,
    pub(crate) accounts: u64,
    pub(crate) testability: bool,
    pub(crate) served_by: Option<String>,
    pub(crate) log_format: LogFormat,
    pub(crate) log_level: LevelFilter,
    pub(crate) metrics_port: Option<u16>,
    pub(crate) limits: Limits,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// What came of reading the settings.
pub(crate) enum Outcome {
    Run(Settings),
    /// Something was asked that is answered by a text, such as `--help`.
    Answer(String),
    /// There is no such flag.
    BadUsage(String),
    /// Values that make no sense, all of them.
    BadSettings(String),
}

impl Settings {
    /// Reads command line and environment. A flag wins over a variable.
    pub(crate) fn from_process() -> Outcome {
        match given(Parser::from_env(), |name| std::env::var_os(name)) {
            Ok(Given::Values(values)) => {
                match (Values { given: values, errors: Vec::new() }).settings() {
                    Ok(settings) => Outcome::Run(settings),
                    Err(errors) => Outcome::BadSettings(errors.join("; ")),
                }
            }
            Ok(Given::Help) => Outcome::Answer(help()),
            Ok(Given::Version) => {
                Outcome::Answer(format!("accountservice {}\n", env!("CARGO_PKG_VERSION")))
            }
            Err(error) => {
                Outcome::BadUsage(format!("{error}; accountservice --help shows what there is"))
            }
        }
    }
}

enum Given {
    Values(HashMap<&'static str, (String, OsString)>),
    Help,
    Version,
}

/// What is set, by flag: how the user named the setting, and the value.
fn given(
    mut parser: Parser,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Given, lexopt::Error> {
    let mut values = HashMap::new();
    for setting in SETTINGS {
        let name = variable_of(setting.flag);
        // An empty variable is how compose files and shells say that there is none.
        if let Some(value) = variable(&name).filter(|value| !value.is_empty()) {
            values.insert(setting.flag, (format!("{name}="), value));
        }
    }
    while let Some(argument) = parser.next()? {
        let flag = match argument {
            Short('h') | Long("help") => return Ok(Given::Help),
            Short('V') | Long("version") => return Ok(Given::Version),
            Long(flag) => SETTINGS.iter().find(|setting| setting.flag == flag),
            Short(_) | Value(_) => None,
        };
        let Some(setting) = flag else { return Err(argument.unexpected()) };
        let value = match parser.optional_value() {
            Some(value) => value,
            None if setting.value == "BOOL" => boolean_ahead(&mut parser).unwrap_or("true".into()),
            None => parser.value()?,
        };
        values.insert(setting.flag, (format!("--{} ", setting.flag), value));
    }
    Ok(Given::Values(values))
}

/// The value of a flag that needs none, if it has one all the same: `--testability false`.
fn boolean_ahead(parser: &mut Parser) -> Option<OsString> {
    let mut ahead = parser.try_raw_args()?;
    let is_boolean = ahead.peek().is_some_and(|value| value == "true" || value == "false");
    if is_boolean { ahead.next() } else { None }
}

/// Values on their way to settings, and what is wrong with them.
struct Values {
    given: HashMap<&'static str, (String, OsString)>,
    errors: Vec<String>,
}

impl Values {
    /// Parses the value that was given for `flag`, or its default.
    fn take<T>(
        &mut self,
        flag: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let (name, value) = self.given.remove(flag).unwrap_or_else(|| {
            let setting = SETTINGS.iter().find(|setting| setting.flag == flag);
            (String::new(), setting.map_or("", |setting| setting.default).into())
        });
        let parsed = value.to_str().and_then(parse);
        if parsed.is_none() {
            self.errors.push(format!("{name}{}: not {expected}", value.display()));
        }
        parsed
    }

    fn settings(mut self) -> Result<Settings, Vec<String>> {
        // The one value that need not be UTF-8.
        let is_path = |text: &str| Some(PathBuf::from(text)).filter(|_| !text.is_empty());
        let database = match self.given.remove("database") {
            Some((_, path)) if !path.is_empty() => Some(PathBuf::from(path)),
            given => {
                self.given.extend(given.map(|given| ("database", given)));
                self.take("database", "a path", is_path)
            }
        };
        let address = self.take("address", "an IP address", |text| text.parse().ok());
        let port = self.take("port", "a number from 0 to 65535", number(0..=u16::MAX));
        let accounts = self.take("accounts", "a number from 0 to 10000000", number(0..=10_000_000));
        let testability = self.take("testability", "true or false", |text| text.parse().ok());
        let served_by = self.take("served-by", "text", |text| Some(text.to_owned()));
        let log_format = self.take("log-format", "text or json", |text| match text {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        });
        let log_level = self.take("log-level", "error, warn, info, debug or trace", |text| {
            ["error", "warn", "info", "debug", "trace"]
                .contains(&text)
                .then(|| text.parse().ok())?
        });
        let metrics_port =
            self.take("metrics-port", "a number from 0 to 65535", |text| match text {
                "" => Some(None),
                port => number(0..=u16::MAX)(port).map(Some),
            });
        let workers = self.take("workers", "a number from 1 to 1024", |text| match text {
            "" => Some(Limits::default().workers),
            text => number(1..=1024)(text).and_then(NonZeroUsize::new),
        });
        let connections =
            self.take("max-connections", "a number from 1 on", number(1..=usize::MAX));
        let head = self.take("max-head", "a number from 8192 to 16777216", number(8192..=16 << 20));
        let body = self.take("max-body", "a number from 0 to 1073741824", number(0..=1 << 30));
        let mut time =
            |flag| self.take(flag, "a time from 1ms to 1day, such as 500ms or 10s", time);
        let (head_time, body_time) = (time("head-timeout"), time("body-timeout"));
        let (idle_time, drain_time) = (time("idle-timeout"), time("drain-timeout"));

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
                limits: Limits {
                    workers: workers?,
                    connections: connections?,
                    overflow: Limits::default().overflow,
                    head_bytes: head?,
                    body_bytes: body?,
                    head_time: head_time?,
                    body_time: body_time?,
                    idle_time: idle_time?,
                    drain_time: drain_time?,
                },
            })
        };
        settings().ok_or(self.errors)
    }
}

fn number<N: FromStr + PartialOrd>(range: RangeInclusive<N>) -> impl FnOnce(&str) -> Option<N> {
    move |text| {
        // The parser takes a plus, and nobody writes one on purpose.
        let digits = !text.starts_with('+');
        text.parse().ok().filter(|number| digits && range.contains(number))
    }
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
        "The account service: GET /accounts/{id}, GET /health.\n\n\
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
         Exit status: 0 stopped by SIGTERM or SIGINT, 1 could not start, 2 unknown or incomplete flag.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| OsString::from(value))
        };
        match given(Parser::from_args(arguments), variable).expect("good usage") {
            Given::Values(given) => Values { given, errors: Vec::new() }.settings(),
            Given::Help | Given::Version => panic!("no settings in {arguments:?}"),
        }
    }

    #[test]
    fn the_defaults_are_those_that_help_shows_and_the_library_has() {
        let settings = settings(&[], &[]).expect("defaults are good");
        assert_eq!(settings.port, 6767);
        assert_eq!(settings.database, PathBuf::from("accounts.db"));
        assert_eq!(settings.accounts, 100);
        assert!(!settings.testability);
        assert_eq!(settings.served_by, None);
        assert_eq!(settings.log_level, LevelFilter::INFO);
        assert_eq!(format!("{:?}", settings.limits), format!("{:?}", Limits::default()));
    }

    #[test]
    fn a_flag_wins_over_a_variable_and_a_variable_over_the_default() {
        let variables = [("ACCOUNTSERVICE_PORT", "1"), ("ACCOUNTSERVICE_IDLE_TIMEOUT", "2m")];
        let settings = settings(&["--port=2"], &variables).expect("good settings");
        assert_eq!(settings.port, 2);
        assert_eq!(settings.limits.idle_time, Duration::from_mins(2));
    }

    #[test]
    fn an_empty_variable_is_none() {
        let settings = settings(&[], &[("ACCOUNTSERVICE_PORT", "")]).expect("the default");
        assert_eq!(settings.port, 6767);
    }

    #[test]
    fn testability_needs_no_value() {
        for (arguments, on) in [
            (&["--testability"][..], true),
            (&["--testability=true"], true),
            (&["--testability=false"], false),
            (&["--testability", "--port", "1"], true),
            (&["--testability", "true"], true),
            (&["--testability", "false", "--port", "1"], false),
        ] {
            assert_eq!(settings(arguments, &[]).expect("good settings").testability, on);
        }
    }

    #[test]
    fn all_bad_settings_are_named_at_once_as_they_were_given() {
        let arguments = [
            ["--port", "70000"],
            ["--metrics-port", "+1"],
            ["--database", ""],
            ["--log-level", "loud"],
            ["--max-head", "1"],
            ["--workers", "0"],
        ];
        let variables = [("ACCOUNTSERVICE_DRAIN_TIMEOUT", "5"), ("ACCOUNTSERVICE_ADDRESS", "home")];
        let errors = settings(arguments.as_flattened(), &variables).expect_err("bad settings");
        assert_eq!(
            errors,
            [
                "--database : not a path",
                "ACCOUNTSERVICE_ADDRESS=home: not an IP address",
                "--port 70000: not a number from 0 to 65535",
                "--log-level loud: not error, warn, info, debug or trace",
                "--metrics-port +1: not a number from 0 to 65535",
                "--workers 0: not a number from 1 to 1024",
                "--max-head 1: not a number from 8192 to 16777216",
                "ACCOUNTSERVICE_DRAIN_TIMEOUT=5: not a time from 1ms to 1day, such as 500ms or 10s",
            ]
        );
    }

    #[test]
    fn help_shows_every_flag_and_variable_with_its_default() {
        let help = help();
        for setting in SETTINGS {
            let line =
                format!("--{} {}  {}\n", setting.flag, setting.value, variable_of(setting.flag));
            assert!(help.contains(&line), "{line}");
            assert!(help.contains(setting.default));
        }
    }
}
