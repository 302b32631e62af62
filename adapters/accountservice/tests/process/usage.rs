//! The command line and the environment: help, bad usage, bad settings, variables of others.

use std::io;

use accountservice_host::testing::Process;

use crate::service::{Folder, Service, failure, spawn};

fn spawn_with(folder: &Folder, arguments: &[&str], variables: &[(&str, &str)]) -> Process {
    let mut command = folder.command(arguments);
    command.envs(variables.iter().copied());
    spawn(command)
}

#[test]
fn help_shows_flag_variable_and_default_of_each_setting_and_touches_nothing() {
    let folder = Folder::new();
    let output = folder.command(&["--help"]).output().expect("the binary runs");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    for (setting, default) in [
        ("--port PORT  ACCOUNTSERVICE_PORT", "6767"),
        ("--address IP  ACCOUNTSERVICE_ADDRESS", "0.0.0.0"),
        ("--database PATH|URL  ACCOUNTSERVICE_DATABASE", "accounts.db"),
        ("--accounts N  ACCOUNTSERVICE_ACCOUNTS", "100"),
        ("--testability BOOL  ACCOUNTSERVICE_TESTABILITY", "false"),
        (
            "--served-by NAME  ACCOUNTSERVICE_SERVED_BY",
            "first non-loopback IPv4 address, else the host name",
        ),
        ("--log-format FORMAT  ACCOUNTSERVICE_LOG_FORMAT", "text"),
        ("--log-level LEVEL  ACCOUNTSERVICE_LOG_LEVEL", "info"),
        ("--metrics-port PORT  ACCOUNTSERVICE_METRICS_PORT", "off"),
        ("--workers N  ACCOUNTSERVICE_WORKERS", "one per core"),
        ("--max-connections N  ACCOUNTSERVICE_MAX_CONNECTIONS", "10000"),
        ("--max-head BYTES  ACCOUNTSERVICE_MAX_HEAD", "65536"),
        ("--max-body BYTES  ACCOUNTSERVICE_MAX_BODY", "65536"),
        ("--header-timeout TIME  ACCOUNTSERVICE_HEADER_TIMEOUT", "10s"),
        ("--body-timeout TIME  ACCOUNTSERVICE_BODY_TIMEOUT", "10s"),
        ("--keep-alive-timeout TIME  ACCOUNTSERVICE_KEEP_ALIVE_TIMEOUT", "75s"),
        ("--shutdown-timeout TIME  ACCOUNTSERVICE_SHUTDOWN_TIMEOUT", "4s"),
        ("--drain-delay TIME  ACCOUNTSERVICE_DRAIN_DELAY", "0s"),
        ("--exit-when-unhealthy TIME  ACCOUNTSERVICE_EXIT_WHEN_UNHEALTHY", "off"),
    ] {
        let (_, after) = help.split_once(&format!("  {setting}\n")).expect(setting);
        let text = after.lines().next().expect("a text").trim_end_matches(']');
        assert!(text.ends_with(&format!("default: {default}")), "{setting}: {text}");
    }
    let output = folder.command(&["--version"]).output().expect("the binary runs");
    assert_eq!(output.stdout, format!("accountservice {}\n", env!("CARGO_PKG_VERSION")).as_bytes());
    assert!(!folder.database().exists());
}

#[test]
fn help_without_a_reader_is_no_error() {
    let folder = Folder::new();
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    let output = folder.command(&["--help"]).stdout(writer).output().expect("the binary runs");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn bad_usage_has_a_status_of_its_own() {
    let folder = Folder::new();
    for (arguments, reason) in [
        (&["--no-such-flag"][..], "invalid option '--no-such-flag'"),
        (&["stray"], "unexpected argument \"stray\""),
        (&["-x"], "invalid option '-x'"),
        (&["--accounts"], "missing argument for option '--accounts'"),
    ] {
        let error = failure(folder.spawn(arguments), 2);
        assert_eq!(
            error,
            format!("accountservice: {reason}; accountservice --help shows what there is")
        );
    }
    assert!(!folder.database().exists());
}

#[test]
fn a_former_name_is_bad_usage_that_names_the_present_one() {
    let folder = Folder::new();
    for (old, new) in [
        ("head-timeout", "header-timeout"),
        ("idle-timeout", "keep-alive-timeout"),
        ("drain-timeout", "shutdown-timeout"),
    ] {
        let error = failure(folder.spawn(&[&format!("--{old}"), "1s"]), 2);
        assert!(error.starts_with(&format!("accountservice: --{old} is --{new} now; ")), "{error}");
    }
    for (old, new) in [
        ("ACCOUNTSERVICE_HEAD_TIMEOUT", "ACCOUNTSERVICE_HEADER_TIMEOUT"),
        ("ACCOUNTSERVICE_IDLE_TIMEOUT", "ACCOUNTSERVICE_KEEP_ALIVE_TIMEOUT"),
        ("ACCOUNTSERVICE_DRAIN_TIMEOUT", "ACCOUNTSERVICE_SHUTDOWN_TIMEOUT"),
    ] {
        let error = failure(spawn_with(&folder, &[], &[(old, "1s")]), 2);
        assert!(error.starts_with(&format!("accountservice: {old} is {new} now; ")), "{error}");
    }
    assert!(!folder.database().exists());
}

#[test]
fn bad_settings_are_named_all_at_once() {
    let folder = Folder::new();
    let variables =
        [("ACCOUNTSERVICE_KEEP_ALIVE_TIMEOUT", "soon"), ("ACCOUNTSERVICE_MAX_BODY", "-1")];
    let process = spawn_with(&folder, &["--port=65536", "--accounts=many"], &variables);
    assert_eq!(
        failure(process, 1),
        "accountservice: --port 65536: not a number from 0 to 65535; \
         --accounts many: not a number from 0 to 10000000; \
         ACCOUNTSERVICE_MAX_BODY=-1: not a number from 0 to 1073741824; \
         ACCOUNTSERVICE_KEEP_ALIVE_TIMEOUT=soon: not a time from 1ms to 1day, such as 500ms or 10s"
    );
    assert!(!folder.database().exists());
}

#[test]
fn an_error_is_one_line_whatever_the_setting_contains() {
    let folder = Folder::new();
    let error = failure(folder.spawn(&["--log-level=a\nb\u{1b}[31m"]), 1);
    assert!(error.starts_with(r"accountservice: --log-level a\nb\u{1b}[31m: not "), "{error}");
    let error = failure(folder.spawn(&["--database=no/su\nch/a.db"]), 1);
    assert!(error.contains(r"no/su\nch/a.db"), "{error}");
    failure(folder.spawn(&["--no\nsuch"]), 2);
}

#[test]
fn service_variables_of_kubernetes_are_ignored_with_one_line_each() {
    let folder = Folder::new();
    let variables = [
        ("ACCOUNTSERVICE_PORT", "tcp://10.96.0.1:6767"),
        ("ACCOUNTSERVICE_METRICS_PORT", "tcp://10.96.0.2:9100"),
    ];
    let service = Service::of(spawn_with(&folder, &[], &variables));
    let log = service.process.log();
    assert_eq!(log.len(), 5, "{log:#?}");
    for (line, (name, value)) in log.iter().zip(variables) {
        let reason = "Kubernetes and Docker links set it for a service of this name";
        assert!(line.ends_with(&format!(" INFO Ignoring {name}={value}: {reason}")), "{line}");
    }
    service.stop();
}
