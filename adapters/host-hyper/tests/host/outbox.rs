//! Answers of one worker's connections that are sent together: nobody's is lost, or waits for what
//! has nothing to do with it. All servers here have one worker.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use accountservice_host_hyper::Limits;
use bytes::Bytes;
use http::{Request, Response};

use crate::client::{Client, PATIENCE, closes, eventually, get};
use crate::server::{Server, limits};

/// Together, so many answers are far more than the kernel keeps for a client.
const MANY: usize = 4000;

fn one_worker() -> Limits {
    Limits { workers: NonZeroUsize::MIN, ..limits() }
}

/// Answers that are gathered, and some that are too large for it.
const GATHERED: [usize; 8] = [7_000; 8];
const MIXED: [usize; 8] = [1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 60_000];

/// Each says how long an answer it wants.
fn paths(lengths: [usize; 8]) -> impl Iterator<Item = String> {
    lengths.into_iter().cycle().take(MANY).enumerate().map(|(i, length)| format!("/{length}/{i}"))
}

fn body_of(path: &str) -> String {
    let length = path.split('/').nth(1).and_then(|length| length.parse().ok());
    path.repeat(length.unwrap_or(0) / path.len())
}

/// Counts the calls for anything but `/`.
fn start(limits: Limits) -> (Server, Arc<AtomicUsize>) {
    let calls = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&calls);
    let server = Server::start(limits, move |request: Request<Bytes>| {
        let path = request.uri().path();
        if path != "/" {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Response::new(body_of(path).into())
    });
    (server, calls)
}

/// A server that does nothing until it gets a word, so that what is sent before is all there at
/// once, and the channel for this word. Its handler gets what each further call needs to wait too.
fn held<H>(handler: H) -> (Server, mpsc::Sender<()>)
where
    H: Fn(&str, &dyn Fn()) + Send + Sync + 'static,
{
    let (go_on, word) = mpsc::channel();
    let word = Mutex::new(word);
    let server = Server::start(one_worker(), move |request: Request<Bytes>| {
        let wait = || {
            // The test may have ended.
            let _ = word.lock().expect("no panic").recv();
        };
        match request.uri().path() {
            "/" => {}
            "/held" => wait(),
            path => handler(path, &wait),
        }
        Response::new(request.uri().path().to_owned().into())
    });
    (server, go_on)
}

/// Connections that have been answered once, and one that holds the worker from now on.
fn clients(server: &Server, count: usize) -> (Vec<Client>, Client) {
    let mut clients: Vec<_> = (0..=count).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.get("/");
    }
    let mut holder = clients.pop().expect("one more");
    holder.send(get("/held"));
    (clients, holder)
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody_and_gets_all_its_answers_in_order() {
    for (lengths, at_once) in [(GATHERED, true), (GATHERED, false), (MIXED, true)] {
        let (server, calls) = start(one_worker());
        let (mut lazy, mut other) = (server.connect(), server.connect());
        for path in paths(lengths) {
            lazy.send(get(&path));
            if !at_once {
                // The worker has its turn, and nothing more to do for the lazy one after it.
                other.get("/");
            }
        }
        eventually("no more is done for a client that does not read", || {
            let before = calls.load(Ordering::Relaxed);
            (0..20).for_each(|_| assert_eq!(other.get("/").status(), 200));
            before > 0 && calls.load(Ordering::Relaxed) == before
        });
        assert!(calls.load(Ordering::Relaxed) < MANY, "the kernel keeps less");
        for path in paths(lengths) {
            assert!(lazy.answer().body() == body_of(&path).as_bytes(), "{path}");
        }
        assert_eq!(lazy.get("/").status(), 200, "it goes on as any other");
    }
}

#[test]
fn a_client_that_does_not_take_its_gathered_answers_is_dropped() {
    let idle_time = Duration::from_millis(300);
    let (server, _) = start(Limits { connections: 1, idle_time, ..one_worker() });
    let mut lazy = server.connect();
    lazy.send(paths(GATHERED).map(|path| get(&path)).collect::<String>());
    // Above the limit, the first answer is the last.
    eventually("there is room again", || !closes(&server.connect().get("/")));
}

#[test]
fn no_answer_waits_for_a_further_slow_one() {
    const CLIENTS: usize = 8;
    let calls = AtomicUsize::new(0);
    let (calling, called) = mpsc::channel();
    let (server, go_on) = held(move |path, wait| {
        thread::sleep(Duration::from_millis(2));
        calling.send(path[1..].parse::<usize>().expect("a number")).expect("the test listens");
        if calls.fetch_add(1, Ordering::Relaxed) + 1 == CLIENTS {
            wait();
        }
    });
    let (mut clients, _holder) = clients(&server, CLIENTS);
    for (i, client) in clients.iter_mut().enumerate() {
        client.send(get(&format!("/{i}")));
    }
    go_on.send(()).expect("the worker waits");
    for _ in 1..CLIENTS {
        let i = called.recv_timeout(PATIENCE).expect("a call");
        assert_eq!(clients[i].answer().body(), &format!("/{i}"), "the last one goes on yet");
    }
    go_on.send(()).expect("the last one waits");
}

#[test]
fn no_answer_waits_for_all_slow_ones_of_another_connection() {
    let quick = AtomicUsize::new(0);
    let (server, go_on) = held(move |path, wait| match path {
        "/quick" => quick.store(1, Ordering::Relaxed),
        "/slow" => thread::sleep(Duration::from_millis(2)),
        // The kernel may have shown the other connection first.
        _ if quick.load(Ordering::Relaxed) == 0 => {}
        _ => wait(),
    });
    let (mut clients, _holder) = clients(&server, 2);
    clients[0].send(get("/quick"));
    clients[1].send(get("/slow").repeat(3) + &get("/last"));
    go_on.send(()).expect("the worker waits");
    assert_eq!(clients[0].answer().body(), "/quick", "the last one goes on yet");
    go_on.send(()).expect("the last one waits");
    for path in ["/slow", "/slow", "/slow", "/last"] {
        assert_eq!(clients[1].answer().body(), path);
    }
}

#[test]
fn no_answer_waits_for_all_slow_ones_behind_it() {
    let (server, go_on) = held(move |path, wait| match path {
        "/slow" => thread::sleep(Duration::from_millis(2)),
        _ => wait(),
    });
    let (mut clients, _holder) = clients(&server, 1);
    clients[0].send(get("/slow").repeat(3) + &get("/last"));
    go_on.send(()).expect("the worker waits");
    for _ in 0..3 {
        assert_eq!(clients[0].answer().body(), "/slow", "the last one goes on yet");
    }
    go_on.send(()).expect("the last one waits");
    assert_eq!(clients[0].answer().body(), "/last");
}

#[test]
fn an_answer_comes_although_the_handler_called_after_it_never_returns() {
    let quick = AtomicUsize::new(0);
    let (server, go_on) = held(move |path, wait| match path {
        "/quick" => quick.store(1, Ordering::Relaxed),
        _ if quick.load(Ordering::Relaxed) == 0 => {}
        _ => wait(),
    });
    let (mut clients, _holder) = clients(&server, 2);
    clients[0].send(get("/quick"));
    clients[1].send(get("/stuck"));
    go_on.send(()).expect("the worker waits");
    // That it never returns is found out when somebody connects, after 5 s.
    let (answered, is_answered) = mpsc::channel();
    let knocking = thread::spawn(move || {
        while is_answered.recv_timeout(Duration::from_millis(200)).is_err() {
            drop(server.connect());
        }
        server
    });
    assert_eq!(clients[0].answer().body(), "/quick");
    answered.send(()).expect("it still knocks");
    go_on.send(()).expect("the stuck one waits");
    drop(knocking.join());
}

#[test]
fn each_in_a_crowd_that_asks_at_once_gets_its_own_answer() {
    let (server, go_on) = held(|_, _| {});
    let (mut clients, mut holder) = clients(&server, 100);
    for (i, client) in clients.iter_mut().enumerate() {
        client.send(get(&format!("/{i}")));
    }
    go_on.send(()).expect("the worker waits");
    assert_eq!(holder.answer().body(), "/held");
    for (i, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.answer().body(), &format!("/{i}"));
    }
}
