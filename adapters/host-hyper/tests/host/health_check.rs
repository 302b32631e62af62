//! The check of a server's health without a connection: the same response as a client's.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, mpsc};

use accountservice_host::testing::{TIMEOUT, eventually, get};
use accountservice_host_hyper::{Handler, HealthCheck, Server, ServerConfig};
use bytes::Bytes;
use http::{Request, Response};
use tokio::runtime::Builder;

use crate::handlers::service;
use crate::server::{TestServer, config};

/// Starts a server, and returns a check of its health.
fn start<H: Handler>(config: ServerConfig, handler: H) -> (TestServer, HealthCheck<H>) {
    let (sender, receiver) = mpsc::channel();
    let server = TestServer::launch(move |listener| {
        let server = Server::new(listener, handler).config(config);
        // The receiver is dropped at the end of the test.
        let _ = sender.send(server.health_check());
        server
    });
    (server, receiver.recv_timeout(TIMEOUT).expect("the server is made"))
}

fn check<H: Handler>(health: &HealthCheck<H>) -> (u16, String) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let response = runtime.block_on(health.response());
    (response.status().as_u16(), String::from_utf8_lossy(response.body()).into_owned())
}

fn up() -> (u16, String) {
    (200, r#"{"status":"UP"}"#.to_owned())
}

fn down(status: &str) -> (u16, String) {
    (503, format!(r#"{{"status":"{status}"}}"#))
}

#[test]
fn a_health_check_sees_what_a_client_sees() {
    let (mut server, health) = start(config(), service());
    let mut client = server.connect();
    assert_eq!(check(&health), up());
    client.get("/testability/healthy/false");
    assert_eq!(check(&health), down("Forced unhealthy"));
    client.send("GET / HTTP/1.1\r\nHo");
    server.stop();
    eventually("the server drains", || check(&health) == down("Shutting down"));
}

#[test]
fn a_health_check_needs_no_free_connection() {
    let (server, health) = start(ServerConfig { max_connections: 1, ..config() }, service());
    server.connect().get("/health");
    assert_eq!(check(&health), up());
}

#[test]
fn a_health_check_works_before_the_server_starts() {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let response = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Server::new(listener, service()).health_check().response().await
    });
    assert_eq!(response.status(), 200);
}

#[test]
fn a_handler_that_panics_is_unhealthy() {
    async fn panics(_: Request<Bytes>) -> Response<Bytes> {
        panic!("as the test says");
    }
    let (server, health) = start(config(), panics);
    assert_eq!(check(&health).0, 500);
    assert_eq!(server.connect().get("/health").status(), 500);
}

#[test]
fn a_handler_that_blocks_its_thread_is_stuck_and_the_check_returns() {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let (calling, called) = mpsc::channel();
    let service = Arc::new(service());
    let handler = move |request: Request<Bytes>| {
        if request.uri().path() == "/stuck" {
            calling.send(()).expect("the test waits");
            let _ = released.lock().expect("no panic").recv_timeout(TIMEOUT);
        }
        let service = Arc::clone(&service);
        async move { service.respond(request).await }
    };
    let config = ServerConfig { workers: NonZeroUsize::MIN, ..config() };
    let (server, health) = start(config, handler);
    let mut client = server.connect();
    client.send(get("/stuck"));
    called.recv_timeout(TIMEOUT).expect("a call");
    // The only worker is blocked, so this check waits until the handler counts as stuck.
    assert_eq!(check(&health), down("Stuck"));
    drop(release);
    client.response();
    assert_eq!(check(&health), up());
}
