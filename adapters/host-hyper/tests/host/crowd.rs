//! Many connections: their limit, and how they are spread over workers.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use accountservice_core::HostState;
use accountservice_host_hyper::Limits;
use bytes::Bytes;
use http::{Request, Response};

use crate::client::{Client, PATIENCE, eventually, get};
use crate::server::{Server, echo, limits};

/// Longer than a handler may take.
const STUCK: Duration = Duration::from_millis(5_500);

/// Answers with what the host says of itself.
#[expect(clippy::needless_pass_by_value, reason = "handlers take requests")]
fn state(request: Request<Bytes>) -> Response<Bytes> {
    let state = request.extensions().get::<HostState>().copied().unwrap_or_default();
    Response::new(match state {
        HostState { stalled: true, .. } => "stalled".into(),
        HostState { overloaded: true, .. } => "overloaded".into(),
        HostState { .. } => "calm".into(),
    })
}

/// The same, but `/stuck` waits for a word first.
fn leashed(limits: Limits) -> (Server, mpsc::Sender<()>) {
    let (go_on, word) = mpsc::channel();
    let word = Mutex::new(word);
    let server = Server::start(limits, move |request: Request<Bytes>| {
        if request.uri().path() == "/stuck" {
            // The test may have ended.
            let _ = word.lock().expect("no panic").recv_timeout(PATIENCE);
        }
        state(request)
    });
    (server, go_on)
}

#[test]
fn above_the_limit_a_connection_gets_one_answer() {
    let server = Server::start(Limits { connections: 2, ..limits() }, state);
    let (mut first, mut second) = (server.connect(), server.connect());
    assert_eq!(first.get("/").body(), "calm");
    assert_eq!(second.get("/").body(), "calm");
    for _ in 0..3 {
        let mut third = server.connect();
        assert_eq!(third.get("/").body(), "overloaded");
        third.is_closed();
    }
    assert_eq!(first.get("/").body(), "calm", "those that are in go on");
    drop(first);
    eventually("there is room again", || server.connect().get("/").body() == "calm");
}

fn check_stuck(limits: Limits, before: &str) {
    let (server, go_on) = leashed(limits);
    let [mut stuck, mut other, _third] = [(); 3].map(|()| {
        let mut client = server.connect();
        client.get("/");
        client
    });
    assert_eq!(server.connect().get("/").body(), before);
    stuck.send(get("/stuck"));
    thread::sleep(STUCK);
    assert_eq!(server.connect().get("/").body(), "stalled");
    go_on.send(()).expect("the handler waits");
    stuck.answer();
    assert_eq!(other.get("/").body(), "calm", "nobody has to connect to find that out");
}

#[test]
fn a_handler_that_is_stuck_is_found_out() {
    check_stuck(limits(), "calm");
}

#[test]
fn a_handler_that_is_stuck_is_found_out_at_the_limit() {
    check_stuck(Limits { connections: 3, ..limits() }, "overloaded");
}

#[test]
fn however_many_are_silent_above_the_limit_a_newcomer_is_heard() {
    let server = Server::start(Limits { connections: 1, overflow: 8, ..limits() }, state);
    let mut first = server.connect();
    first.get("/");
    let mut silent: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for _ in 0..10 {
        assert_eq!(server.connect().get("/").body(), "overloaded");
    }
    for oldest in &mut silent[..5] {
        oldest.is_closed();
    }
}

#[test]
fn silence_above_the_limit_costs_no_processor_time() {
    let server = Server::start(Limits { connections: 1, ..limits() }, state);
    let mut first = server.connect();
    first.get("/");
    let mut silent: Vec<_> = (0..20).map(|_| server.connect()).collect();
    let before = server.processor_time();
    silent[0].hears_nothing_for(Duration::from_millis(500));
    let used = server.processor_time().saturating_sub(before);
    assert!(used < Duration::from_millis(200), "{used:?} of 500 ms");
    for client in &mut silent {
        client.is_closed();
    }
}

#[test]
fn everybody_in_a_crowd_above_the_limit_is_answered() {
    let server = Server::start(Limits { connections: 3, ..limits() }, echo);
    let address = server.address;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(Client::connect(address).get("/").status(), 200);
                }
            });
        }
    });
}

#[test]
fn connections_are_spread_evenly_over_workers() {
    let workers = NonZeroUsize::new(4).expect("four");
    let server = Server::start(Limits { workers, ..limits() }, |_: Request<Bytes>| {
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
    eventually("the worker that has become empty gets the next connection", || {
        worker_of(&mut server.connect()) == emptied
    });
}
