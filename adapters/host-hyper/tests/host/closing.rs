//! Closing the listener: no connection that was established is reset.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use accountservice_host::testing::{Client, TIMEOUT, eventually, get, is_last};
use accountservice_host_hyper::{Server, ServerConfig};
use http::Method;

use crate::handlers::echo;
use crate::server::{TestServer, config};

/// How many times a server is closed under load. The environment variable `CLOSINGS` sets more.
const ROUNDS: usize = 5;

fn patient() -> ServerConfig {
    ServerConfig { shutdown_timeout: TIMEOUT, ..config() }
}

/// Connects and sends requests until connections are refused. Each connection gets all its
/// responses, up to one that says that it is the last.
fn request_until_refused(address: SocketAddr, responses: &AtomicUsize) {
    'connections: loop {
        let mut client = match Client::try_connect(address, TIMEOUT) {
            Ok(client) => client,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
            Err(error) => panic!("{error}"),
        };
        for _ in 0..2 {
            let response = client.try_request(&Method::GET, "/").expect("a response");
            responses.fetch_add(1, Ordering::Relaxed);
            if is_last(&response) {
                client.expect_close();
                continue 'connections;
            }
        }
    }
}

#[test]
fn under_load_no_established_connection_is_reset() {
    let rounds = std::env::var("CLOSINGS").map(|rounds| rounds.parse().expect("a number"));
    for round in 0..rounds.unwrap_or(ROUNDS) {
        let mut server = TestServer::start(patient(), echo);
        let (address, responses) = (server.address, AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| request_until_refused(address, &responses));
            }
            eventually("there is load", || responses.load(Ordering::Relaxed) > 100);
            server.stop();
        });
        assert!(server.end() < TIMEOUT, "round {round}");
    }
}

#[test]
fn connections_in_the_accept_queue_are_served() {
    let (connected, connections) = mpsc::channel::<()>();
    // The accepting thread does nothing else while the clients connect.
    let mut server = TestServer::launch_until(
        |listener| Server::new(listener, echo).config(patient()),
        async move { connections.recv_timeout(TIMEOUT).expect("the test connects") },
    );
    let mut clients: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get("/"));
    }
    connected.send(()).expect("the server waits");
    for mut client in clients {
        assert!(is_last(&client.response()));
        client.expect_close();
    }
    assert!(server.end() < TIMEOUT);
}
