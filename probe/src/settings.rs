//! The command line: flags in, checked [`Settings`] out.
//!
//! Called by `main`. Flags are the only source: no environment variable and no file changes what
//! the `HEALTHCHECK` line of an image says.

use std::ffi::OsString;
use std::time::Duration;

/// What `--help` prints.
pub(crate) const HELP: &str = concat!(
    "healthchecker ",
    env!("CARGO_PKG_VERSION"),
    ": checks whether a service on this machine is healthy

usage: healthchecker [--port N] [--path P] [--timeout D] [--wait D]

  --port N      port on 127.0.0.1, or on [::1] if 127.0.0.1 refuses; 1 to 65535 (default 80)
  --path P      path, with a query if needed (default /health)
  --timeout D   time for the whole check: connect, send, read to the end (default 2s)
  --wait D      check every 250ms until healthy, for up to D (default: check once)

-port=N, -port N, --port=N and --port N are the same; the last of a repeated flag counts.
D is a number and a unit (ms, s or m), from 1ms to 60m: 500ms, 2s, 1.5s, 1m.

The probe sends one HTTP/1.0 GET. It follows no redirect and uses no proxy.

exit status:
  0   healthy: a complete response with status 200 (head up to 16 KiB, body up to 1 MiB)
  1   everything else, with one line on stderr that says why; bad usage and --help too

in a Dockerfile:
  HEALTHCHECK --interval=3s --timeout=3s --retries=2 CMD [\"/healthchecker\",\"-port=6767\"]
"
);

/// RFC 9112, section 3, recommends that servers accept request lines of 8,000 bytes.
const LONGEST_PATH: usize = 7_900;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Check(Settings),
    Help,
}

/// Checked settings, made by [`parse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// 1 to 65535.
    pub(crate) port: u16,
    /// Origin form (RFC 9112, section 3.2.1): a `/`, then visible ASCII.
    pub(crate) path: String,
    /// For one check, from connecting to the last byte: 1 ms to 60 minutes.
    pub(crate) timeout: Duration,
    /// How long to repeat failed checks: 1 ms to 60 minutes. `None`: one check.
    pub(crate) wait: Option<Duration>,
}

impl Default for Settings {
    /// The timeout is below `HEALTHCHECK --timeout=3s`: Docker kills a probe that exceeds that, and
    /// its line is lost.
    fn default() -> Self {
        Self { port: 80, path: "/health".to_owned(), timeout: Duration::from_secs(2), wait: None }
    }
}

/// The first wrong argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadUsage {
    /// The flag as spelled, or the argument that is no flag.
    pub(crate) argument: String,
    pub(crate) value: Option<String>,
    /// What is wrong, and what is right.
    pub(crate) why: &'static str,
}

/// Parses the arguments that follow the program's name, up to the first help flag or mistake.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, BadUsage> {
    // Invalid UTF-8 becomes U+FFFD, which no flag and no value accepts.
    let mut arguments = arguments.into_iter().map(|it| it.to_string_lossy().into_owned());
    let mut settings = Settings::default();
    while let Some(argument) = arguments.next() {
        let (flag, value) = match argument.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (&*argument, None),
        };
        let bad = |value, why| BadUsage { argument: flag.to_owned(), value, why };
        match flag.strip_prefix("--").or_else(|| flag.strip_prefix('-')) {
            None => return Err(bad(value, "not a flag; see --help")),
            Some("h" | "help") if value.is_none() => return Ok(Command::Help),
            Some(name @ ("port" | "path" | "timeout" | "wait")) => {
                let Some(value) = value.or_else(|| arguments.next()) else {
                    return Err(bad(None, "its value is missing"));
                };
                let set = match name {
                    "port" => port(&value).map(|port| settings.port = port),
                    "path" => path(&value).map(|path| settings.path = path),
                    "timeout" => duration(&value).map(|timeout| settings.timeout = timeout),
                    _ => duration(&value).map(|wait| settings.wait = Some(wait)),
                };
                set.map_err(|why| bad(Some(value), why))?;
            }
            Some(_) => {
                const WHY: &str =
                    "no such flag; there are --port, --path, --timeout, --wait, --help";
                return Err(bad(value, WHY));
            }
        }
    }
    Ok(Command::Check(settings))
}

fn port(value: &str) -> Result<u16, &'static str> {
    let port = number(value).and_then(|number| u16::try_from(number).ok());
    port.filter(|&port| port > 0).ok_or("a port is a whole number from 1 to 65535")
}

fn path(value: &str) -> Result<String, &'static str> {
    if !value.starts_with('/') {
        Err("a path starts with /")
    } else if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        Err("a path holds visible ASCII only; percent-encode spaces and everything else")
    } else if value.contains('#') {
        Err("a # is never sent to a server; write it as %23")
    } else if value.len() > LONGEST_PATH {
        Err("a path has at most 7900 bytes")
    } else {
        Ok(value.to_owned())
    }
}

fn duration(value: &str) -> Result<Duration, &'static str> {
    const FORM: &str = "a duration is a number and ms, s or m: 500ms, 1.5s";

    let units = [("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000)];
    let in_unit = |(name, micros)| Some((value.strip_suffix(name)?, micros));
    let (count, unit) = units.into_iter().find_map(in_unit).ok_or(FORM)?;
    let (whole, fraction) = count.split_once('.').unwrap_or((count, "0"));
    number(fraction).ok_or(FORM)?;
    let mut micros = number(whole).ok_or(FORM)?.saturating_mul(unit);
    let mut place = unit;
    for digit in fraction.bytes() {
        place /= 10;
        micros = micros.saturating_add(place * u64::from(digit - b'0'));
    }
    let duration = Duration::from_micros(micros);
    let in_range = (Duration::from_millis(1)..=Duration::from_hours(1)).contains(&duration);
    in_range.then_some(duration).ok_or("a duration is from 1ms to 60m")
}

/// Digits only. A number that does not fit is out of every range, like the largest one.
fn number(digits: &str) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    use std::time::Duration;

    use super::{Command, Settings, parse};
    use crate::report;

    fn settings(line: &str) -> Settings {
        match parse(line.split_whitespace().map(OsString::from)) {
            Ok(Command::Check(settings)) => settings,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn usage(arguments: &[&str]) -> String {
        let bad = parse(arguments.iter().map(OsString::from)).expect_err(&arguments.join(" "));
        report::bad_usage(&bad)
    }

    #[test]
    fn without_flags_it_checks_health_on_port_80_once_within_2_seconds() {
        let settings = settings("");
        assert_eq!(settings.port, 80);
        assert_eq!(settings.path, "/health");
        assert_eq!(settings.timeout, Duration::from_secs(2));
        assert_eq!(settings.wait, None);
    }

    #[test]
    fn every_flag_is_accepted_in_go_style_and_in_gnu_style() {
        for (dashes, equals) in [("-", "="), ("-", " "), ("--", "="), ("--", " ")] {
            let flag = |name: &str, value: &str| format!("{dashes}{name}{equals}{value}");
            assert_eq!(settings(&flag("port", "6767")).port, 6767);
            assert_eq!(settings(&flag("path", "/a?b=c")).path, "/a?b=c");
            assert_eq!(settings(&flag("timeout", "500ms")).timeout, Duration::from_millis(500));
            assert_eq!(settings(&flag("wait", "30s")).wait, Some(Duration::from_secs(30)));
        }
    }

    #[test]
    fn the_last_of_a_repeated_flag_counts() {
        assert_eq!(settings("-port=1 --port 2 -port 3").port, 3);
        assert_eq!(settings("--wait 1s --path /a --wait=2s").wait, Some(Duration::from_secs(2)));
    }

    #[test]
    fn durations_have_a_unit_and_may_have_a_fraction() {
        for (text, millis) in [
            ("1ms", 1),
            ("500ms", 500),
            ("2s", 2_000),
            ("1.5s", 1_500),
            ("0.25s", 250),
            ("1m", 60_000),
            ("0.5m", 30_000),
            ("60m", 3_600_000),
            ("007s", 7_000),
            ("1.50000000000000000000s", 1_500),
        ] {
            let line = format!("--timeout {text}");
            assert_eq!(settings(&line).timeout, Duration::from_millis(millis), "{text}");
        }
    }

    #[test]
    fn the_ends_of_a_range_belong_to_it() {
        assert_eq!(settings("-port 1").port, 1);
        assert_eq!(settings("-port 65535").port, 65535);
        let longest = format!("/{}", "a".repeat(7_899));
        assert_eq!(settings(&format!("--path {longest}")).path, longest);
    }

    #[test]
    fn bad_usage_names_the_flag_and_the_value_and_why() {
        let table: &[(&str, &[&str], &str)] = &[
            (
                "port",
                &["", "0", "65536", "-1", "+80", "80 ", "http", "8e1", "99999999999999999999"],
                "a port is a whole number from 1 to 65535",
            ),
            ("path", &["", "health", "http://example.com/"], "a path starts with /"),
            (
                "path",
                &["/a b", "/a\r\nX: y", "/\u{7f}", "/\u{e4}"],
                "a path holds visible ASCII only; percent-encode spaces and everything else",
            ),
            ("path", &["/a#b"], "a # is never sent to a server; write it as %23"),
            (
                "timeout",
                &["", "s", "2", "2h", "2 s", " 2s", "-2s", "+2s", "1e3s", ".5s", "1.s", "1.2.3s"],
                "a duration is a number and ms, s or m: 500ms, 1.5s",
            ),
            (
                "wait",
                &["1m30s", "2S", "infs", "\u{661}s", "0x1s"],
                "a duration is a number and ms, s or m: 500ms, 1.5s",
            ),
            (
                "wait",
                &[
                    "0s",
                    "0ms",
                    "0.9ms",
                    "61m",
                    "3601s",
                    "60.0000001m",
                    "99999999999999999999999m",
                    "18446744073710s",
                ],
                "a duration is from 1ms to 60m",
            ),
        ];
        for &(name, values, why) in table {
            for value in values {
                let shown: String = value.bytes().map(printed).collect();
                for flag in [format!("-{name}"), format!("--{name}")] {
                    let expected = format!("healthchecker: {flag} \"{shown}\": {why}\n");
                    assert_eq!(usage(&[&format!("{flag}={value}")]), expected);
                    assert_eq!(usage(&[&flag, value]), expected);
                }
            }
        }
    }

    fn printed(byte: u8) -> char {
        if (b' '..=b'~').contains(&byte) { char::from(byte) } else { '?' }
    }

    #[test]
    fn unknown_flags_missing_values_and_stray_words_are_bad_usage() {
        for (arguments, line) in [
            (&["-port"][..], "-port: its value is missing"),
            (&["--path", "/a", "--wait"], "--wait: its value is missing"),
            (&["6767"], "6767: not a flag; see --help"),
            (&[""], ": not a flag; see --help"),
            (
                &["--help=1"],
                "--help \"1\": no such flag; there are --port, --path, --timeout, --wait, --help",
            ),
            (
                &["--prot", "1"],
                "--prot: no such flag; there are --port, --path, --timeout, --wait, --help",
            ),
            (
                &["--timeout", "--wait", "1s"],
                "--timeout \"--wait\": a duration is a number and ms, s or m: 500ms, 1.5s",
            ),
        ] {
            assert_eq!(usage(arguments), format!("healthchecker: {line}\n"));
        }
        for flag in ["-p", "---port", "-Port", "--", "-"] {
            assert!(usage(&[flag, "1"]).contains(": no such flag"), "{flag}");
        }
        let long = format!("/{}", "a".repeat(7_900));
        assert!(usage(&["--path", &long]).ends_with("...\": a path has at most 7900 bytes\n"));
    }

    #[test]
    fn bad_usage_is_one_short_line_of_printable_ascii() {
        let long = "\n\x1b\u{e4}".repeat(10_000);
        for arguments in
            [&["--path", &long][..], &["--port", &long], &[&long], &[&format!("-{long}={long}")]]
        {
            let line = usage(arguments);
            assert!(line.len() < 256, "{} bytes", line.len());
            let text = line.strip_suffix('\n').unwrap();
            assert!(
                text.contains("...") && text.bytes().all(|b| matches!(b, b' '..=b'~')),
                "{line}"
            );
        }
    }

    #[test]
    fn an_argument_that_is_not_utf_8_is_bad_usage_of_its_flag() {
        for (arguments, start) in [
            (vec![b"--path".to_vec(), b"/\xff".to_vec()], "healthchecker: --path \"/?"),
            (vec![b"--port=\xff".to_vec()], "healthchecker: --port \"?"),
            (vec![b"--wait".to_vec(), b"\xff1s".to_vec()], "healthchecker: --wait \"?"),
            (vec![b"--p\xffort=1".to_vec()], "healthchecker: --p?"),
        ] {
            let bad = parse(arguments.into_iter().map(OsString::from_vec)).unwrap_err();
            let line = report::bad_usage(&bad);
            assert!(line.starts_with(start), "{line}");
        }
    }

    #[test]
    fn the_first_help_flag_or_mistake_ends_the_parsing() {
        for flag in ["-h", "--h", "-help", "--help"] {
            assert_eq!(parse(["-port=1", flag, "rubbish"].map(OsString::from)), Ok(Command::Help));
        }
        assert!(usage(&["-port=0", "--help"]).starts_with("healthchecker: -port \"0\""));
    }
}
