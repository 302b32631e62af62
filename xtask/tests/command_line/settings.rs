//! `infra/deploy.toml`: what is refused, and how.

use std::fs;
use std::process::Command;

use expect_test::expect;
use toml::{Table, Value};

use crate::deploy_toml::changed;
use crate::fixture::{Ended, Fixture};

fn settings(changes: &str) -> Ended {
    let fixture = Fixture::new(&[]);
    let out = format!("--out={}", fixture.path().display());
    fixture.xtask(&["emit", &fixture.config(changes), &out])
}

/// Every key of the file, with the table that it is in.
fn keys(file: &Table) -> Vec<(Option<String>, String)> {
    let keys = file.iter().flat_map(|(key, value)| match value {
        Value::Table(table) if !table.is_empty() => {
            table.keys().map(|inner| (Some(key.clone()), inner.clone())).collect()
        }
        _ => vec![(None, key.clone())],
    });
    keys.collect()
}

#[test]
fn every_key_that_is_missing_is_named_with_a_line_that_makes_the_file_valid() {
    let whole: Table = changed("").parse().unwrap();
    for (table, key) in keys(&whole) {
        let mut file = whole.clone();
        match &table {
            Some(table) => file[table].as_table_mut().unwrap().remove(&key),
            None => file.remove(&key),
        };
        let fixture = Fixture::new(&[]);
        let path = fixture.file("deploy.toml", file.to_string());
        let out = format!("--out={}", fixture.path().display());
        let args = ["emit", "--config", &path, &out];
        let ended = fixture.xtask(&args);
        ended.fails(1, "lacks keys; add:");
        let lines: Vec<_> = ended.err.lines().skip(1).map(str::trim).collect();
        let line = lines.last().unwrap();
        let is_table = *line == format!("[{key}]");
        assert!(is_table || line.starts_with(&format!("{key} = ")), "{}", ended.err);
        // The line goes where the message says: into its table, or above the first one.
        let text = match &table {
            Some(table) => {
                assert_eq!(lines[lines.len() - 2], format!("[{table}]"), "{}", ended.err);
                let header = format!("[{table}]\n");
                file.to_string().replace(&header, &format!("{header}{line}\n"))
            }
            None if is_table => format!("{file}{line}\n"),
            None => format!("{line}\n{file}"),
        };
        fs::write(&path, text).unwrap();
        fixture.xtask(&args).succeeds();
    }
}

#[test]
fn an_unknown_key_is_named() {
    settings("replica = 3").fails(1, "unknown field `replica`, expected one of `service`, `image`");
    settings("health.retry = 3").fails(1, "unknown field `retry`, expected one of `interval`");
}

#[test]
fn a_value_with_a_wrong_unit_says_what_is_right() {
    settings("health.interval = \"3 parsecs\"")
        .fails(1, "\"3 parsecs\" is not a duration such as 500ms, 3s, 2m: unknown time unit");
    settings("limits.memory = \"64 MB\"").fails(1, "\"64 MB\" is not a size such as 4096");
    for source in ["hunter2", "env:", "env:1ST", "env:A B", "file:"] {
        settings(&format!("secrets.key = \"{source}\""))
            .fails(1, "not \"file:PATH\" or \"env:NAME\"");
    }
}

#[test]
fn a_secret_that_was_pasted_into_the_file_is_not_repeated() {
    let ended = settings("database.url = \"postgres://me:hunter2@host/db\"");
    ended.fails(1, "not \"file:PATH\" or \"env:NAME\"");
    let fixture = Fixture::new(&[]);
    let text = changed("database.url = \"postgres://me:hunter2@host/db\"");
    let path = fixture.file("deploy.toml", text);
    let err = fixture.xtask(&["deploy", "--dry-run", "--config", &path]).err;
    assert!(!err.contains("hunter2"), "{err}");
}

#[test]
fn everything_that_does_not_fit_is_said_at_once() {
    let text = r#"
        service = "-odd"
        image = "me/accountservice:latest"
        port = 0
        publish = "host"
        deadline = "20s"
        program.port = 0
        health.probe_timeout = "3s"
        health.retries = 1
        health.start_interval = "1s"
        restart.stop_grace = "6s"
        restart.drain_delay = "2s"
        update.order = "start-first"
        update.monitor = "5s"
        limits.memory = "16M"
        secrets.Key = "env:KEY"
    "#;
    settings(text).check(1, &expect![[r#"
        error: the settings do not fit together:
          service = "-odd": up to 63 letters, digits, - and _, the first a letter or digit
          secrets.Key: lower-case letters, digits and _, the first a letter; with the name of the service at most 46
          image = "me/accountservice:latest": leave the tag out, it is the hash of the content
          health.probe_timeout = "3s" is not below health.timeout = "3s": Docker would kill the probe before it could give its reason
          health.start_interval = "1s" with health.start_period = "0s": it has no period to apply to
          restart.stop_grace = "6s" is not above 6s, drain_delay and shutdown_timeout together: the service would be killed with requests in flight
          port = 0: no port can be published as 0
          program.port = 0: the probe has to know the port
          update.order = "start-first" with publish = "host": the new container cannot have the port while the old one holds it
          update.monitor = "5s" is not above 14s, the longest time until a failure is seen (start_period + retries * (interval + timeout) + 2s + stop_grace): a bad version would count as good
          deadline = "20s" is not above rollback.monitor and 14s for a failure to be seen: deploy would give up before Swarm decides
          limits.data = "32M" is not below limits.memory = "16M": what is in /data counts as memory
    "#]]);
}

#[test]
fn a_variable_that_contradicts_the_plan_is_refused_with_the_key_to_use() {
    for (name, value, key) in [
        ("ACCOUNTSERVICE_PORT", "8080", "`port`"),
        ("ACCOUNTSERVICE_ADDRESS", "127.0.0.1", "every address"),
        ("ACCOUNTSERVICE_DATABASE", "/elsewhere", "`url` in [database]"),
        ("ACCOUNTSERVICE_DATABASE_FILE", "/run/secrets/x", "`url` in [database]"),
        ("ACCOUNTSERVICE_TESTABILITY", "true", "`testability`"),
        ("ACCOUNTSERVICE_SHUTDOWN_TIMEOUT", "20s", "`shutdown_timeout`"),
        ("ACCOUNTSERVICE_DRAIN_DELAY", "20s", "`drain_delay`"),
        ("ACCOUNTSERVICE_DRAIN_TIMEOUT", "20s", "`shutdown_timeout`"),
        ("ACCOUNTSERVICE_EXIT_WHEN_UNHEALTHY", "1s", "`exit_when_unhealthy`"),
        ("ACCOUNTSERVICE_IDLE_TIMEOUT", "20s", "KEEP_ALIVE_TIMEOUT"),
        ("ACCOUNTSERVICE_METRICS_PORT", "6767", "the service itself listens there"),
    ] {
        let ended = settings(&format!("environment.{name} = {value:?}"));
        ended.fails(1, &format!("environment.{name}"));
        ended.fails(1, key);
    }
    settings("environment.ACCOUNTSERVICE_METRICS_PORT = \"9090\"").succeeds();
    settings("environment.PORT = \"8080\"").succeeds();
}

#[test]
fn the_routing_mesh_cannot_do_without_the_one_address() {
    settings("endpoint_mode = \"dnsrr\"").fails(
        1,
        "publish = \"ingress\" with endpoint_mode = \"dnsrr\": the routing mesh needs the one address",
    );
}

#[test]
fn pushing_needs_a_registry_to_push_to() {
    settings("push = true").fails(1, "push = true with image = \"someprefix/accountservice\"");
}

#[test]
fn a_shared_database_needs_a_monitor_that_exceeds_its_start_period() {
    settings("database.url = \"env:URL\"").fails(1, "update.monitor = \"22s\" is not above 81s");
    let monitors = "update.monitor = \"82s\"\nrollback.monitor = \"82s\"";
    settings(&format!("database.url = \"env:URL\"\n{monitors}")).succeeds();
}

/// The plan sets these variables, and relies on the probe's own timeout where it does not set one.
#[test]
fn the_binaries_know_what_the_plan_tells_them() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/deploy.toml");
    let file: Table = fs::read_to_string(file).unwrap().parse().unwrap();
    let text = |table: &str, key: &str| file[table][key].as_str().unwrap().to_owned();
    let help = |table: &str| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["run", "--quiet", "--package", &text(table, "package")]);
        let output =
            cargo.args(["--bin", &text(table, "binary"), "--", "--help"]).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let service = help("program");
    let prefix = text("program", "environment_prefix");
    let default = |name: &str| {
        let mut lines =
            service.lines().skip_while(|line| !line.ends_with(&format!("{prefix}_{name}")));
        lines.next().unwrap_or_else(|| panic!("{name} is not in {service}"));
        lines
            .next()
            .unwrap()
            .rsplit_once("[default: ")
            .map_or("", |(_, rest)| &rest[..rest.len() - 1])
    };
    assert_eq!(default("PORT"), file["program"]["port"].to_string());
    for name in [
        "ADDRESS",
        "DATABASE",
        "DRAIN_DELAY",
        "EXIT_WHEN_UNHEALTHY",
        "METRICS_PORT",
        "SHUTDOWN_TIMEOUT",
        "TESTABILITY",
    ] {
        default(name);
    }
    let probe = help("probe");
    let timeout = probe.lines().find(|line| line.trim().starts_with("--timeout D")).unwrap();
    // The emitted Dockerfile leaves the flag out for the probe's own default.
    let fixture = Fixture::new(&[]);
    let config = fixture.config("health = { probe_timeout = \"2s\", timeout = \"3s\" }");
    let out = format!("--out={}", fixture.path().display());
    fixture.xtask(&["emit", &config, &out]).succeeds();
    let dockerfile = fs::read_to_string(fixture.path().join("Dockerfile")).unwrap();
    assert!(!dockerfile.contains("\"--timeout="), "{dockerfile}");
    assert!(timeout.contains("default 2s)"), "{timeout}");
}
