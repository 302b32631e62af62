//! A start that goes well, and what it can be told.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::service::{Folder, Service};

/// The message of a line of the text log.
fn message(line: &str) -> &str {
    line.split_once(" INFO ").expect("a line at level info").1.trim_start()
}

#[test]
fn it_says_in_three_lines_that_it_starts() {
    let folder = Folder::new();
    let service = folder.start(&[]);
    let messages: Vec<_> = service.log.iter().map(|line| message(line)).collect();
    let serving = format!("Starting HTTP service at {}", service.port);
    assert_eq!(
        messages,
        ["Starting accountservice", "Seeded 100 fake accounts...", serving.as_str()]
    );
    assert!(folder.database().is_file(), "accounts.db in the working directory");
    service.stops();
}

#[test]
fn the_accounts_10000_to_10099_are_there() {
    let folder = Folder::new();
    let service = folder.start(&["--served-by=here"]);
    let mut client = service.connect();
    for i in 0..100 {
        let answer = client.get(&format!("/accounts/{}", 10_000 + i));
        let account = format!(r#"{{"id":"{}","name":"Person_{i}","servedBy":"here"}}"#, 10_000 + i);
        assert_eq!(answer.body(), account.as_bytes());
    }
    for other in [9_999, 10_100] {
        assert_eq!(client.get(&format!("/accounts/{other}")).status(), 404);
    }
    assert_eq!(service.get("/health"), (200, r#"{"status":"UP"}"#.to_owned()));
}

#[test]
fn a_second_start_leaves_what_is_there_and_adds_what_is_not() {
    let folder = Folder::new();
    folder.start(&["--accounts=3"]).stops();
    let before = std::fs::read(folder.database()).expect("readable");
    let service = folder.start(&["--accounts=3"]);
    assert_eq!(service.get("/accounts/10002").0, 200);
    assert_eq!(service.get("/accounts/10003").0, 404);
    service.stops();
    // The engine notes in its header that it is open, and that it was closed.
    let after = std::fs::read(folder.database()).expect("readable");
    assert_eq!(before.len(), after.len());

    let service = folder.start(&["--accounts=5"]);
    for id in 10_000..10_005 {
        assert_eq!(service.get(&format!("/accounts/{id}")).0, 200);
    }
    service.stops();
}

#[test]
fn a_json_log_is_one_object_a_line() {
    let folder = Folder::new();
    let mut service = folder.start(&["--log-format=json", "--log-level=debug"]);
    service.get("/accounts/1%220");
    service.signal("TERM");
    service.ends();
    let lines: Vec<Value> = service
        .log
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()));
    assert_eq!(lines[0]["message"], "Starting accountservice");
    let is_line = |line: &Value| line["status"] == 404 && line["micros"].is_u64();
    assert!(lines.iter().any(is_line), "{lines:#?}");
}

#[test]
fn debug_level_has_one_line_for_each_request_and_info_none() {
    let folder = Folder::new();
    let mut service = folder.start(&["--log-level=debug"]);
    for path in ["/accounts/10000?x", "/accounts/7", "/health", "/nowhere"] {
        service.get(path);
    }
    service.connect().send("POST /health HTTP/1.1\r\nHost: a\r\n\r\n");
    service.says("POST /health");
    service.signal("TERM");
    service.ends();
    for (request, status) in [
        ("GET /accounts/10000?x", "status=200"),
        ("GET /accounts/7", "status=404"),
        ("GET /health", "status=200"),
        ("GET /nowhere", "status=404"),
        ("POST /health", "status=405"),
    ] {
        let has = |line: &&String| line.contains(&format!("{request} "));
        let lines: Vec<_> = service.log.iter().filter(has).collect();
        assert!(matches!(lines[..], [line] if line.contains(status)), "{request}: {lines:#?}");
    }

    let mut service = folder.start(&[]);
    service.get("/health");
    service.signal("TERM");
    service.ends();
    assert!(!service.log.iter().any(|line| line.contains("/health")), "{:#?}", service.log);
}

#[test]
fn testability_is_off_and_can_be_turned_on_by_flag_and_by_variable() {
    let folder = Folder::new();
    let service = folder.start(&[]);
    assert_eq!(service.get("/testability/healthy/false").0, 404);
    assert_eq!(service.get("/health").0, 200);
    service.stops();

    let mut by_variable = folder.command(&[]);
    by_variable.env("ACCOUNTSERVICE_TESTABILITY", "true");
    for mut command in [folder.command(&["--testability"]), by_variable] {
        let mut service = Service::spawn(&mut command);
        service.serves();
        assert_eq!(service.get("/testability/healthy/false"), (200, String::new()));
        let forced = r#"{"status":"Forced unhealthy"}"#;
        assert_eq!(service.get("/health"), (503, forced.to_owned()));
        assert_eq!(service.get("/accounts/10000").0, 200);
        assert_eq!(service.get("/testability/healthy/true").0, 200);
        assert_eq!(service.get("/health").0, 200);
        service.stops();
    }
}

#[test]
fn accounts_are_served_by_this_machine_or_whoever_it_is_told() {
    let folder = Folder::new();
    let service = folder.start(&[]);
    let account: Value = serde_json::from_str(&service.get("/accounts/10000").1).expect("JSON");
    let name = account["servedBy"].as_str().expect("a text").to_owned();
    service.stops();
    if let Ok(address) = name.parse::<std::net::Ipv4Addr>() {
        assert!(!address.is_loopback());
        // Only an address of this machine can be bound.
        std::net::TcpListener::bind((address, 0)).expect("an address of this machine");
    } else {
        let host_name = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("procfs");
        assert_eq!(name, host_name.trim());
    }

    let service = folder.start(&["--served-by", "me \"myself\""]);
    let account: Value = serde_json::from_str(&service.get("/accounts/10000").1).expect("JSON");
    assert_eq!(account["servedBy"], "me \"myself\"");
}

#[test]
fn help_and_version_are_answered_and_nothing_is_touched() {
    let folder = Folder::new();
    let output = folder.command(&["--help"]).output().expect("the binary runs");
    assert!(output.status.success() && output.stderr.is_empty());
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    for flag in [
        "port",
        "address",
        "database",
        "accounts",
        "testability",
        "served-by",
        "log-format",
        "log-level",
        "workers",
        "max-connections",
        "max-head",
        "max-body",
        "head-timeout",
        "body-timeout",
        "idle-timeout",
        "drain-timeout",
    ] {
        let variable = flag.to_uppercase().replace('-', "_");
        assert!(help.contains(&format!("--{flag} ")), "{flag}");
        assert!(help.contains(&format!("ACCOUNTSERVICE_{variable}\n")), "{flag}");
    }
    let output = folder.command(&["--version"]).output().expect("the binary runs");
    assert_eq!(output.stdout, format!("accountservice {}\n", env!("CARGO_PKG_VERSION")).as_bytes());
    assert!(!folder.database().exists());
}

#[test]
fn help_for_somebody_who_has_left_is_no_panic() {
    let folder = Folder::new();
    let mut command = folder.command(&["--help"]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = command.stdout(writer).output().expect("the binary runs");
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn it_goes_on_when_nobody_reads_its_log_any_more() {
    let folder = Folder::new();
    let mut first_line = Command::new("head")
        .args(["-n", "1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("head");
    let log = first_line.stdin.take().expect("a pipe");
    // Nobody can read the port from its log either.
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = port.local_addr().expect("an address");
    drop(port);
    let mut command = folder.command(&["--log-level=debug", &format!("--port={}", address.port())]);
    let mut child = command.stdout(log).spawn().expect("the binary runs");
    first_line.wait().expect("it has read its line");
    crate::client::eventually("it serves", || {
        crate::client::Client::try_connect(address)
            .is_ok_and(|mut client| client.get("/health").status() == 200)
    });
    child.kill().expect("it runs");
    let output = child.wait_with_output().expect("it is ours");
    assert!(output.stderr.is_empty(), "{output:?}");
}
