//! Many connections: their limit, and how they are spread over workers.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use accountservice_host_hyper::Limits;
use bytes::Bytes;
use http::{Request, Response};

use crate::client::{Client, eventually, get};
use crate::server::{Server, echo, limits};

#[test]
fn above_the_limit_a_connection_waits_until_another_one_goes() {
    let server = Server::start(Limits { connections: 2, ..limits() }, echo);
    let (mut first, mut second) = (server.connect(), server.connect());
    first.get("/");
    second.get("/");
    let mut third = server.connect();
    third.send(get("/"));
    third.hears_nothing_for(Duration::from_millis(200));
    assert_eq!(first.get("/").status(), 200, "those that are in go on");
    drop(first);
    assert_eq!(third.answer().status(), 200);
    let mut fourth = server.connect();
    fourth.send(get("/"));
    fourth.hears_nothing_for(Duration::from_millis(200));
    drop(third);
    assert_eq!(fourth.answer().status(), 200);
}

#[test]
fn waiting_at_the_limit_costs_no_processor_time() {
    let server = Server::start(Limits { connections: 1, ..limits() }, echo);
    let mut first = server.connect();
    first.get("/");
    let mut waiting: Vec<_> = (0..20).map(|_| server.connect()).collect();
    let before = server.processor_time();
    waiting[0].hears_nothing_for(Duration::from_millis(500));
    let used = server.processor_time().saturating_sub(before);
    assert!(used < Duration::from_millis(200), "{used:?} of 500 ms");
    drop(first);
    for mut client in waiting {
        assert_eq!(client.get("/").status(), 200, "all get their turn");
    }
}

#[test]
fn a_crowd_above_the_limit_is_served_in_the_end() {
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
