//! Handlers that block their thread, and handlers that never complete.
//!
//! A handler counts as stuck after 5 s, which each test here waits for.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use accountservice_host::testing::{Client, TIMEOUT, eventually, get, is_last};
use accountservice_host_hyper::{Handler, ServerConfig};
use bytes::Bytes;
use http::Request;

use crate::handlers::service;
use crate::server::{TestServer, config};

const UP: &str = r#"{"status":"UP"}"#;
const STUCK: &str = r#"{"status":"Stuck"}"#;

/// Longer than a handler may block its thread.
const STALL: Duration = Duration::from_millis(5_500);

fn workers(count: usize) -> ServerConfig {
    ServerConfig { workers: NonZeroUsize::new(count).expect("one at least"), ..config() }
}

/// Blocks the threads of `/stuck` until this is dropped.
struct Block {
    _release: mpsc::Sender<()>,
    blocked: Arc<AtomicUsize>,
}

/// A service with the further path `/stuck`, which blocks its thread.
fn blocking() -> (impl Handler, Block) {
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let blocked = Arc::new(AtomicUsize::new(0));
    let (service, counter) = (Arc::new(service()), Arc::clone(&blocked));
    let handler = move |request: Request<Bytes>| {
        let (service, counter) = (Arc::clone(&service), Arc::clone(&counter));
        let released = Arc::clone(&released);
        async move {
            if request.uri().path() == "/stuck" {
                counter.fetch_add(1, Ordering::Relaxed);
                // One thread waits for the channel, the others for the lock.
                let _ =
                    released.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(TIMEOUT);
            }
            service.respond(request).await
        }
    };
    (handler, Block { _release: release, blocked })
}

/// Blocks one worker for longer than the limit. Returns its client.
fn block(server: &TestServer, block: &Block) -> Client {
    let before = block.blocked.load(Ordering::Relaxed);
    let mut client = server.connect();
    client.send(get("/stuck"));
    eventually("the handler is called", || block.blocked.load(Ordering::Relaxed) > before);
    client
}

#[test]
fn a_blocked_worker_gets_no_new_connections() {
    let (handler, release) = blocking();
    let server = TestServer::start(workers(2), handler);
    let mut stuck = block(&server, &release);
    thread::sleep(STALL);
    let mut clients: Vec<_> = (0..6).map(|_| server.connect()).collect();
    for client in &mut clients {
        let response = client.get("/health");
        assert_eq!((response.status().as_u16(), &response.body()[..]), (503, STUCK.as_bytes()));
        assert_eq!(client.get("/health/ready").body(), STUCK);
        let response = client.get("/accounts/1");
        assert_eq!(response.status(), 404, "the other worker serves");
        assert!(!is_last(&response), "as many requests as the client has");
    }
    drop(release);
    assert_eq!(stuck.response().status(), 404, "the blocked request gets its response");
    assert_eq!(clients[0].get("/health").body(), UP, "no connection is needed to find that out");
}

#[test]
fn with_all_workers_blocked_health_says_stuck_and_everything_else_is_a_503() {
    let (handler, release) = blocking();
    let config = ServerConfig { shutdown_timeout: Duration::from_secs(20), ..workers(2) };
    let mut server = TestServer::start(config, handler);
    let _stuck = [block(&server, &release), block(&server, &release)];
    thread::sleep(STALL);
    for _ in 0..3 {
        let mut client = server.connect();
        let response = client.get("/health");
        assert_eq!((response.status().as_u16(), &response.body()[..]), (503, STUCK.as_bytes()));
        assert!(is_last(&response));
        client.expect_close();
        let response = server.connect().get("/accounts/1");
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
    }
    assert!(server.end() < Duration::from_secs(10), "a blocked handler is not waited for");
}

#[test]
fn workers_serve_again_when_their_handlers_return() {
    let (handler, release) = blocking();
    let server = TestServer::start(workers(1), handler);
    let mut stuck = block(&server, &release);
    thread::sleep(STALL);
    assert_eq!(server.connect().get("/health").body(), STUCK);
    drop(release);
    assert_eq!(stuck.response().status(), 404);
    let mut client = server.connect();
    let response = client.get("/health");
    assert_eq!(response.body(), UP);
    assert!(!is_last(&response), "a worker serves it");
}

#[test]
fn with_all_workers_blocked_silent_connections_make_room_for_a_newcomer() {
    let (handler, release) = blocking();
    let header_timeout = Duration::MAX;
    let config = ServerConfig { overload_slots: 8, header_timeout, ..workers(1) };
    let server = TestServer::start(config, handler);
    let _stuck = block(&server, &release);
    thread::sleep(STALL);
    let mut silent: Vec<_> = (0..20).map(|_| server.connect()).collect();
    assert_eq!(server.connect().get("/health").body(), STUCK);
    for oldest in &mut silent[..12] {
        oldest.expect_close();
    }
}

#[test]
fn a_blocked_worker_is_found_out_at_the_connection_limit() {
    let (handler, release) = blocking();
    let server = TestServer::start(ServerConfig { max_connections: 2, ..workers(2) }, handler);
    let mut kept = server.connect();
    kept.get("/health");
    let _stuck = block(&server, &release);
    let health = || server.connect().get("/health").into_body();
    assert_eq!(health(), UP);
    thread::sleep(STALL);
    assert_eq!(health(), STUCK);
    assert_eq!(kept.get("/health").body(), STUCK);
}

#[test]
fn a_handler_that_never_completes_holds_up_only_its_own_connection() {
    let service = Arc::new(service());
    let config = ServerConfig { shutdown_timeout: Duration::ZERO, ..workers(1) };
    let server = TestServer::start(config, move |request: Request<Bytes>| {
        let service = Arc::clone(&service);
        async move {
            if request.uri().path() == "/never" {
                std::future::pending::<()>().await;
            }
            service.respond(request).await
        }
    });
    let mut kept = server.connect();
    assert_eq!(kept.get("/health").body(), UP);
    let mut never: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for client in &mut never {
        client.send(get("/never"));
    }
    thread::sleep(STALL);
    assert_eq!(kept.get("/health").body(), UP);
    assert_eq!(server.connect().get("/health").body(), UP);
    assert_eq!(server.connect().get("/accounts/1").status(), 404);
    for client in &mut never {
        assert!(client.is_silent_for(Duration::from_millis(1)), "and is not closed");
    }
}
