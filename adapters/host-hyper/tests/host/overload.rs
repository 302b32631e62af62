//! The connection limit, and the lane for connections above it.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use accountservice_host::testing::{Client, eventually, is_last};
use accountservice_host_hyper::ServerConfig;
use bytes::Bytes;
use http::{Method, Request, Response};

use crate::handlers::service;
use crate::server::{TestServer, config};

const UP: &str = r#"{"status":"UP"}"#;

/// A server with this limit, and as many connections as it allows.
fn full(max_connections: usize) -> (TestServer, Vec<Client>) {
    let server = TestServer::start(ServerConfig { max_connections, ..config() }, service());
    let mut clients: Vec<_> = (0..max_connections).map(|_| server.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/health").body(), UP);
    }
    (server, clients)
}

#[test]
fn above_the_limit_health_is_answered_and_the_connection_closed() {
    let (server, mut clients) = full(2);
    for path in ["/health", "/health/live", "/health?x", "/health/", "/health/live/"] {
        let mut above = server.connect();
        let response = above.get(path);
        let status = if path.ends_with('/') { 301 } else { 200 };
        assert_eq!(response.status(), status, "{path}");
        assert!(is_last(&response));
        above.expect_close();
    }
    let response = server.connect().try_request(&Method::HEAD, "/health").expect("a response");
    assert_eq!(response.status(), 200);
    for client in &mut clients {
        assert_eq!(client.get("/accounts/1").status(), 404, "those below the limit are served");
    }
}

#[test]
fn above_the_limit_everything_but_health_is_a_503_that_never_reaches_the_handler() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let handler = move |_: Request<Bytes>| {
        count.fetch_add(1, Ordering::Relaxed);
        async { Response::new(Bytes::new()) }
    };
    let server = TestServer::start(ServerConfig { max_connections: 1, ..config() }, handler);
    let mut first = server.connect();
    first.get("/");
    for (method, path) in [
        ("GET", "/accounts/1"),
        ("GET", "/no/such/path"),
        ("GET", "/testability/healthy/false"),
        ("POST", "/accounts/1"),
        ("GET", "/%68ealth"),
        ("GET", "/healthy"),
        ("OPTIONS", "*"),
    ] {
        let mut above = server.connect();
        above.send(format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        let response = above.response();
        assert_eq!(response.status(), 503, "{method} {path}");
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert!(is_last(&response));
        above.expect_close();
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn a_body_above_the_limit_is_not_waited_for() {
    let (server, _clients) = full(1);
    let mut above = server.connect();
    above.send("POST /accounts/1 HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\n");
    assert_eq!(above.response().status(), 503);
}

#[test]
fn a_malformed_head_decides_before_the_connection_limit_and_that_before_a_large_body() {
    let expect = |server: &TestServer, host: &str, status: u16| {
        let mut client = server.connect();
        client.send(format!("POST / HTTP/1.1\r\n{host}Content-Length: 1000000\r\n\r\n"));
        assert_eq!(client.response().status(), status, "{host:?}");
    };
    let server = TestServer::start(config(), service());
    expect(&server, "", 400);
    expect(&server, "Host: test\r\n", 413);
    let (server, _clients) = full(1);
    expect(&server, "", 400);
    expect(&server, "Host: test\r\n", 503);
}

#[test]
fn a_connection_that_ends_makes_room() {
    let (server, mut clients) = full(2);
    assert!(is_last(&server.connect().get("/health")));
    clients.pop();
    eventually("there is room", || !is_last(&server.connect().get("/health")));
}

#[test]
fn readiness_says_overloaded_at_the_limit_on_every_connection() {
    const OVERLOADED: &str = r#"{"status":"Overloaded"}"#;
    let (server, mut clients) = full(2);
    for client in &mut clients {
        let response = client.get("/health/ready");
        assert_eq!(
            (response.status().as_u16(), &response.body()[..]),
            (503, OVERLOADED.as_bytes())
        );
        assert_eq!(client.get("/health").body(), UP, "the process is live");
    }
    assert_eq!(server.connect().get("/health/ready").body(), OVERLOADED);
    let mut kept = clients.pop().expect("two");
    drop(clients);
    eventually("one connection less is no overload", || kept.get("/health/ready").body() == UP);
}

#[test]
fn silent_connections_above_the_limit_make_room_for_a_newcomer() {
    let config = ServerConfig {
        max_connections: 1,
        overload_slots: 8,
        header_timeout: Duration::MAX,
        ..config()
    };
    let server = TestServer::start(config, service());
    let mut first = server.connect();
    first.get("/health");
    let mut silent: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for _ in 0..5 {
        assert_eq!(server.connect().get("/health").body(), UP);
        silent.push(server.connect());
    }
    for oldest in &mut silent[..5] {
        oldest.expect_close();
    }
    // Longer than any of them keeps its slot while a newcomer waits.
    assert!(silent[5].is_silent_for(Duration::from_millis(200)), "no newcomer waits");
    assert!(silent[6..].iter_mut().all(|client| client.is_silent_for(Duration::from_millis(1))));
    assert_eq!(silent[5].get("/health").body(), UP);
}

#[test]
fn silence_above_the_limit_costs_no_processor_time() {
    let (server, _clients) = full(1);
    let mut silent: Vec<_> = (0..20).map(|_| server.connect()).collect();
    let before = server.processor_time();
    assert!(silent[0].is_silent_for(Duration::from_millis(500)));
    let used = server.processor_time().saturating_sub(before);
    assert!(used < Duration::from_millis(200), "{used:?} of 500 ms");
}

#[test]
fn every_connection_above_the_limit_gets_its_response() {
    let (server, _clients) = full(3);
    let address = server.address;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(Client::connect(address).get("/health").body(), UP);
                }
            });
        }
    });
}

#[test]
fn connections_are_spread_evenly_over_workers() {
    let workers = NonZeroUsize::new(4).expect("four");
    let server = TestServer::start(ServerConfig { workers, ..config() }, |_| async {
        Response::new(format!("{:?}", thread::current().id()).into())
    });
    let worker_of = |client: &mut Client| client.get("/").into_body();

    let mut clients: HashMap<Bytes, Vec<Client>> = HashMap::new();
    for _ in 0..12 {
        let mut client = server.connect();
        clients.entry(worker_of(&mut client)).or_default().push(client);
    }
    let counts: Vec<_> = clients.values().map(Vec::len).collect();
    assert_eq!(counts, [3, 3, 3, 3]);

    let emptied = clients.keys().next().expect("four").clone();
    clients.remove(&emptied);
    eventually("the worker without connections gets the next one", || {
        worker_of(&mut server.connect()) == emptied
    });
}
