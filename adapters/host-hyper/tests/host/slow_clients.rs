//! Clients that do not read, do not end, or go away.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use accountservice_host::testing::{Client, TIMEOUT, eventually, get, is_last};
use accountservice_host_hyper::{Handler, ServerConfig};
use bytes::Bytes;
use http::{Request, Response};
use socket2::SockRef;
use tokio::sync::Semaphore;

use crate::handlers::echo;
use crate::server::{TestServer, config};

const SHORT: Duration = Duration::from_millis(300);
const NEVER: Duration = Duration::MAX;

/// Together, as many responses are far more than the kernel keeps for a client.
const MANY: usize = 4000;

/// Returns as many bytes as the first segment of the path says.
async fn bytes(request: Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path();
    let length = path.split('/').nth(1).and_then(|length| length.parse().ok()).unwrap_or(0);
    Response::new(path.repeat(length / path.len() + 1)[..length].to_owned().into())
}

/// One connection is allowed, so that a second one is served in full only when the first has ended.
fn one_connection<H: Handler>(keep_alive_timeout: Duration, handler: H) -> TestServer {
    let config = ServerConfig { max_connections: 1, keep_alive_timeout, ..config() };
    TestServer::start(config, handler)
}

/// Sends one byte after the other, with a pause after each, until the server responds or closes.
/// Returns the time that this took.
pub(crate) fn drip(client: &mut Client, pause: Duration) -> Duration {
    let start = Instant::now();
    for _ in 0..1000 {
        if client.try_send("x").is_err() || !client.is_silent_for(pause) {
            return start.elapsed();
        }
    }
    panic!("the connection is open after {:?}", start.elapsed());
}

fn expect_room(server: &TestServer) {
    eventually("there is room for a connection", || !is_last(&server.connect().get("/")));
}

#[test]
fn a_client_that_does_not_read_holds_up_only_itself_and_gets_all_its_responses_in_order() {
    for lengths in [[7_000; 8], [1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 60_000]] {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let config = ServerConfig { workers: std::num::NonZeroUsize::MIN, ..config() };
        let server = TestServer::start(config, move |request: Request<Bytes>| {
            if request.uri().path() != "/" {
                count.fetch_add(1, Ordering::Relaxed);
            }
            bytes(request)
        });
        let (mut lazy, mut other) = (server.connect(), server.connect());
        let paths: Vec<_> =
            (0..MANY).map(|i| format!("/{}/{i}", lengths[i % lengths.len()])).collect();
        lazy.send(paths.iter().map(|path| get(path)).collect::<String>());
        eventually("the server stops serving the client that does not read", || {
            let before = calls.load(Ordering::Relaxed);
            (0..20).for_each(|_| assert_eq!(other.get("/").status(), 200));
            before > 0 && calls.load(Ordering::Relaxed) == before
        });
        assert!(calls.load(Ordering::Relaxed) < MANY, "the kernel keeps less");
        for (i, path) in paths.iter().enumerate() {
            let expected = path.repeat(60_000 / path.len() + 1);
            let expected = &expected.as_bytes()[..lengths[i % lengths.len()]];
            assert!(lazy.response().body() == expected, "{path}");
        }
        assert_eq!(lazy.get("/").status(), 200, "the connection is kept");
    }
}

#[test]
fn a_client_that_never_takes_its_response_is_dropped() {
    let server = one_connection(SHORT, bytes);
    let mut client = server.connect();
    client.send(get("/33554432"));
    expect_room(&server);
}

#[test]
fn a_client_that_never_takes_its_pipelined_responses_is_dropped() {
    let server = one_connection(SHORT, bytes);
    let mut client = server.connect();
    client.send((0..MANY).map(|i| get(&format!("/7000/{i}"))).collect::<String>());
    expect_room(&server);
}

#[test]
fn a_client_that_never_closes_is_dropped_after_its_last_response() {
    let server = one_connection(NEVER, echo);
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client.response();
    client.expect_close();
    expect_room(&server);
}

#[test]
fn a_client_that_sends_slowly_receives_its_rejection_and_no_reset() {
    let server = TestServer::start(config(), echo);
    for offer in ["", "Connection: Upgrade\r\nUpgrade: h2c\r\n"] {
        let mut client = server.connect();
        client
            .send(format!("POST / HTTP/1.1\r\nHost: a\r\n{offer}Content-Length: 99999999\r\n\r\n"));
        for _ in 0..15 {
            client.send([b'x'; 1000]);
            thread::sleep(SHORT / 5);
        }
        assert_eq!(client.response().status(), 413);
        client.expect_close();
    }
}

#[test]
fn a_client_that_never_stops_sending_is_dropped_after_its_last_response() {
    let server = one_connection(NEVER, echo);
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n");
    assert_eq!(client.response().status(), 413);
    let sending = thread::spawn(move || while client.try_send([b'x'; 1000]).is_ok() {});
    expect_room(&server);
    sending.join().expect("an error ends it");
}

/// Resets the connection: an unread byte is in the receive buffer.
fn reset(server: &TestServer, request: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(server.address)?;
    stream.write_all(request.as_bytes())?;
    stream.peek(&mut [0]).map(drop)
}

#[test]
fn clients_that_go_away_are_no_loss() {
    let server = TestServer::start(config(), echo);
    let half_body = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf";
    for _ in 0..50 {
        drop(server.connect());
        server.connect().send("GET / HTTP");
        server.connect().send(half_body);
        reset(&server, &get("/").repeat(50)).expect("a response");
    }
    assert_eq!(server.connect().get("/").status(), 200);
}

/// A server of one connection, whose requests for `/slow` wait for a permit each.
fn one_connection_with_slow_requests() -> (TestServer, mpsc::Receiver<()>, Arc<Semaphore>) {
    let (calling, called) = mpsc::channel();
    let permits = Arc::new(Semaphore::new(0));
    let of_handler = Arc::clone(&permits);
    let server = one_connection(NEVER, move |request: Request<Bytes>| {
        let (calling, permits) = (calling.clone(), Arc::clone(&of_handler));
        async move {
            if request.uri().path() == "/slow" {
                calling.send(()).expect("the test waits");
                permits.acquire().await.expect("the semaphore is open").forget();
            }
            Response::new(Bytes::new())
        }
    });
    (server, called, permits)
}

/// A client that has ended its sending side may still wait for its response, so the handler is not
/// interrupted.
#[test]
fn a_client_that_goes_away_while_its_handler_waits_is_dropped_with_the_response() {
    for is_reset in [true, false] {
        let (server, called, permits) = one_connection_with_slow_requests();
        let mut stream = TcpStream::connect(server.address).expect("a connection");
        stream.write_all(get("/slow").as_bytes()).expect("the server reads");
        called.recv_timeout(TIMEOUT).expect("a call");
        if is_reset {
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("an option");
        }
        drop(stream);
        permits.add_permits(1);
        expect_room(&server);
    }
}

/// Says when it is dropped.
struct Guard(mpsc::Sender<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        // The test may have ended.
        let _ = self.0.send(());
    }
}

#[test]
fn the_future_of_a_handler_is_dropped_with_its_connection() {
    let (dropping, dropped) = mpsc::channel();
    let config = ServerConfig { max_connections: 1, overload_slots: 1, ..config() };
    let server = TestServer::start(config, move |request: Request<Bytes>| {
        let dropping = dropping.clone();
        async move {
            if request.uri().query() == Some("never") {
                let _guard = Guard(dropping);
                std::future::pending::<()>().await;
            }
            Response::new(Bytes::new())
        }
    });
    let mut first = server.connect();
    first.get("/");
    let mut never = server.connect();
    never.send(get("/health?never"));
    assert!(never.is_silent_for(Duration::from_millis(1)));
    // The next connection above the limit takes the slot.
    assert_eq!(server.connect().get("/health").status(), 200);
    dropped.recv_timeout(TIMEOUT).expect("the future is dropped");
    assert_eq!(first.get("/").status(), 200);
}
