//! Shutdown: requests in flight complete, idle connections are closed, and it ends in time.

use std::num::NonZeroUsize;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use accountservice_host::testing::{Client, TIMEOUT, eventually, get, is_last};
use accountservice_host_hyper::{Server, ServerConfig};
use bytes::Bytes;
use http::{Request, Response};
use tokio::sync::Semaphore;

use crate::handlers::{echo, service};
use crate::server::{TestServer, config};
use crate::slow_clients::drip;

const SHORT: Duration = Duration::from_millis(300);

/// Longer than an idle connection is kept during shutdown.
const LONGER_THAN_IDLE: Duration = Duration::from_millis(600);

/// The shutdown timeout where a test is not about it, and far less than that.
const LONG: Duration = Duration::from_secs(15);
const QUICKLY: Duration = Duration::from_secs(7);

const SHUTTING_DOWN: &str = r#"{"status":"Shutting down"}"#;

fn patient() -> ServerConfig {
    ServerConfig { shutdown_timeout: LONG, ..config() }
}

/// Requests for `/slow`, which wait for a permit.
struct Slow {
    called: mpsc::Receiver<()>,
    permits: Arc<Semaphore>,
}

impl Slow {
    fn expect_call(&self) {
        self.called.recv_timeout(TIMEOUT).expect("a call");
    }
}

fn with_slow_requests(config: ServerConfig) -> (TestServer, Slow) {
    let (calling, called) = mpsc::channel();
    let permits = Arc::new(Semaphore::new(0));
    let of_handler = Arc::clone(&permits);
    let server = TestServer::start(config, move |request: Request<Bytes>| {
        let (calling, permits) = (calling.clone(), Arc::clone(&of_handler));
        async move {
            if request.uri().path() == "/slow" {
                calling.send(()).expect("the test waits");
                permits.acquire().await.expect("the semaphore is open").forget();
            }
            Response::new("done".into())
        }
    });
    (server, Slow { called, permits })
}

fn expect_last_response(client: &mut Client) {
    let response = client.response();
    assert_eq!(response.status(), 200);
    assert!(is_last(&response));
    client.expect_close();
}

#[test]
fn a_request_in_flight_completes_and_idle_connections_are_closed() {
    let (mut server, slow) = with_slow_requests(patient());
    let (mut busy, mut idle, mut silent) = (server.connect(), server.connect(), server.connect());
    idle.get("/");
    busy.send(get("/slow"));
    slow.expect_call();
    server.stop_accepting();
    idle.expect_close();
    silent.expect_close();
    assert!(server.is_serving(), "a request is in flight");
    slow.permits.add_permits(1);
    expect_last_response(&mut busy);
    assert!(server.end() < QUICKLY);
}

#[test]
fn requests_of_all_workers_complete() {
    let workers = NonZeroUsize::new(4).expect("four");
    let (mut server, slow) = with_slow_requests(ServerConfig { workers, ..patient() });
    let mut clients: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get("/slow"));
        slow.expect_call();
    }
    server.stop_accepting();
    slow.permits.add_permits(8);
    for client in &mut clients {
        expect_last_response(client);
    }
    assert!(server.end() < QUICKLY);
}

#[test]
fn a_server_without_requests_ends_at_once() {
    let mut server =
        TestServer::start(ServerConfig { shutdown_timeout: Duration::MAX, ..config() }, echo);
    assert!(server.end() < QUICKLY, "without any connection");

    let mut server = TestServer::start(patient(), echo);
    let mut clients: Vec<_> = (0..50).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.get("/");
    }
    assert!(server.end() < QUICKLY, "with idle connections");
    for mut client in clients {
        client.expect_close();
    }
}

#[test]
fn an_idle_connection_is_kept_for_a_quarter_of_a_second() {
    let mut server = TestServer::start(patient(), echo);
    let (mut new, mut kept) = (server.connect(), server.connect());
    kept.get("/");
    let start = Instant::now();
    server.stop();
    // A request that is on its way would still be served.
    new.expect_close();
    kept.expect_close();
    assert!(start.elapsed() >= Duration::from_millis(250), "{:?}", start.elapsed());
}

#[test]
fn serve_returns_when_no_thread_holds_the_handler() {
    let resource = Arc::new(());
    let held = Arc::clone(&resource);
    let mut server = TestServer::start(patient(), move |_| {
        let held = Arc::clone(&held);
        async move {
            drop(held);
            Response::new(Bytes::new())
        }
    });
    server.connect().get("/");
    assert_eq!(Arc::strong_count(&resource), 2);
    server.end();
    assert_eq!(Arc::strong_count(&resource), 1, "a store in the handler is closed");
}

#[test]
fn a_request_that_has_begun_gets_its_response() {
    let mut server = TestServer::start(patient(), echo);
    let (mut new, mut kept, mut body) = (server.connect(), server.connect(), server.connect());
    kept.get("/");
    new.send("GET / HTTP/1.1\r\nHo");
    kept.send("GET / HTTP/1.1\r\nHo");
    body.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    server.stop_accepting();
    assert!(body.is_silent_for(LONGER_THAN_IDLE));
    assert!(server.is_serving());
    new.send("st: a\r\n\r\n");
    kept.send("st: a\r\n\r\n");
    body.send("cd");
    for client in [&mut new, &mut kept, &mut body] {
        expect_last_response(client);
    }
    assert!(server.end() < QUICKLY);
}

#[test]
fn a_request_that_has_begun_in_one_packet_with_another_gets_its_response() {
    for is_new in [true, false] {
        let mut server = TestServer::start(patient(), echo);
        let mut client = server.connect();
        if !is_new {
            client.get("/");
        }
        client.send(get("/") + "GET / HTTP/1.1\r\nHo");
        assert!(!is_last(&client.response()));
        server.stop_accepting();
        assert!(client.is_silent_for(LONGER_THAN_IDLE));
        client.send("st: a\r\n\r\n");
        expect_last_response(&mut client);
        assert!(server.end() < QUICKLY);
    }
}

#[test]
fn a_busy_client_gets_a_last_response_and_no_reset() {
    let mut server = TestServer::start(patient(), echo);
    let mut client = server.connect();
    assert!(!is_last(&client.get("/")));
    server.stop();
    while !is_last(&client.get("/")) {}
    client.expect_close();
    assert!(server.end() < QUICKLY);
}

#[test]
fn a_response_that_is_being_sent_arrives_whole() {
    const LENGTH: usize = 32 << 20;
    let (calling, called) = mpsc::channel();
    let mut server = TestServer::start(patient(), move |_| {
        calling.send(()).expect("the test waits");
        async { Response::new(vec![b'x'; LENGTH].into()) }
    });
    let mut client = server.connect();
    client.send(get("/"));
    called.recv_timeout(TIMEOUT).expect("a call");
    server.stop_accepting();
    thread::sleep(LONGER_THAN_IDLE);
    assert_eq!(client.response().body().len(), LENGTH);
    client.expect_close();
    assert!(server.end() < QUICKLY);
}

#[test]
fn a_handler_that_does_not_complete_is_given_up_at_the_shutdown_timeout_and_dropped() {
    /// Says when it is dropped.
    struct Guard(mpsc::Sender<()>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.send(()).expect("the test waits");
        }
    }
    let (calling, called) = mpsc::channel();
    let (dropping, dropped) = mpsc::channel();
    let config = ServerConfig { shutdown_timeout: SHORT, ..config() };
    let mut server = TestServer::start(config, move |_| {
        let guard = Guard(dropping.clone());
        calling.send(()).expect("the test waits");
        async move {
            std::future::pending::<()>().await;
            drop(guard);
            Response::new(Bytes::new())
        }
    });
    let mut client = server.connect();
    client.send(get("/"));
    called.recv_timeout(TIMEOUT).expect("a call");
    assert!(server.end() >= SHORT);
    dropped.recv_timeout(TIMEOUT).expect("the future of the handler is dropped");
}

#[test]
fn a_client_that_drips_is_given_up_at_the_shutdown_timeout() {
    for start in
        ["GET / HTTP/1.1\r\nX: ", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n"]
    {
        let mut server =
            TestServer::start(ServerConfig { shutdown_timeout: SHORT, ..config() }, echo);
        let mut client = server.connect();
        client.send(start);
        assert!(client.is_silent_for(SHORT / 10));
        let dripping = thread::spawn(move || drip(&mut client, Duration::from_millis(20)));
        assert!(server.end() >= SHORT);
        dripping.join().expect("the connection is closed");
    }
}

#[test]
fn health_says_shutting_down_on_connections_that_are_still_served() {
    let mut server = TestServer::start(patient(), service());
    let mut client = server.connect();
    client.get("/testability/healthy/false");
    client.send("GET /health HTTP/1.1\r\nHo");
    server.stop_accepting();
    client.send("st: a\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status().as_u16(), &response.body()[..]), (503, SHUTTING_DOWN.as_bytes()));
    assert!(is_last(&response));
    client.expect_close();
}

#[test]
fn during_the_drain_delay_health_is_503_and_everything_is_still_served() {
    // Longer than the requests below take on any machine that passes the other tests.
    let drain_delay = Duration::from_secs(3);
    let mut server = TestServer::start(ServerConfig { drain_delay, ..patient() }, service());
    let mut kept = server.connect();
    assert_eq!(kept.get("/health").status(), 200);
    server.stop();
    eventually("draining starts", || kept.get("/health").status() == 503);
    for client in [&mut kept, &mut server.connect()] {
        for path in ["/health", "/health/live", "/health/ready"] {
            let response = client.get(path);
            assert_eq!(response.body(), SHUTTING_DOWN, "{path}");
            assert!(!is_last(&response), "the connection is kept");
        }
        assert_eq!(client.get("/accounts/1").status(), 404);
    }
    let rest = server.end();
    assert!(rest < drain_delay + QUICKLY, "{rest:?}");
    kept.expect_close();
}

#[test]
fn the_drain_delay_comes_before_the_shutdown_timeout() {
    let (drain_delay, shutdown_timeout) = (SHORT, SHORT);
    let config = ServerConfig { drain_delay, shutdown_timeout, ..config() };
    let (mut server, slow) = with_slow_requests(config);
    let mut client = server.connect();
    client.send(get("/slow"));
    slow.expect_call();
    assert!(server.end() >= drain_delay + shutdown_timeout);
}

/// The server is built by its parts, as a binary does it.
#[test]
fn a_shutdown_that_is_requested_before_the_start_ends_the_server() {
    let mut server =
        TestServer::launch_until(|listener| Server::new(listener, echo), std::future::ready(()));
    assert!(server.end() < QUICKLY);
}
