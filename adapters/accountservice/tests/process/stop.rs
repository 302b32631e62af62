//! SIGTERM and SIGINT: nobody loses an answer, and it is over soon.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, closes, eventually, get};
use crate::service::{Folder, Service};

/// Less than the time that is granted to requests in flight, of which there are none.
const QUICKLY: Duration = Duration::from_secs(4);

#[test]
fn both_signals_end_it_quickly_and_well() {
    let folder = Folder::new();
    for signal in ["TERM", "INT"] {
        let mut service = folder.start(&[]);
        let mut idle = service.connect();
        idle.get("/health");
        let start = Instant::now();
        service.signal(signal);
        let (status, errors) = service.ends();
        assert!(start.elapsed() < QUICKLY, "{:?}", start.elapsed());
        assert_eq!((status.code(), errors.as_str()), (Some(0), ""));
        assert!(service.log.iter().any(|line| line.contains(&format!("Stopping on SIG{signal}"))));
        idle.is_closed();
    }
}

/// Otherwise the next start repairs it, which takes long if it is large. The tenth byte of a file of
/// redb's has a bit for that.
#[test]
fn the_database_is_closed_whoever_else_uses_it() {
    const REPAIR: u8 = 0b010;
    let folder = Folder::new();
    let flags = || std::fs::read(folder.database()).expect("a database")[9];
    for _ in 0..5 {
        let service = folder.start(&["--metrics-port=0"]);
        assert_ne!(flags() & REPAIR, 0, "it is open");
        service.stops();
        assert_eq!(flags() & REPAIR, 0, "it is closed");
    }
}

/// Asks until nobody listens any more. Every connection that comes about is answered, until an
/// answer says that it is the last one.
fn ask_until_refused(address: SocketAddr, answers: &AtomicUsize) {
    'connections: loop {
        let mut client = match Client::try_connect(address) {
            Ok(client) => client,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
            Err(error) => panic!("{error}"),
        };
        for _ in 0..20 {
            client.try_send(get("/accounts/10007")).expect("a request is taken");
            let answer = client.try_answer(true).expect("a request is answered");
            assert_eq!(answer.status(), 200);
            answers.fetch_add(1, Ordering::Relaxed);
            if closes(&answer) {
                client.is_closed();
                continue 'connections;
            }
        }
    }
}

#[test]
fn under_load_no_accepted_request_fails() {
    let folder = Folder::new();
    let mut service = folder.start(&["--workers=2"]);
    let (address, answers) = (service.address(), AtomicUsize::new(0));
    let clients = thread::scope(|scope| {
        let clients: Vec<_> =
            (0..4).map(|_| scope.spawn(|| ask_until_refused(address, &answers))).collect();
        eventually("there is load", || answers.load(Ordering::Relaxed) > 1000);
        let start = Instant::now();
        service.signal("TERM");
        let (status, errors) = service.ends();
        assert!(start.elapsed() < QUICKLY, "{:?}", start.elapsed());
        assert_eq!((status.code(), errors.as_str()), (Some(0), ""));
        clients.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    assert!(clients.iter().all(Result::is_ok), "after {answers:?} answers");
}

#[test]
fn health_says_so_while_it_shuts_down() {
    let folder = Folder::new();
    let mut service = folder.start(&["--testability"]);
    service.get("/testability/healthy/false");
    let mut client = service.connect();
    client.get("/health");
    client.send("GET /health HTTP/1.1\r\nHo");
    service.signal("TERM");
    service.says("Stopping on SIGTERM");
    eventually("nobody can connect", || Client::try_connect(service.address()).is_err());
    client.send("st: a\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.body(), r#"{"status":"Shutting down"}"#);
    assert!(closes(&answer));
    client.is_closed();
    assert_eq!(service.ends().0.code(), Some(0));
}

#[test]
fn a_client_that_never_ends_holds_it_up_no_longer_than_is_granted() {
    let folder = Folder::new();
    let mut service = folder.start(&["--drain-timeout=300ms"]);
    let mut client = service.connect();
    client.send("GET /health HTTP/1.1\r\nHo");
    client.hears_nothing_for(Duration::from_millis(100));
    let start = Instant::now();
    service.signal("TERM");
    assert_eq!(service.ends().0.code(), Some(0));
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    assert!(start.elapsed() < QUICKLY, "{:?}", start.elapsed());
}

#[test]
fn a_stop_while_seeding_leaves_no_account_behind() {
    let folder = Folder::new();
    let mut service = Service::spawn(&mut folder.command(&["--accounts=2000000"]));
    service.says("Seeding accounts: ");
    let start = Instant::now();
    service.signal("TERM");
    let (status, errors) = service.ends();
    assert!(start.elapsed() < QUICKLY, "{:?}", start.elapsed());
    assert_eq!((status.code(), errors.as_str()), (Some(0), ""));
    assert!(!service.log.iter().any(|line| line.contains("Starting HTTP")));

    let service = folder.start(&["--accounts=2"]);
    assert_eq!(service.get("/accounts/10001").0, 200);
    assert_eq!(service.get("/accounts/10002").0, 404, "all of them or none");
    service.stops();
}
