//! The end: what is in flight is answered, what rests is closed, and it is over in time.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use accountservice_host_hyper::Limits;
use bytes::Bytes;
use http::{Request, Response};

use crate::client::{PATIENCE, closes, get};
use crate::server::{Server, echo, limits};

const SHORT: Duration = Duration::from_millis(300);

/// Longer than a connection may rest while the server drains.
const A_REST: Duration = Duration::from_millis(600);

/// Far longer than an end takes that nobody holds up, and shorter than the patience of tests.
const LONG: Duration = Duration::from_secs(15);

fn patient() -> Limits {
    Limits { drain_time: LONG, ..limits() }
}

/// The end of a handler's leash: it says when it has been called for `/slow`, and waits for a word
/// before it answers.
struct Leash {
    called: mpsc::Receiver<()>,
    go_on: mpsc::Sender<()>,
}

fn leashed(limits: Limits) -> (Server, Leash) {
    let (calling, called) = mpsc::channel();
    let (go_on, word) = mpsc::channel();
    let word = Mutex::new(word);
    let server = Server::start(limits, move |request: Request<Bytes>| {
        if request.uri().path() == "/slow" {
            calling.send(()).expect("the test listens");
            // The test may have ended.
            let _ = word.lock().expect("no panic").recv_timeout(PATIENCE);
        }
        Response::new("done".into())
    });
    (server, Leash { called, go_on })
}

#[test]
fn a_request_in_flight_is_answered_and_an_idle_connection_closed() {
    let (mut server, leash) = leashed(patient());
    let (mut busy, mut idle, mut silent) = (server.connect(), server.connect(), server.connect());
    idle.get("/");
    busy.send(get("/slow"));
    leash.called.recv_timeout(PATIENCE).expect("a call");
    server.stop_accepting();
    assert!(server.goes_on(), "a request is in flight");
    leash.go_on.send(()).expect("the handler waits");
    let answer = busy.answer();
    assert_eq!(answer.body(), "done");
    assert!(closes(&answer));
    busy.is_closed();
    idle.is_closed();
    silent.is_closed();
    assert!(server.ends() < LONG / 2);
}

#[test]
fn a_server_at_rest_ends_at_once() {
    let mut server = Server::start(Limits { drain_time: Duration::MAX, ..limits() }, echo);
    assert!(server.ends() < LONG / 2, "nobody has ever come");

    let mut server = Server::start(patient(), echo);
    let mut clients: Vec<_> = (0..50).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.get("/");
    }
    assert!(server.ends() < LONG / 2, "idle connections hold nobody up");
    for mut client in clients {
        client.is_closed();
    }
}

#[test]
fn the_handler_is_let_go_of() {
    let held = Arc::new(());
    let holder = Arc::clone(&held);
    let mut server = Server::start(patient(), move |_| {
        assert_eq!(Arc::strong_count(&holder), 2);
        Response::new(Bytes::new())
    });
    server.connect().get("/");
    server.ends();
    assert_eq!(Arc::strong_count(&held), 1, "what it holds can be closed now");
}

#[test]
fn a_request_that_has_begun_is_answered_when_it_is_complete() {
    let mut server = Server::start(patient(), echo);
    let (mut new, mut old, mut with_body) = (server.connect(), server.connect(), server.connect());
    old.get("/");
    new.send("GET / HTTP/1.1\r\nHo");
    old.send("GET / HTTP/1.1\r\nHo");
    with_body.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    server.stop_accepting();
    with_body.hears_nothing_for(A_REST);
    assert!(server.goes_on());
    new.send("st: a\r\n\r\n");
    old.send("st: a\r\n\r\n");
    with_body.send("cd");
    for mut client in [new, old, with_body] {
        let answer = client.answer();
        assert_eq!(answer.status(), 200);
        assert!(closes(&answer));
        client.is_closed();
    }
    assert!(server.ends() < LONG / 2);
}

#[test]
fn a_request_that_has_begun_behind_another_one_is_answered_too() {
    for busy in [false, true] {
        let mut server = Server::start(patient(), echo);
        let mut client = server.connect();
        if busy {
            client.get("/");
        }
        client.send(get("/") + "GET / HTTP/1.1\r\nHo");
        assert!(!closes(&client.answer()));
        server.stop_accepting();
        client.hears_nothing_for(A_REST);
        client.send("st: a\r\n\r\n");
        assert!(closes(&client.answer()));
        client.is_closed();
        assert!(server.ends() < LONG / 2);
    }
}

#[test]
fn a_busy_client_is_told_to_go_and_never_cut_off() {
    let mut server = Server::start(patient(), echo);
    let mut client = server.connect();
    assert!(!closes(&client.get("/")));
    server.stop();
    while !closes(&client.get("/")) {}
    client.is_closed();
    assert!(server.ends() < LONG / 2);
}

#[test]
fn a_connection_that_waits_to_be_accepted_is_served() {
    let (connected, connection) = mpsc::channel::<()>();
    // The thread that accepts is kept from doing so while the clients connect.
    let mut server = Server::start_with(patient(), echo, async move {
        connection.recv_timeout(PATIENCE).expect("the test connects");
    });
    let mut clients: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get("/"));
    }
    connected.send(()).expect("the server waits");
    for mut client in clients {
        assert!(closes(&client.answer()));
        client.is_closed();
    }
    assert!(server.ends() < LONG / 2);
}

#[test]
fn an_answer_that_is_on_its_way_arrives_whole() {
    const LENGTH: usize = 32 << 20;
    let (calling, called) = mpsc::channel();
    let mut server = Server::start(patient(), move |_| {
        calling.send(()).expect("the test listens");
        Response::new(vec![b'x'; LENGTH].into())
    });
    let mut client = server.connect();
    client.send(get("/"));
    called.recv_timeout(PATIENCE).expect("a call");
    server.stop_accepting();
    thread::sleep(A_REST);
    assert_eq!(client.answer().body().len(), LENGTH);
    client.is_closed();
    assert!(server.ends() < LONG / 2);
}

#[test]
fn a_handler_that_is_stuck_is_given_up_in_time() {
    let (mut server, leash) = leashed(Limits { drain_time: SHORT, ..limits() });
    let mut client = server.connect();
    client.send(get("/slow"));
    leash.called.recv_timeout(PATIENCE).expect("a call");
    assert!(server.ends() >= SHORT);
    leash.go_on.send(()).expect("the handler waits");
}

#[test]
fn a_client_that_drips_is_given_up_in_time() {
    for head in
        ["GET / HTTP/1.1\r\nX: ", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n"]
    {
        let mut server = Server::start(Limits { drain_time: SHORT, ..limits() }, echo);
        let mut client = server.connect();
        client.send(head);
        client.hears_nothing_for(SHORT / 10);
        let dripping = thread::spawn(move || {
            client.drips_until_closed(&[b'x'; 1000], Duration::from_millis(20));
        });
        assert!(server.ends() >= SHORT, "as long as it may come in");
        dripping.join().expect("an end");
    }
}

#[test]
fn every_worker_answers_what_it_has() {
    let workers = NonZeroUsize::new(4).expect("four");
    let (mut server, leash) = leashed(Limits { workers, ..patient() });
    let mut clients: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get("/slow"));
    }
    // One at a time holds the handler's lock, the others wait for it.
    for _ in 0..4 {
        leash.called.recv_timeout(PATIENCE).expect("a call");
    }
    server.stop_accepting();
    for _ in 0..4 {
        leash.go_on.send(()).expect("the handler waits");
    }
    for mut client in clients {
        assert!(closes(&client.answer()));
        client.is_closed();
    }
    assert!(server.ends() < LONG / 2);
}
