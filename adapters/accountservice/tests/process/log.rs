//! The log: its formats and entries, and readers that are slow or gone.

use std::fs::File;
use std::io::{BufRead, BufReader, Lines};
use std::net::Ipv4Addr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use accountservice_host::testing::{Client, SERVING};
use serde_json::Value;

use crate::service::{Folder, Service, spawn};

/// Stops the service and returns its whole log.
#[track_caller]
fn log_of(mut service: Service) -> Vec<String> {
    service.process.signal("TERM");
    assert_eq!(service.process.wait().0.code(), Some(0));
    service.process.log().to_vec()
}

#[test]
fn a_json_log_has_one_object_per_line() {
    let folder = Folder::new();
    let service = folder.start(&["--log-format=json", "--log-level=debug"]);
    service.get("/accounts/1%220");
    let lines = log_of(service);
    let entries: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    assert!(entries.iter().all(|entry| entry["timestamp"].is_string()));
    assert_eq!(entries[0]["level"], "INFO");
    assert_eq!(entries[0]["message"], "Starting accountservice");
    let is_access = |entry: &&Value| entry["level"] == "DEBUG" && entry["status"] == 404;
    let access = entries.iter().find(is_access).unwrap_or_else(|| panic!("{entries:#?}"));
    assert!(access["micros"].is_u64() && access["bytes"].is_u64(), "{access}");
    assert!(access["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")));
}

#[test]
fn level_debug_has_one_entry_per_request_and_level_info_none() {
    let folder = Folder::new();
    let service = folder.start(&["--log-level=debug"]);
    for path in ["/accounts/10000?x", "/accounts/7", "/health", "/nowhere"] {
        service.get(path);
    }
    let mut client = service.connect();
    client.send("POST /health HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status(), 405);
    let log = log_of(service);
    for (request, status) in [
        ("GET /accounts/10000?x", "status=200"),
        ("GET /accounts/7", "status=404"),
        ("GET /health", "status=200"),
        ("GET /nowhere", "status=404"),
        ("POST /health", "status=405"),
    ] {
        let entries = log.iter().filter(|line| line.contains(&format!("{request} [")));
        let entries: Vec<_> = entries.collect();
        let [entry] = entries[..] else { panic!("{request}: {entries:#?}") };
        assert!(entry.contains(" DEBUG ") && entry.contains(status), "{entry}");
    }

    let service = folder.start(&[]);
    service.get("/health");
    let log = log_of(service);
    assert!(!log.iter().any(|line| line.contains("/health")), "{log:#?}");
}

#[test]
fn forcing_health_is_logged_at_level_info() {
    let folder = Folder::new();
    let mut service = folder.start(&["--testability"]);
    for (state, text) in [("false", "forced unhealthy"), ("true", "forced healthy")] {
        let path = format!("/testability/healthy/{state}");
        let response = service.connect().get(&path);
        let id = response.headers()["x-request-id"].to_str().expect("ASCII");
        let line = service.process.line("/testability");
        assert!(line.ends_with(&format!(" INFO GET {path} [{id}] 200: {text}")), "{line}");
    }
    service.stop();
}

#[test]
fn a_request_keeps_its_id_and_gets_one_if_it_has_none() {
    let folder = Folder::new();
    let mut service = folder.start(&["--log-level=debug"]);
    let mut client = service.connect();
    client.send("GET /health HTTP/1.1\r\nHost: x\r\nX-Request-Id: order-66\r\n\r\n");
    assert_eq!(client.response().headers()["x-request-id"], "order-66");
    service.process.line("GET /health [order-66]");

    let response = client.get("/health");
    let id = response.headers()["x-request-id"].to_str().expect("ASCII");
    assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    service.process.line(&format!("GET /health [{id}]"));
    service.stop();
}

/// The log of a service, in a pipe that is read when the test reads it.
type UnreadLog = Lines<BufReader<File>>;

/// Starts the service with an entry per request in a log of which only the start is read.
fn start_unread(folder: &Folder) -> (Service, UnreadLog) {
    let pipe = folder.path().join("log");
    assert!(Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()));
    let process = spawn(folder.command_after("exec >log", &["--log-level=debug"]));
    // Opening waits for the other side.
    let mut log = BufReader::new(File::open(pipe).expect("a pipe")).lines();
    let line = log.by_ref().map_while(Result::ok).find(|line| line.contains(SERVING));
    let port = line.as_deref().and_then(|line| line.rsplit(' ').next()?.parse().ok());
    let address = (Ipv4Addr::LOCALHOST, port.expect("a port")).into();
    (Service { process, address }, log)
}

/// The pipe and the queue have room for fewer entries.
const REQUESTS: usize = 6000;

/// Sends more requests than the log has room for entries.
fn fill_log(service: &Service) -> Client {
    let mut client = service.connect();
    for _ in 0..REQUESTS {
        assert_eq!(client.get("/health").status(), 200);
    }
    client
}

#[test]
fn a_log_that_is_not_read_holds_up_neither_requests_nor_the_end() {
    let folder = Folder::new();
    let (service, _log) = start_unread(&folder);
    fill_log(&service);
    let start = Instant::now();
    service.stop();
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[test]
fn a_log_reports_how_many_of_its_lines_were_lost() {
    let folder = Folder::new();
    let (mut service, log) = start_unread(&folder);
    let mut client = fill_log(&service);
    // Reports are lost too, as long as the log is not read.
    assert!(client.is_silent_for(Duration::from_millis(2500)));
    let lines = thread::spawn(|| log.map_while(Result::ok).collect::<Vec<_>>());
    // The queue has room now.
    assert!(client.is_silent_for(Duration::from_millis(1500)));
    assert_eq!(client.get("/accounts/10000").status(), 200);
    service.process.signal("TERM");
    assert_eq!(service.process.wait().0.code(), Some(0));

    let lines = lines.join().expect("lines");
    let written = lines.iter().filter(|line| line.contains("GET /health")).count();
    let reports = lines.iter().filter_map(|line| line.split_once(" WARN Lost "));
    let reports: Vec<_> = reports.map(|(_, report)| report).collect();
    let lost = reports.last().and_then(|report| report.split_once(' ')).expect("a report");
    assert_eq!(lost.1, "lines of the log so far: they were not read in time");
    let lost: usize = lost.0.parse().expect("a number");
    // Lost reports count too.
    assert!((REQUESTS..REQUESTS + 100).contains(&(written + lost)), "{written} and {reports:?}");
    assert!(lines.iter().any(|line| line.contains("GET /accounts/10000")), "it goes on");
}

#[test]
fn lines_lost_at_the_end_are_reported_at_the_end() {
    let folder = Folder::new();
    let (mut service, log) = start_unread(&folder);
    fill_log(&service);
    service.process.signal("TERM");
    let lines: Vec<_> = log.map_while(Result::ok).collect();
    assert_eq!(service.process.wait().0.code(), Some(0));
    assert!(lines.iter().any(|line| line.contains(" WARN Lost ")), "{:#?}", lines.last());
}

#[test]
fn it_serves_when_the_reader_of_its_log_is_gone() {
    let folder = Folder::new();
    let (service, log) = start_unread(&folder);
    drop(log);
    fill_log(&service);
    service.stop();
}
