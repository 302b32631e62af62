//! A store made for tests: it errs, panics, is slow, is stuck, and recovers, as it is told.

use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use accountservice_core::{Account, AccountId, AccountService, AccountStore, StoreError};
use accountservice_host_hyper::Limits;

use crate::client::{DOWN, PATIENCE, UP, eventually, get, get_within, health, is};
use crate::log;
use crate::server::Server;

#[derive(Clone, Copy)]
enum Behaviour {
    Good,
    Error(&'static str),
    Panic(&'static str),
    Slow(Duration),
    /// It does not return before the store behaves in another way.
    Stuck,
}
use Behaviour::{Error, Good, Panic, Slow, Stuck};

/// How `find` and `check` behave, each for itself.
struct Behaviours {
    find: Behaviour,
    check: Behaviour,
}

#[derive(Clone)]
struct Store {
    behaviours: Arc<(Mutex<Behaviours>, Condvar)>,
}

impl Store {
    fn new() -> Self {
        let good = Behaviours { find: Good, check: Good };
        Self { behaviours: Arc::new((Mutex::new(good), Condvar::new())) }
    }

    fn behave(&self, find: Behaviour, check: Behaviour) {
        let (behaviours, changed) = &*self.behaviours;
        *behaviours.lock().unwrap_or_else(PoisonError::into_inner) = Behaviours { find, check };
        changed.notify_all();
    }

    fn act(&self, which: impl Fn(&Behaviours) -> Behaviour) -> Result<(), StoreError> {
        let (behaviours, changed) = &*self.behaviours;
        let behaviours = behaviours.lock().unwrap_or_else(PoisonError::into_inner);
        let behaviours = changed
            .wait_while(behaviours, |behaviours| matches!(which(behaviours), Stuck))
            .unwrap_or_else(PoisonError::into_inner);
        let behaviour = which(&behaviours);
        drop(behaviours);
        match behaviour {
            Good | Stuck => Ok(()),
            Error(why) => Err(StoreError::new("read the made store", why)),
            Panic(why) => panic!("{why}"),
            Slow(time) => {
                thread::sleep(time);
                Ok(())
            }
        }
    }

    fn serve(&self, workers: usize) -> Server {
        log::keep();
        let service = AccountService::new(self.clone(), "10.0.0.3");
        let workers = NonZeroUsize::new(workers).expect("a worker");
        // A test that fails while the store is stuck must not wait for it.
        let drain_time = Duration::from_secs(1);
        let limits = Limits { workers, drain_time, ..Limits::default() };
        Server::start(limits, move |request| service.handle(request))
    }
}

impl AccountStore for Store {
    fn find(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        self.act(|behaviours| behaviours.find)?;
        Ok(Some(Account { id: id.clone(), name: "Person".into() }))
    }

    fn check(&self) -> Result<(), StoreError> {
        self.act(|behaviours| behaviours.check)
    }
}

const ACCOUNT: (u16, &str) = (200, r#"{"id":"1","name":"Person","servedBy":"10.0.0.3"}"#);

#[test]
fn an_error_is_a_503_and_its_cause_is_in_the_log_alone() {
    let store = Store::new();
    let server = store.serve(2);
    store.behave(Error("the disk of accounts is on fire"), Error("the disk of health is on fire"));
    for (path, what) in [("/accounts/1", "accounts"), ("/health", "health")] {
        let (status, body) = get(server.address, path);
        assert_eq!(status, 503, "{path}");
        assert!(!body.contains("fire"), "{path} tells the client: {body}");
        let cause = format!("could not read the made store: the disk of {what} is on fire");
        eventually("a log line", || !log::with(&cause).is_empty());
        let lines = log::with(&cause);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("ERROR") && lines[0].contains(&format!("GET {path}")));
    }
    assert!(is(&health(server.address), DOWN));
}

#[test]
fn a_store_that_recovers_is_healthy_again_at_once() {
    let store = Store::new();
    let server = store.serve(2);
    for _ in 0..3 {
        store.behave(Good, Error("for a moment"));
        assert!(is(&health(server.address), DOWN));
        // Health says what the store says, and keeps nobody from being served.
        assert!(is(&get(server.address, "/accounts/1"), ACCOUNT));
        store.behave(Good, Good);
        assert!(is(&health(server.address), UP));
    }
}

#[test]
fn a_panic_costs_one_request() {
    let store = Store::new();
    let server = store.serve(2);
    store.behave(Panic("an account made no sense"), Panic("a check made no sense"));
    for (path, why) in [("/accounts/1", "an account"), ("/health", "a check")] {
        for _ in 0..4 {
            let (status, body) = get(server.address, path);
            assert_eq!(status, 500, "{path}");
            assert!(body.contains("Internal Server Error") && !body.contains("sense"), "{body}");
        }
        let cause = format!("the handler panicked: {why} made no sense");
        eventually("a log line for each", || log::with(&cause).len() == 4);
    }
    store.behave(Good, Good);
    for _ in 0..8 {
        assert!(is(&get(server.address, "/accounts/1"), ACCOUNT), "every worker is alive");
    }
    assert!(is(&health(server.address), UP));
}

/// Ids arrive decoded at a store, and a store may quote them in its errors.
#[test]
fn nobody_writes_lines_into_the_log() {
    const FORGED: &str = "1\r\n2026-01-01T00:00:00Z ERROR forged\x1b[2J\u{9b}2J\u{2028}forged";
    let store = Store::new();
    let server = store.serve(2);
    for (behaviour, status) in [(Error(FORGED), 503), (Panic(FORGED), 500)] {
        let before = log::with("forged").len();
        store.behave(behaviour, Good);
        assert_eq!(get(server.address, "/accounts/\u{9b}2J\u{2028}%0d%0aERROR%20forged").0, status);
        eventually("a log line", || log::with("forged").len() > before);
        let lines = log::with("forged");
        assert_eq!(lines.len(), before + 1, "{lines:#?}");
        for line in lines {
            assert!(line.contains(" answered 50"), "{line:?} is of no request");
            assert!(!line.contains(|char: char| char.is_control()), "{line:?}");
        }
    }
}

#[test]
fn slow_is_not_dead() {
    let store = Store::new();
    let server = store.serve(2);
    let time = Duration::from_millis(200);
    store.behave(Slow(time), Slow(time));
    for (path, answer) in [("/accounts/1", ACCOUNT), ("/health", UP)] {
        let start = Instant::now();
        assert!(is(&get(server.address, path), answer), "{path}");
        assert!(start.elapsed() >= time, "{path} did not wait for the store");
    }
}

#[test]
fn a_stuck_call_makes_the_process_unhealthy_until_it_returns() {
    let store = Store::new();
    let server = store.serve(2);
    let address = server.address;
    assert!(is(&health(address), UP));
    store.behave(Stuck, Good);
    let start = Instant::now();
    let stuck = thread::spawn(move || get(address, "/accounts/1"));
    // As long as nobody knows that it is stuck, a connection may be given to the worker that is.
    let second = Duration::from_secs(1);
    let is_down = || get_within(address, "/health", second).is_ok_and(|answer| is(&answer, DOWN));
    eventually("health says so", is_down);
    assert!(start.elapsed() > Duration::from_secs(4), "after {:?} already", start.elapsed());
    eventually("a log line", || !log::with("has been stuck in the store for long").is_empty());
    assert!(!log::with("A handler has not returned for 5s").is_empty());
    assert!(is(&health(address), DOWN), "it stays so");
    assert!(!stuck.is_finished());

    store.behave(Good, Good);
    assert!(is(&stuck.join().expect("an answer"), ACCOUNT), "late, but an answer");
    eventually("health recovers", || is(&health(address), UP));
}

#[test]
fn what_is_stuck_as_a_whole_gives_no_answer() {
    let store = Store::new();
    let server = store.serve(1);
    let address = server.address;
    store.behave(Stuck, Good);
    let stuck = thread::spawn(move || get(address, "/accounts/1"));
    // A probe takes this for unhealthy, too.
    let deadline = Instant::now() + PATIENCE;
    while get_within(address, "/health", Duration::from_millis(500)).is_ok() {
        assert!(Instant::now() < deadline, "the only worker is stuck, and answers");
    }
    store.behave(Good, Good);
    assert!(is(&stuck.join().expect("an answer"), ACCOUNT));
    eventually("health recovers", || is(&health(address), UP));
}
