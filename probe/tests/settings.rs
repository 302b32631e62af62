//! The command line, as tables.

use std::ffi::OsString;
use std::time::Duration;

use healthchecker::report;
use healthchecker::settings::{Command, HELP, Settings, parse};

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
fn without_flags_it_asks_port_80_for_health_once_within_2_seconds() {
    let settings = settings("");
    assert_eq!(settings.port(), 80);
    assert_eq!(settings.path(), "/health");
    assert_eq!(settings.timeout(), Duration::from_secs(2));
    assert_eq!(settings.wait(), None);
}

#[test]
fn every_flag_is_taken_in_go_style_and_in_gnu_style() {
    for (dashes, equals) in [("-", "="), ("-", " "), ("--", "="), ("--", " ")] {
        let flag = |name: &str, value: &str| format!("{dashes}{name}{equals}{value}");
        assert_eq!(settings(&flag("port", "6767")).port(), 6767);
        assert_eq!(settings(&flag("path", "/a?b=c")).path(), "/a?b=c");
        assert_eq!(settings(&flag("timeout", "500ms")).timeout(), Duration::from_millis(500));
        assert_eq!(settings(&flag("wait", "30s")).wait(), Some(Duration::from_secs(30)));
    }
}

#[test]
fn of_a_repeated_flag_the_last_one_counts() {
    assert_eq!(settings("-port=1 --port 2 -port 3").port(), 3);
    assert_eq!(settings("--wait 1s --path /a --wait=2s").wait(), Some(Duration::from_secs(2)));
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
        assert_eq!(settings(&line).timeout(), Duration::from_millis(millis), "{text}");
    }
}

#[test]
fn the_ends_of_a_range_belong_to_it() {
    assert_eq!(settings("-port 1").port(), 1);
    assert_eq!(settings("-port 65535").port(), 65535);
    let longest = format!("/{}", "a".repeat(7_899));
    assert_eq!(settings(&format!("--path {longest}")).path(), longest);
}

#[test]
fn bad_usage_names_the_flag_and_the_value_and_why() {
    let (port, form) = (
        "a port is a whole number from 1 to 65535",
        "a duration is a number and ms, s or m: 500ms, 1.5s",
    );
    let (range, ascii) = (
        "a duration is from 1ms to 60m",
        "a path holds visible ASCII only; percent-encode spaces and everything else",
    );
    let unknown = "no such flag; there are --port, --path, --timeout, --wait, --help";
    let mut table = vec![
        ("--path", "", "a path starts with /"),
        ("-path", "health", "a path starts with /"),
        ("--path", "http://example.com/", "a path starts with /"),
        ("--path", "/a b", ascii),
        ("--path", "/a\r\nX: y", ascii),
        ("--path", "/\u{7f}", ascii),
        ("--path", "/\u{e4}", ascii),
        ("--path", "/a#b", "a # is never sent to a server; write it as %23"),
    ];
    for value in ["", "0", "65536", "-1", "+80", "80 ", "http", "8e1", "99999999999999999999"] {
        table.push(("-port", value, port));
        table.push(("--port", value, port));
    }
    for value in [
        "", "s", "2", "2h", "2 s", " 2s", "-2s", "+2s", "1e3s", ".5s", "1.s", "1.2.3s", "1m30s",
        "2S",
    ] {
        table.push(("--timeout", value, form));
        table.push(("-wait", value, form));
    }
    for value in ["0s", "0ms", "0.9ms", "61m", "3601s", "99999999999999999999999m"] {
        table.push(("-timeout", value, range));
        table.push(("--wait", value, range));
    }
    for flag in ["--prot", "-p", "---port", "-Port", "--", "-"] {
        table.push((flag, "1", unknown));
    }
    table.push(("--help", "1", unknown));
    for (flag, value, why) in table {
        let shown: String =
            value
                .chars()
                .map(|c| {
                    if (' '..='~').contains(&c) { c.to_string() } else { "?".repeat(c.len_utf8()) }
                })
                .collect();
        let expected = format!("healthchecker: {flag} \"{shown}\": {why}\n");
        assert_eq!(usage(&[&format!("{flag}={value}")]), expected);
        if why != unknown {
            assert_eq!(usage(&[flag, value]), expected);
        }
    }
}

#[test]
fn a_missing_value_a_stray_word_and_an_unknown_flag_are_named() {
    for flag in ["-port", "--path", "--timeout", "-wait"] {
        assert_eq!(usage(&[flag]), format!("healthchecker: {flag}: its value is missing\n"));
    }
    assert_eq!(usage(&["6767"]), "healthchecker: 6767: not a flag; see --help\n");
    assert_eq!(usage(&[""]), "healthchecker: : not a flag; see --help\n");
    assert!(usage(&["--proxy"]).starts_with("healthchecker: --proxy: no such flag"));
    assert!(usage(&["--timeout", "--wait", "1s"]).contains("--timeout \"--wait\""));
    assert!(usage(&["--path", &format!("/{}", "a".repeat(7_900))]).contains("at most 7900 bytes"));
}

#[test]
fn bad_usage_stays_on_one_short_line() {
    let long = "\n".repeat(10_000);
    for arguments in
        [&["--path", &long][..], &["--port", &long], &[&long], &[&format!("-{long}={long}")]]
    {
        let line = usage(arguments);
        assert!(line.len() < 256, "{} bytes", line.len());
        assert_eq!(line.matches('\n').count(), 1);
        assert!(
            line.contains("...") && line.trim_end().bytes().all(|b| (b' '..=b'~').contains(&b)),
            "{line}"
        );
    }
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_not_utf_8_is_bad_usage_of_its_flag() {
    use std::os::unix::ffi::OsStringExt;
    for (arguments, start) in [
        (vec![b"--path".to_vec(), b"/\xff".to_vec()], "healthchecker: --path \"/"),
        (vec![b"--port=\xff".to_vec()], "healthchecker: --port \""),
        (vec![b"--wait".to_vec(), b"\xff1s".to_vec()], "healthchecker: --wait \""),
        (vec![b"--p\xffort=1".to_vec()], "healthchecker: --p"),
    ] {
        let bad = parse(arguments.into_iter().map(OsString::from_vec)).unwrap_err();
        let line = report::bad_usage(&bad);
        assert!(line.starts_with(start) && line.contains('?'), "{line}");
    }
}

#[test]
fn help_is_asked_for_in_every_spelling_and_names_every_flag() {
    for flag in ["-h", "--h", "-help", "--help"] {
        assert_eq!(parse([flag].map(OsString::from)), Ok(Command::Help));
        assert_eq!(parse(["-port=1", flag, "rubbish"].map(OsString::from)), Ok(Command::Help));
    }
    for name in ["--port", "--path", "--timeout", "--wait", "-port=N", "exit status", "HEALTHCHECK"]
    {
        assert!(HELP.contains(name), "{name}");
    }
}
