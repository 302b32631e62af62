//! What operators get: metrics, and an id for each request.

use std::io::{self, BufRead, BufReader, PipeReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command};

use crate::client::{Client, eventually};
use crate::service::Folder;

/// The value of one line of the metrics.
fn metric(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in:\n{text}"))
}

fn scrape(address: SocketAddr) -> String {
    let answer = Client::connect(address).get("/metrics");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    String::from_utf8(answer.into_body().into()).expect("UTF-8")
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn metrics_are_off_unless_asked_for() {
    let folder = Folder::new();
    let service = folder.start(&[]);
    assert_eq!(service.get("/metrics").0, 404);
    service.stops();
}

#[test]
fn metrics_on_a_port_of_their_own_count_what_the_other_port_answers() {
    let folder = Folder::new();
    let mut service = folder.start(&["--metrics-port=0", "--testability"]);
    let port = service.says_port("Serving metrics at ");
    let metrics = SocketAddr::from((Ipv4Addr::LOCALHOST, port));

    let mut client = service.connect();
    for (path, status) in [
        ("/accounts/10000", 200),
        ("/accounts/10001", 200),
        ("/accounts/1", 404),
        ("/health", 200),
        ("/no/such/path", 404),
        ("/another", 404),
    ] {
        assert_eq!(client.get(path).status(), status);
    }
    let text = scrape(metrics);
    let requests = |route: &str, status: u16| {
        metric(&text, &format!(r#"http_requests_total{{route="{route}",status="{status}"}}"#))
    };
    assert_eq!(requests("/accounts/{id}", 200), 2);
    assert_eq!(requests("/accounts/{id}", 404), 1);
    assert_eq!(requests("/health", 200), 1);
    assert_eq!(requests("other", 404), 2);
    assert_eq!(metric(&text, "http_request_duration_seconds_count"), 6);
    assert_eq!(metric(&text, "http_connections"), 1);
    assert_eq!(metric(&text, "http_connections_total"), 1);
    assert_eq!(metric(&text, "store_failures_total"), 0);
    assert_eq!(metric(&text, "healthy"), 1);
    let version = env!("CARGO_PKG_VERSION");
    let build = format!(r#"accountservice_build_info{{version="{version}"}}"#);
    assert_eq!(metric(&text, &build), 1);

    assert_eq!(client.get("/testability/healthy/false").status(), 200);
    assert_eq!(metric(&scrape(metrics), "healthy"), 0);
    drop(client);
    eventually("the connection is gone", || metric(&scrape(metrics), "http_connections") == 0);
    assert_eq!(Client::connect(metrics).get("/health").status(), 404, "nothing else is there");
    service.stops();
}

#[test]
fn no_label_grows_with_what_is_asked() {
    let folder = Folder::new();
    let port = free_port();
    let service = folder.start(&[&format!("--port={port}"), &format!("--metrics-port={port}")]);
    let lines = || scrape(service.address()).lines().count();
    let before = lines();
    let mut client = service.connect();
    for i in 0..50 {
        client.get(&format!("/accounts/{i}"));
        client.get(&format!("/path/{i}"));
    }
    assert_eq!(lines(), before);
    service.stops();
}

#[test]
fn a_request_keeps_its_id_and_gets_one_if_it_has_none() {
    let folder = Folder::new();
    let mut service = folder.start(&["--log-level=debug"]);
    let mut client = service.connect();
    let mut ask = |id: &str| {
        client.send(format!("GET /health HTTP/1.1\r\nHost: x\r\n{id}\r\n"));
        let answer = client.answer();
        answer.headers()["x-request-id"].to_str().expect("ASCII").to_owned()
    };
    assert_eq!(ask("X-Request-Id: order-66\r\n"), "order-66");
    service.says("GET /health [order-66]");

    let made = [ask(""), ask("")];
    assert_ne!(made[0], made[1]);
    for id in &made {
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        service.says(&format!("GET /health [{id}]"));
    }
    for unfit in ["", "with blank", "\u{e9}", &"x".repeat(129)] {
        let id = ask(&format!("x-request-id: {unfit}\r\n"));
        assert_eq!(id.len(), 16, "{unfit:?} was replaced by {id}");
    }
    service.stops();
}

/// The service with a log of a line for each request that nobody reads, and some requests that it
/// has answered all the same: far more lines than the pipe and the service keep.
fn unread() -> (Folder, Child, PipeReader) {
    let folder = Folder::new();
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let (reader, writer) = io::pipe().expect("a pipe");
    let port = format!("--port={}", at.port());
    let mut command = folder.command(&["--log-level=debug", &port]);
    let child = command.stdout(writer).spawn().expect("the binary runs");
    eventually("it serves", || Client::try_connect(at).is_ok());
    let mut client = Client::connect(at);
    for _ in 0..6000 {
        assert_eq!(client.get("/health").status(), 200);
    }
    (folder, child, reader)
}

fn stop(child: &mut Child) {
    let terminate = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status();
    assert!(terminate.expect("a kill command").success());
    let mut status = None;
    eventually("the process ends", || {
        status = child.try_wait().expect("it is ours");
        status.is_some()
    });
    assert!(status.expect("it has ended").success());
}

#[test]
fn a_log_that_nobody_reads_holds_up_neither_requests_nor_the_end() {
    let (_folder, mut child, _reader) = unread();
    stop(&mut child);
}

#[test]
fn a_log_says_how_much_of_it_was_lost() {
    let (_folder, mut child, reader) = unread();
    let mut lines = BufReader::new(reader).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("lines of the log")).expect("such a line");
    let lost = line.split(' ').find_map(|word| word.parse::<usize>().ok()).expect("a number");
    assert!((1..6000).contains(&lost), "{line}");
    stop(&mut child);
    assert!(lines.any(|line| line.contains("Stopping on SIGTERM")), "it goes on");
}
