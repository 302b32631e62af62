//! Events of requests and connections: request ids, log entries, and what the observer is told.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use accountservice_core::response::RouteName;
use accountservice_core::testing::MockAccountStore;
use accountservice_core::{AccountService, StoreError};
use accountservice_host::testing::{Client, eventually, is_last};
use accountservice_host_hyper::{Observer, Server, ServerConfig};
use bytes::Bytes;
use http::{Response, StatusCode};

use crate::handlers::service;
use crate::log;
use crate::server::{TestServer, config};

/// Keeps all events as text.
#[derive(Default)]
struct Events(Mutex<Vec<String>>);

impl Events {
    fn add(&self, event: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Observer for Events {
    fn connection_opened(&self) {
        self.add("opened");
    }

    fn connection_closed(&self) {
        self.add("closed");
    }

    fn connection_rejected(&self) {
        self.add("rejected");
    }

    fn responded(&self, route: Option<RouteName>, status: StatusCode, started_at: Instant) {
        assert!(started_at.elapsed() < Duration::from_mins(1));
        self.add(format!("{} {}", status.as_u16(), route.map_or("no route", |route| route.0)));
    }

    fn store_failed(&self) {
        self.add("store failed");
    }
}

fn observed(config: ServerConfig) -> (TestServer, Arc<Events>) {
    log::keep();
    let events = Arc::new(Events::default());
    let observer = Arc::clone(&events);
    let server = TestServer::launch(|listener| {
        Server::new(listener, service()).config(config).observer(observer)
    });
    (server, events)
}

/// Sends a request with an id. The response has it too.
fn request(client: &mut Client, id: &str, line: &str, rest: &str) -> Response<Bytes> {
    client.send(format!("{line} HTTP/1.1\r\nHost: test\r\nX-Request-Id: {id}\r\n{rest}"));
    let response = client.response();
    assert_eq!(response.headers()["x-request-id"], id);
    response
}

#[test]
fn connections_and_responses_are_reported_by_their_routes() {
    let (server, events) = observed(config());
    let mut client = server.connect();
    for path in ["/accounts/1", "/health/ready", "/testability/healthy/1", "/no/such/path"] {
        client.get(path);
    }
    drop(client);
    eventually("the connection closes", || {
        events.all().last().is_some_and(|last| last == "closed")
    });
    let expected = [
        "opened",
        "404 /accounts/{id}",
        "200 /health/ready",
        "200 /testability/healthy/{state}",
        "404 no route",
        "closed",
    ];
    assert_eq!(events.all(), expected);
}

#[test]
fn a_request_above_the_limit_is_reported_and_logged_like_any_other() {
    let (server, events) = observed(ServerConfig { max_connections: 1, ..config() });
    let mut first = server.connect();
    first.get("/health");
    let response = request(&mut server.connect(), "above-limit", "GET /accounts/1", "\r\n");
    assert_eq!(response.status(), 503);
    let events = events.all();
    assert_eq!(events[..5], ["opened", "200 /health", "rejected", "opened", "503 no route"]);
    let entries = log::entries_with("GET /accounts/1 [above-limit]");
    assert!(matches!(&entries[..], [entry] if entry.contains("status=503")), "{entries:?}");
}

#[test]
fn requests_that_the_host_rejects_are_reported_and_logged_like_any_other() {
    let config = ServerConfig { body_timeout: Duration::from_millis(50), ..config() };
    let (server, events) = observed(config);
    for (status, id, line, rest) in [
        (400, "no-target", "GET http://user@test/", "\r\n"),
        (400, "two-hosts", "GET /health", "Host: test\r\n\r\n"),
        (400, "gzip", "POST /health", "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        (400, "half-chunk", "POST /health", "Transfer-Encoding: chunked\r\n\r\nx"),
        (408, "no-body", "POST /health", "Content-Length: 1\r\n\r\n"),
        (413, "long-body", "POST /health", "Content-Length: 65537\r\n\r\n"),
    ] {
        let mut client = server.connect();
        let response = request(&mut client, id, line, rest);
        assert_eq!(response.status(), status, "{id}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert!(is_last(&response));
        let entries = log::entries_with(&format!("[{id}]"));
        let status_field = format!("status={status}");
        assert!(matches!(&entries[..], [entry] if entry.contains(&status_field)), "{entries:?}");
    }
    let responses: Vec<_> =
        events.all().into_iter().filter(|event| event.ends_with("no route")).collect();
    let expected = [400, 400, 400, 400, 408, 413].map(|status| format!("{status} no route"));
    assert_eq!(responses, expected);
}

#[test]
fn a_store_that_fails_is_reported_and_its_cause_logged() {
    log::keep();
    let events = Arc::new(Events::default());
    let observer = Arc::clone(&events);
    let mut store = MockAccountStore::new();
    store.expect_find().returning(|_| Err(StoreError::new("find an account", "disk\non fire")));
    let service = AccountService::new(store, "10.0.0.3");
    let server = TestServer::launch(|listener| Server::new(listener, service).observer(observer));
    let mut client = server.connect();
    let response = request(&mut client, "on-fire", "GET /accounts/1", "\r\n");
    assert_eq!(response.status(), 503);
    assert!(!String::from_utf8_lossy(response.body()).contains("fire"), "the cause is internal");
    assert_eq!(events.all(), ["opened", "store failed", "503 /accounts/{id}"]);
    let entries = log::entries_with("ERROR");
    let entry = entries.iter().find(|entry| entry.contains("[on-fire]")).expect("an entry");
    assert!(entry.contains("503: could not find an account: disk on fire"), "{entry}");
}

#[test]
fn an_access_log_entry_has_the_client_the_status_and_the_length() {
    let (server, _) = observed(config());
    request(&mut server.connect(), "in-access-log", "GET /health?x", "\r\n");
    let entries = log::entries_with("GET /health?x [in-access-log]");
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    for part in ["DEBUG", "peer=127.0.0.1:", "status=200", "bytes=15", "micros="] {
        assert!(entry.contains(part), "{part} is not in {entry}");
    }
}

#[test]
fn each_request_without_an_id_gets_one_of_its_own() {
    let (server, _) = observed(config());
    let mut client = server.connect();
    let ids = [(); 3].map(|()| client.get("/health").headers()["x-request-id"].clone());
    for id in &ids {
        assert!(id.len() == 16 && id.as_bytes().iter().all(u8::is_ascii_hexdigit), "{id:?}");
    }
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
}
