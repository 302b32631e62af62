//! What the probe is told on its command line.
//!
//! Flags only: it reads neither the environment nor a file, so that what is probed stands in the
//! `HEALTHCHECK` line of the image and nowhere else.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

/// What `--help` prints.
pub const HELP: &str = concat!(
    "healthchecker ",
    env!("CARGO_PKG_VERSION"),
    ": ask a service on this machine whether it is healthy

usage: healthchecker [--port N] [--path P] [--timeout D] [--wait D]

  --port N      port on 127.0.0.1, or on [::1] if that refuses; 1 to 65535 (default 80)
  --path P      path, with a query if need be (default /health)
  --timeout D   time for the whole check: connect, ask, read to the end (default 2s)
  --wait D      ask again every 250ms until healthy, for at most so long
                (default: ask once)

-port=N, -port N, --port=N and --port N mean the same; of a repeated flag the last one counts.
D is a number and a unit (ms, s or m), from 1ms to 60m: 500ms, 2s, 1.5s, 1m.

exit status:
  0   status 200, and the answer came to its end; nothing is printed
  1   everything else, with one line on stderr that says why. Bad usage and this
      help are 1 too: an orchestrator may take a 0 only from a probe that has asked.

in a Dockerfile:
  HEALTHCHECK --interval=3s --timeout=3s CMD [\"/healthchecker\",\"-port=6767\"]
"
);

/// RFC 9112, section 3, asks every recipient to take request lines of 8,000 bytes; a longer path
/// may never reach the handler.
const LONGEST_PATH: usize = 7_900;
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_hours(1);

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Ask the service.
    Check(Settings),
    /// Print [`HELP`].
    Help,
}

/// Checked settings; the only ways to make them are [`parse`] and [`Settings::default`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    port: u16,
    path: String,
    timeout: Duration,
    wait: Option<Duration>,
}

impl Settings {
    /// The port on loopback, 1 to 65535.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The request target in origin form (RFC 9112, section 3.2.1): it starts with `/` and holds
    /// visible ASCII only, so it can be put into a request as it is.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The time one check may take from connect to the last byte, 1 ms to 60 minutes.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How long to go on asking, 1 ms to 60 minutes; `None` means to ask once.
    pub fn wait(&self) -> Option<Duration> {
        self.wait
    }
}

impl Default for Settings {
    /// Port 80 and `/health`, and a deadline below the 3 s that a `HEALTHCHECK --timeout=3s`
    /// grants: Docker kills a probe that is over time, and then nobody learns the reason.
    fn default() -> Self {
        Self { port: 80, path: "/health".to_owned(), timeout: Duration::from_secs(2), wait: None }
    }
}

/// The first argument that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadUsage {
    /// The flag as it was spelled, or the argument that is no flag.
    pub argument: String,
    /// The value that came with it.
    pub value: Option<String>,
    /// What is wrong, and what would be right.
    pub why: &'static str,
}

/// Reads the arguments, without the program's own name. The first help flag or the first mistake
/// ends the reading.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, BadUsage> {
    let mut arguments = arguments.into_iter();
    let mut settings = Settings::default();
    while let Some(argument) = arguments.next() {
        // Bytes that are not UTF-8 become U+FFFD, which no flag and no value may hold: they are
        // turned down like any other wrong character, with the name of the flag.
        let argument = argument.to_string_lossy();
        let (flag, value) = match argument.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (&*argument, None),
        };
        let bad = |value: Option<&str>, why| {
            Err(BadUsage { argument: flag.to_owned(), value: value.map(str::to_owned), why })
        };
        let name = flag.strip_prefix("--").or_else(|| flag.strip_prefix('-')).unwrap_or_default();
        match name {
            "port" | "path" | "timeout" | "wait" => {}
            "h" | "help" if value.is_none() => return Ok(Command::Help),
            _ if flag.starts_with('-') => {
                return bad(
                    value,
                    "no such flag; there are --port, --path, --timeout, --wait, --help",
                );
            }
            _ => return bad(value, "not a flag; see --help"),
        }
        let next = if value.is_none() { arguments.next() } else { None };
        let next = next.as_deref().map(OsStr::to_string_lossy);
        let Some(value) = value.or(next.as_deref()) else {
            return bad(None, "its value is missing");
        };
        let done = match name {
            "port" => port(value).map(|port| settings.port = port),
            "path" => path(value).map(|()| value.clone_into(&mut settings.path)),
            "timeout" => duration(value).map(|timeout| settings.timeout = timeout),
            _ => duration(value).map(|wait| settings.wait = Some(wait)),
        };
        if let Err(why) = done {
            return bad(Some(value), why);
        }
    }
    Ok(Command::Check(settings))
}

fn port(value: &str) -> Result<u16, &'static str> {
    // `u16::from_str` alone would take "+80".
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    match value.parse() {
        Ok(port) if digits && port > 0 => Ok(port),
        _ => Err("a port is a whole number from 1 to 65535"),
    }
}

fn path(value: &str) -> Result<(), &'static str> {
    if !value.starts_with('/') {
        Err("a path starts with /")
    } else if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        Err("a path holds visible ASCII only; percent-encode spaces and everything else")
    } else if value.contains('#') {
        Err("a # is never sent to a server; write it as %23")
    } else if value.len() > LONGEST_PATH {
        Err("a path has at most 7900 bytes")
    } else {
        Ok(())
    }
}

fn duration(value: &str) -> Result<Duration, &'static str> {
    const FORM: Result<Duration, &str> = Err("a duration is a number and ms, s or m: 500ms, 1.5s");

    let (number, micros) = if let Some(number) = value.strip_suffix("ms") {
        (number, 1_000)
    } else if let Some(number) = value.strip_suffix('s') {
        (number, 1_000_000)
    } else if let Some(number) = value.strip_suffix('m') {
        (number, 60_000_000)
    } else {
        return FORM;
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let (Some(whole), Some(_)) = (decimal(whole), decimal(fraction)) else {
        return FORM;
    };
    let mut total = whole.saturating_mul(micros);
    let mut place = micros;
    for digit in fraction.bytes() {
        place /= 10;
        total = total.saturating_add(place * u64::from(digit - b'0'));
    }
    let duration = Duration::from_micros(total);
    if (SHORTEST..=LONGEST).contains(&duration) {
        Ok(duration)
    } else {
        Err("a duration is from 1ms to 60m")
    }
}

/// Digits only; a number too large to hold is as good as the largest one, for both are refused.
fn decimal(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}
