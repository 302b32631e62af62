//! A store that errs, panics, is stuck and recovers, behind the host that the binary uses.
//!
//! The tests of `process` do the same with the real store where a real disk can be made to fail.

mod log;
mod server;
mod store;

use std::thread;
use std::time::{Duration, Instant};

use accountservice_host::testing::{Client, eventually};
use http::Method;

use server::Server;
use store::{Behaviour, Store};

const UP: &str = r#"{"status":"UP"}"#;
const ACCOUNT: &str = r#"{"id":"1","name":"Person","servedBy":"10.0.0.3"}"#;

fn ok(body: &str) -> (u16, String) {
    (200, body.to_owned())
}

fn down(status: &str) -> (u16, String) {
    (503, format!(r#"{{"status":"{status}"}}"#))
}

#[test]
fn an_error_is_a_503_and_its_cause_is_in_the_log_only() {
    let store = Store::default();
    let server = Server::start(&store);
    store.find.set(Behaviour::Error("the disk of accounts is on fire"));
    store.check.set(Behaviour::Error("the disk of health is on fire"));
    for (path, subject) in [("/accounts/1", "accounts"), ("/health", "health")] {
        let (status, body) = server.get(path);
        assert_eq!(status, 503, "{path}");
        assert!(!body.contains("fire"), "{path} tells the client: {body}");
        let entries = log::entries_with(&format!("the disk of {subject} is on fire"));
        let [entry] = &entries[..] else { panic!("{entries:#?}") };
        assert!(entry.contains(&format!(" ERROR GET {path} [")), "{entry}");
        let cause = format!("] 503: could not read a test store: the disk of {subject} is on fire");
        assert!(entry.ends_with(&cause), "{entry}");
    }
    assert_eq!(server.get("/health"), down("Database unaccessible"));
}

#[test]
fn a_store_that_recovers_is_healthy_at_once() {
    let store = Store::default();
    let server = Server::start(&store);
    for _ in 0..3 {
        store.check.set(Behaviour::Error("for a moment"));
        assert_eq!(server.get("/health"), down("Database unaccessible"));
        assert_eq!(server.get("/accounts/1"), ok(ACCOUNT), "what can be read is served");
        store.check.set(Behaviour::Good);
        assert_eq!(server.get("/health"), ok(UP));
    }
}

#[test]
fn a_store_that_panics_costs_one_request() {
    let store = Store::default();
    let server = Server::start(&store);
    store.find.set(Behaviour::Panic("an account made no sense"));
    store.check.set(Behaviour::Panic("a check made no sense"));
    for (path, reason) in [("/accounts/1", "an account"), ("/health", "a check")] {
        for _ in 0..4 {
            let (status, body) = server.get(path);
            assert_eq!(status, 500, "{path}");
            assert!(!body.contains("sense"), "{body}");
        }
        let entry = format!("500: the handler panicked: {reason} made no sense");
        assert_eq!(log::entries_with(&entry).len(), 4);
    }
    store.find.set(Behaviour::Good);
    store.check.set(Behaviour::Good);
    for _ in 0..8 {
        assert_eq!(server.get("/accounts/1"), ok(ACCOUNT), "every worker is alive");
    }
    assert_eq!(server.get("/health"), ok(UP));
}

/// An id is decoded when a store gets it, and a store may quote it in its error.
#[test]
fn a_client_cannot_write_log_entries() {
    const FORGED: &str = "1\r\n2026-01-01T00:00:00Z ERROR forged\x1b[2J\u{9b}2J\u{2028}forged";
    let store = Store::default();
    let server = Server::start(&store);
    for (behaviour, status) in [(Behaviour::Error(FORGED), 503), (Behaviour::Panic(FORGED), 500)] {
        let before = log::entries_with("forged").len();
        store.find.set(behaviour);
        assert_eq!(server.get("/accounts/1%E2%80%A8%0d%0aERROR%20forged").0, status);
        let entries = log::entries_with("forged");
        assert_eq!(entries.len(), before + 1, "{entries:#?}");
        for entry in entries {
            assert!(entry.contains(" ERROR GET /accounts/1%E2%80%A8%0d"), "{entry:?}");
            let is_break = |char: char| char.is_control() || char == '\u{2028}';
            assert!(!entry.contains(is_break), "{entry:?}");
        }
    }
}

/// Both kinds of call block a worker. Health is answered meanwhile, without the store.
#[test]
fn a_stuck_store_makes_the_process_unhealthy_until_it_returns() {
    for path in ["/accounts/1", "/health"] {
        let store = Store::default();
        let server = Server::start(&store);
        let address = server.address;
        let stuck = if path == "/health" { &store.check } else { &store.find };
        stuck.set(Behaviour::Stuck);
        let start = Instant::now();
        let request = thread::spawn(move || server::get(address, path));
        eventually("health is stuck", || {
            // Until the store counts as stuck, a connection may go to the worker that it blocks.
            let mut client = Client::try_connect(address, Duration::from_secs(1));
            let response =
                client.as_mut().map(|client| client.try_request(&Method::GET, "/health"));
            matches!(response, Ok(Ok(response)) if response.body() == r#"{"status":"Stuck"}"#)
        });
        assert!(start.elapsed() >= Duration::from_secs(5), "{:?}", start.elapsed());
        assert_eq!(server.get("/health/ready"), down("Stuck"));
        assert!(!request.is_finished());

        stuck.set(Behaviour::Good);
        assert_eq!(request.join().expect("a response").0, 200, "late");
        eventually("health recovers", || server.get("/health") == ok(UP));
    }
}
