//! Malformed and smuggling requests over a raw socket, and what becomes of them: one table.

mod answers;
mod clients;
mod corpus;
mod neighbour;
mod server;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{panic, thread};

use accountservice_core::{Account, AccountId, AccountService, AccountStore, StoreError};
use accountservice_host_hyper::Limits;

use answers::{Answer, parse};
use corpus::{Case, Due, corpus};
use neighbour::Neighbour;
use server::Server;

/// What hangs for longer hangs forever; a busy machine is no hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many connections are tried at the same time.
const ABREAST: usize = 24;

/// A well-formed request behind a case: it is answered as the next one, or not at all.
const SENTINEL: &str = "GET /accounts/sentinel HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";

/// Holds every account, but for those that only a smuggled request asks for.
struct Store {
    smuggled: Arc<AtomicUsize>,
}

impl AccountStore for Store {
    fn find(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        if id.as_str().contains("smuggled") {
            self.smuggled.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Some(Account { id: id.clone(), name: "Person".into() }))
    }

    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The ways in which each case is sent.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// In two pieces, between which somebody else is answered.
    Cut(usize),
    /// In one piece, with the sentinel right behind it.
    Whole,
    /// Byte by byte, with the sentinel right behind it.
    Bytes,
    /// Without a sentinel, and the client ends its side.
    Ended,
}

#[test]
fn hostile_requests_are_refused_or_answered_once() {
    let smuggled = Arc::<AtomicUsize>::default();
    let panics = record_panics_of_the_server();
    let server = start(&smuggled, 2);
    let cases = corpus();
    assert!(cases.len() > 150, "the table lost its lines");
    let ways = [Way::Whole, Way::Bytes, Way::Ended];
    let tries: Vec<_> =
        cases.iter().flat_map(|case| ways.map(|way| (case, way))).filter(is_sent).collect();
    try_all(&server, &smuggled, &tries);
    drop(server);
    let panics = panics.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(panics.is_empty(), "the server panicked: {panics:?}");
}

/// The connections of a thread share what reads their requests.
#[test]
fn what_one_client_sends_is_never_taken_for_anothers() {
    let smuggled = Arc::<AtomicUsize>::default();
    let server = start(&smuggled, 1);
    let cases = corpus();
    let tries: Vec<_> = cases
        .iter()
        .flat_map(|case| cuts(&case.bytes).into_iter().map(move |cut| (case, Way::Cut(cut))))
        .collect();
    assert!(tries.len() > 1000, "the table lost its lines");
    try_all(&server, &smuggled, &tries);
}

/// In, at and right after each end of a line: the most that can be mistaken for the end of a request.
fn cuts(bytes: &[u8]) -> Vec<usize> {
    let is_end = |at: usize| matches!(bytes[at - 1], b'\r' | b'\n');
    // Cases of many lines have them to be many.
    (1..=bytes.len()).filter(|at| is_end(*at) || *at > 1 && is_end(at - 1)).take(24).collect()
}

fn try_all(server: &Server, smuggled: &AtomicUsize, tries: &[(&Case, Way)]) {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..ABREAST {
            scope.spawn(|| {
                while let Some((case, way)) = tries.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let before = smuggled.load(Ordering::Relaxed);
                    let mut result = try_one(server.address, case, *way);
                    if smuggled.load(Ordering::Relaxed) != before {
                        result = Err("at this time, a smuggled request was handled".into());
                    }
                    let result = result.and_then(|()| still_serves(server.address));
                    if let Err(why) = result {
                        let line = format!("{} ({way:?}, {}): {why}", case.name, case.rfc);
                        failures.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no thread panics");
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

fn start(smuggled: &Arc<AtomicUsize>, workers: usize) -> Server {
    let store = Store { smuggled: Arc::clone(smuggled) };
    let service = AccountService::new(store, "10.0.0.3").with_testability(true);
    let second = Duration::from_secs(1);
    let limits = Limits {
        workers: NonZeroUsize::new(workers).expect("one at least"),
        // What is incomplete need not be waited for as long as users may take.
        head_time: second,
        body_time: second,
        idle_time: second,
        ..Limits::default()
    };
    Server::start(limits, move |request| service.handle(request))
}

/// Panics of the threads that serve; the tests' own are theirs.
fn record_panics_of_the_server() -> Arc<Mutex<Vec<String>>> {
    let panics = Arc::<Mutex<Vec<String>>>::default();
    let before = panic::take_hook();
    panic::set_hook({
        let panics = Arc::clone(&panics);
        Box::new(move |panic| {
            if thread::current().name().is_some_and(|name| name.starts_with("worker-")) {
                panics.lock().unwrap_or_else(PoisonError::into_inner).push(panic.to_string());
            }
            before(panic);
        })
    });
    panics
}

fn is_sent((case, way): &(&Case, Way)) -> bool {
    match way {
        Way::Cut(_) | Way::Whole | Way::Ended => true,
        Way::Bytes => case.bytes.len() < 300,
    }
}

fn try_one(address: SocketAddr, case: &Case, way: Way) -> Result<(), String> {
    let mut bytes = case.bytes.clone();
    let sentinel = !matches!(way, Way::Ended) && !matches!(case.due, Due::Incomplete);
    if sentinel {
        bytes.extend(SENTINEL.bytes());
    }
    let received = exchange(address, &bytes, way)?;
    let mut answers = parse(&received, case.bodiless)?;
    let text = String::from_utf8_lossy(&received);
    let statuses = |answers: &[Answer]| -> Vec<u16> { answers.iter().map(|a| a.status).collect() };
    let found = statuses(&answers);
    if let Some(part) = case.says.filter(|part| !text.contains(part)) {
        return Err(format!("{part:?} is not in {text:?}"));
    }
    let refusal = |status: &u16| matches!(status, 400..=499 | 501 | 505);
    match &case.due {
        Due::Refusal | Due::Incomplete => match found[..] {
            [] => Ok(()),
            [status] if refusal(&status) => Ok(()),
            _ => Err(format!("answered by {found:?}")),
        },
        Due::Last(due) if found == *due => Ok(()),
        Due::Answers(due) if !sentinel && found == *due => Ok(()),
        Due::Answers(due) if sentinel => {
            let last = answers.pop().ok_or("there is no answer at all")?;
            if !last.body.contains(r#""id":"sentinel""#) {
                return Err(format!("the next request was not answered; there is {found:?}"));
            }
            let found = statuses(&answers);
            if found == *due { Ok(()) } else { Err(format!("{found:?} instead of {due:?}")) }
        }
        Due::Last(due) | Due::Answers(due) => Err(format!("{found:?} instead of {due:?}")),
    }
}

/// Sends, and receives until the server closes.
fn exchange(address: SocketAddr, bytes: &[u8], way: Way) -> Result<Vec<u8>, String> {
    let error = |what: &str, error: io::Error| format!("cannot {what}: {error}");
    let mut stream = TcpStream::connect(address).map_err(|e| error("connect", e))?;
    stream.set_nodelay(true).map_err(|e| error("connect", e))?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(|e| error("connect", e))?;
    let mut neighbour = None;
    let (begin, rest) = bytes.split_at(if let Way::Cut(at) = way { at } else { 0 });
    if !begin.is_empty() {
        let neighbour = neighbour.insert(Neighbour::next_door(address)?);
        neighbour.asks()?;
        // An error says that the server has ended the connection already.
        let _ = stream.write_all(begin);
        neighbour.asks()?;
    }
    for piece in rest.chunks(if matches!(way, Way::Bytes) { 1 } else { rest.len().max(1) }) {
        // Who has been refused need not be listened to.
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    if let Some(mut neighbour) = neighbour {
        neighbour.asks()?;
    }
    if matches!(way, Way::Ended) {
        // An error says that the server has ended the connection already.
        let _ = stream.shutdown(Shutdown::Write);
    }
    let deadline = Instant::now() + PATIENCE;
    let mut received = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("it hangs".into());
        }
        stream.set_read_timeout(Some(left)).map_err(|e| error("wait", e))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(received),
            Ok(length) => received.extend(&buffer[..length]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock) => {}
            // What is no HTTP/1 at all is cut off without a word.
            Err(e) if e.kind() == ErrorKind::ConnectionReset && received.is_empty() => {
                return Ok(received);
            }
            Err(e) => return Err(error(&format!("receive after {}", received.len()), e)),
        }
    }
}

fn still_serves(address: SocketAddr) -> Result<(), String> {
    let health = "GET /health HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    let received = exchange(address, health.as_bytes(), Way::Whole)?;
    match &parse(&received, None)?[..] {
        [answer] if answer.body == r#"{"status":"UP"}"# => Ok(()),
        other => Err(format!("after that, health is {other:?}")),
    }
}
