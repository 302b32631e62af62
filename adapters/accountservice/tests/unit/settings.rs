//! Settings from given arguments and variables; the environment of this process is not read.

use std::ffi::OsStr;

use super::*;

fn read(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Settings, Exit> {
    Settings::from(arguments.iter().map(OsString::from), |name| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| OsString::from(value))
    })
}

fn settings(arguments: &[&str], variables: &[(&str, &str)]) -> Settings {
    read(arguments, variables).unwrap_or_else(|exit| panic!("{}", text_of(exit)))
}

/// The text of a failure: that of exit status 1 or, with `2: ` in front, of exit status 2.
fn failure(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    text_of(read(arguments, variables).expect_err("a setting is bad"))
}

fn text_of(exit: Exit) -> String {
    match exit {
        Exit::Failed(text) => text,
        Exit::BadUsage(text) => format!("2: {text}"),
        Exit::Printed(text) => panic!("printed {text}"),
        Exit::Stopped | Exit::Unhealthy => panic!("it has run"),
    }
}

fn path(settings: &Settings) -> &OsStr {
    match &settings.database {
        Database::File(path) => path.as_os_str(),
        Database::Postgres(url) => panic!("{url:?} is not a path"),
    }
}

#[test]
fn without_arguments_the_defaults_hold() {
    let settings = settings(&[], &[]);
    assert_eq!(settings.address.to_string(), "0.0.0.0");
    assert_eq!(settings.port, 6767);
    assert_eq!(path(&settings), OsStr::new("accounts.db"));
    assert_eq!(settings.accounts, 100);
    assert!(!settings.testability);
    assert_eq!(settings.served_by, None);
    assert!(matches!(settings.log_format, LogFormat::Text));
    assert_eq!(settings.log_level, LevelFilter::INFO);
    assert_eq!(settings.metrics_port, None);
    assert_eq!(settings.exit_when_unhealthy, None);
    assert!(settings.ignored.is_empty());
}

#[test]
fn the_defaults_of_help_are_those_of_the_server() {
    let server = settings(&[], &[]).server;
    assert_eq!(format!("{server:?}"), format!("{:?}", ServerConfig::default()));
}

#[test]
fn each_setting_reaches_its_place_by_flag_and_by_variable() {
    let given = [
        ("address", "::"),
        ("port", "1"),
        ("database", "/data/a.db"),
        ("accounts", "2"),
        ("testability", "true"),
        ("served-by", "me"),
        ("log-format", "json"),
        ("log-level", "trace"),
        ("metrics-port", "3"),
        ("workers", "4"),
        ("max-connections", "5"),
        ("max-head", "8192"),
        ("max-body", "7"),
        ("header-timeout", "8ms"),
        ("body-timeout", "9s"),
        ("keep-alive-timeout", "10m"),
        ("shutdown-timeout", "11h"),
        ("drain-delay", "12s"),
        ("exit-when-unhealthy", "13s"),
    ];
    let arguments: Vec<_> = given.iter().map(|(flag, value)| format!("--{flag}={value}")).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let variables: Vec<_> = given
        .iter()
        .map(|(flag, value)| {
            (format!("ACCOUNTSERVICE_{}", flag.to_uppercase().replace('-', "_")), *value)
        })
        .collect();
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    for settings in [settings(&arguments, &[]), settings(&[], &variables)] {
        assert_eq!(settings.address.to_string(), "::");
        assert_eq!(settings.port, 1);
        assert_eq!(path(&settings), OsStr::new("/data/a.db"));
        assert_eq!(settings.accounts, 2);
        assert!(settings.testability);
        assert_eq!(settings.served_by.as_deref(), Some("me"));
        assert!(matches!(settings.log_format, LogFormat::Json));
        assert_eq!(settings.log_level, LevelFilter::TRACE);
        assert_eq!(settings.metrics_port, Some(3));
        assert_eq!(settings.exit_when_unhealthy, Some(Duration::from_secs(13)));
        let server = settings.server;
        assert_eq!(server.workers.get(), 4);
        assert_eq!(server.max_connections, 5);
        assert_eq!(server.max_head, 8192);
        assert_eq!(server.max_body, 7);
        assert_eq!(server.header_timeout, Duration::from_millis(8));
        assert_eq!(server.body_timeout, Duration::from_secs(9));
        assert_eq!(server.keep_alive_timeout, Duration::from_mins(10));
        assert_eq!(server.shutdown_timeout, Duration::from_hours(11));
        assert_eq!(server.drain_delay, Duration::from_secs(12));
    }
}

#[test]
fn a_flag_wins_over_a_variable_and_a_variable_over_the_default() {
    let variables = [("ACCOUNTSERVICE_PORT", "1"), ("ACCOUNTSERVICE_KEEP_ALIVE_TIMEOUT", "2m")];
    let settings = settings(&["--port=2"], &variables);
    assert_eq!(settings.port, 2);
    assert_eq!(settings.server.keep_alive_timeout, Duration::from_mins(2));
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let variables = [("ACCOUNTSERVICE_PORT", ""), ("ACCOUNTSERVICE_IDLE_TIMEOUT", "")];
    assert_eq!(settings(&[], &variables).port, 6767);
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
        assert_eq!(settings(arguments, &[]).testability, on, "{arguments:?}");
    }
}

#[test]
fn a_path_need_not_be_utf_8_and_every_other_value_must_be() {
    use std::os::unix::ffi::OsStringExt;

    let with = |flag: &str| {
        let mut argument = format!("--{flag}=").into_bytes();
        argument.push(0xff);
        Settings::from([OsString::from_vec(argument)], |_| None)
    };
    let settings = with("database").unwrap_or_else(|exit| panic!("{}", text_of(exit)));
    assert_eq!(path(&settings).as_encoded_bytes(), [0xff]);
    let error = text_of(with("served-by").expect_err("a bad setting"));
    assert_eq!(error, "--served-by \u{fffd}: not text");
}

#[test]
fn all_bad_settings_are_named_at_once_as_they_were_given() {
    let arguments = [
        ["--port", "70000"],
        ["--metrics-port", "+1"],
        ["--database", ""],
        ["--accounts", "10000001"],
        ["--log-format", "xml"],
        ["--log-level", "off"],
        ["--max-head", "8191"],
        ["--max-body", "1GiB"],
        ["--workers", "0"],
        ["--drain-delay", "-1s"],
        ["--exit-when-unhealthy", "0s"],
    ];
    let variables = [
        ("ACCOUNTSERVICE_SHUTDOWN_TIMEOUT", "5"),
        ("ACCOUNTSERVICE_HEADER_TIMEOUT", "25h"),
        ("ACCOUNTSERVICE_ADDRESS", "home"),
        ("ACCOUNTSERVICE_TESTABILITY", "1"),
        ("ACCOUNTSERVICE_MAX_CONNECTIONS", "0"),
    ];
    let error = failure(arguments.as_flattened(), &variables);
    let mut errors: Vec<_> = error.split("; ").collect();
    errors.sort_unstable();
    assert_eq!(
        errors,
        [
            "--accounts 10000001: not a number from 0 to 10000000",
            "--database : not a path or a URL",
            "--drain-delay -1s: not a time from 0s to 1day, such as 500ms or 10s",
            "--exit-when-unhealthy 0s: not a time from 1ms to 1day, such as 500ms or 10s",
            "--log-format xml: not text or json",
            "--log-level off: not error, warn, info, debug or trace",
            "--max-body 1GiB: not a number from 0 to 1073741824",
            "--max-head 8191: not a number from 8192 to 16777216",
            "--metrics-port +1: not a number from 0 to 65535",
            "--port 70000: not a number from 0 to 65535",
            "--workers 0: not a number from 1 to 1024",
            "ACCOUNTSERVICE_ADDRESS=home: not an IP address",
            "ACCOUNTSERVICE_HEADER_TIMEOUT=25h: not a time from 1ms to 1day, such as 500ms or 10s",
            "ACCOUNTSERVICE_MAX_CONNECTIONS=0: not a number from 1 on",
            "ACCOUNTSERVICE_SHUTDOWN_TIMEOUT=5: not a time from 1ms to 1day, such as 500ms or 10s",
            "ACCOUNTSERVICE_TESTABILITY=1: not true or false",
        ]
    );
}

#[test]
fn a_former_name_is_refused_with_the_present_one() {
    for (old, new) in [
        ("head-timeout", "header-timeout"),
        ("idle-timeout", "keep-alive-timeout"),
        ("drain-timeout", "shutdown-timeout"),
    ] {
        let error = failure(&[&format!("--{old}=1s")], &[]);
        assert_eq!(
            error,
            format!("2: --{old} is --{new} now; accountservice --help shows what there is")
        );
    }
    for (old, new) in [
        ("ACCOUNTSERVICE_HEAD_TIMEOUT", "ACCOUNTSERVICE_HEADER_TIMEOUT"),
        ("ACCOUNTSERVICE_IDLE_TIMEOUT", "ACCOUNTSERVICE_KEEP_ALIVE_TIMEOUT"),
        ("ACCOUNTSERVICE_DRAIN_TIMEOUT", "ACCOUNTSERVICE_SHUTDOWN_TIMEOUT"),
    ] {
        let error = failure(&[], &[(old, "1s")]);
        assert_eq!(
            error,
            format!("2: {old} is {new} now; accountservice --help shows what there is")
        );
    }
}

#[test]
fn a_service_variable_of_kubernetes_is_ignored_and_named() {
    let variables = [
        ("ACCOUNTSERVICE_PORT", "tcp://10.96.0.1:6767"),
        ("ACCOUNTSERVICE_METRICS_PORT", "udp://10.96.0.2:9100"),
    ];
    let settings = settings(&["--metrics-port=1"], &variables);
    assert_eq!((settings.port, settings.metrics_port), (6767, Some(1)));
    let mut ignored = settings.ignored;
    ignored.sort_unstable();
    let reason = "Kubernetes and Docker links set it for a service of this name";
    assert_eq!(
        ignored,
        [
            format!("Ignoring ACCOUNTSERVICE_METRICS_PORT=udp://10.96.0.2:9100: {reason}"),
            format!("Ignoring ACCOUNTSERVICE_PORT=tcp://10.96.0.1:6767: {reason}"),
        ]
    );
}

#[test]
fn a_service_variable_is_no_database_and_not_shown() {
    assert_eq!(
        failure(&[], &[("ACCOUNTSERVICE_DATABASE", "tcp://u:secret@10.96.0.1:5432")]),
        "2: ACCOUNTSERVICE_DATABASE: tcp:// is no database here: use a path for an embedded \
         database, or postgres://USER:PASSWORD@HOST/DATABASE"
    );
}

#[test]
fn an_ignored_variable_is_one_line_of_the_log() {
    let variables = [("ACCOUNTSERVICE_PORT", "tcp://\n\u{1b}[31mERROR")];
    let [line] = &settings(&[], &variables).ignored[..] else { panic!("one line") };
    assert!(line.starts_with(r"Ignoring ACCOUNTSERVICE_PORT=tcp://\n\u{1b}[31mERROR: "), "{line}");
}

#[test]
fn a_flag_like_a_service_variable_is_a_bad_setting() {
    assert_eq!(
        failure(&["--port=tcp://10.96.0.1:6767"], &[]),
        "--port tcp://10.96.0.1:6767: not a number from 0 to 65535"
    );
}

#[test]
fn metrics_have_a_port_of_their_own() {
    let error = failure(&["--port=1", "--metrics-port=1"], &[]);
    assert_eq!(error, "--metrics-port 1: the port of the service itself; choose another one");
    let chosen_by_the_system = settings(&["--port=0", "--metrics-port=0"], &[]);
    assert_eq!(chosen_by_the_system.metrics_port, Some(0));
}

#[test]
fn help_is_printed_whatever_the_settings_are() {
    for variables in [("ACCOUNTSERVICE_PORT", "70000"), ("ACCOUNTSERVICE_IDLE_TIMEOUT", "1s")] {
        let exit = read(&["--port=x", "--help"], &[variables]);
        assert!(matches!(exit, Err(Exit::Printed(_))), "{variables:?}");
    }
}

#[test]
fn a_database_is_a_path_or_a_url_of_postgresql() {
    assert_eq!(path(&settings(&["--database", "a:/b"], &[])), OsStr::new("a:/b"));
    for url in ["postgres://u:secret@h/d", "postgresql://h/d"] {
        assert!(matches!(settings(&["--database", url], &[]).database, Database::Postgres(_)));
    }
    assert_eq!(
        failure(&["--database", "mysql://u:secret@h/d"], &[]),
        "2: --database: mysql:// is no database here: use a path for an embedded database, or \
         postgres://USER:PASSWORD@HOST/DATABASE"
    );
}

#[test]
fn a_url_that_is_bad_usage_never_shows_its_password() {
    for url in ["postgres://u:secret@h", "postgres://u:sec%zzret@h/d", "postgres://u:se@cret@h/d"] {
        let error = failure(&["--database", url], &[]);
        assert!(error.starts_with("2: --database: "), "{error}");
        assert!(!error.contains("cret"), "{error}");
    }
}

#[test]
fn a_file_may_contain_the_url_and_a_flag_wins_over_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("url");
    std::fs::write(&file, "postgres://u:secret@h/d\n").expect("a file");
    let file = file.to_str().expect("UTF-8");
    let variables = [("ACCOUNTSERVICE_DATABASE_FILE", file)];
    assert!(matches!(settings(&[], &variables).database, Database::Postgres(_)));
    assert_eq!(path(&settings(&["--database", "a.db"], &variables)), OsStr::new("a.db"));

    let both = [("ACCOUNTSERVICE_DATABASE_FILE", file), ("ACCOUNTSERVICE_DATABASE", "b.db")];
    assert_eq!(
        failure(&[], &both),
        "2: ACCOUNTSERVICE_DATABASE and ACCOUNTSERVICE_DATABASE_FILE are set: unset one; \
         accountservice --help shows what there is"
    );
    let missing = [("ACCOUNTSERVICE_DATABASE_FILE", "/nowhere/url")];
    assert_eq!(
        failure(&[], &missing),
        "cannot read /nowhere/url: No such file or directory (os error 2)"
    );
}
