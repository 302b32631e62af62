//! Malformed and smuggling requests over a raw socket: one table, each case sent in three ways.

mod case;
mod chunks;
mod fields;
mod framing;
mod sequences;
#[path = "../host/server.rs"]
#[expect(dead_code, reason = "the other test binary uses all of it")]
mod server;
mod targets;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{panic, thread};

use accountservice_core::{Account, AccountId, AccountService, AccountStore, StoreError};
use accountservice_host::testing::Client;
use accountservice_host_hyper::ServerConfig;
use bytes::Bytes;
use http::{Method, Response};

use case::{Case, Expected};
use server::{TestServer, config};

/// How many connections are tried at the same time.
const CONCURRENCY: usize = 24;

/// A well-formed request behind a case: it is answered as the next one, or not at all.
const SENTINEL: &str = "GET /accounts/sentinel HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";

/// The only header fields that this service sends: any other one has been injected.
const FIELDS: [&str; 9] = [
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "date",
    "location",
    "retry-after",
    "x-request-id",
];

/// Holds every account. Only a smuggled request asks for some of them.
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
    /// In one piece, with the sentinel right behind it.
    Whole,
    /// Byte by byte, with the sentinel right behind it.
    Bytes,
    /// Without a sentinel, and the client ends its sending side.
    Ended,
}

#[test]
fn hostile_requests_are_rejected_or_answered_once() {
    let smuggled = Arc::<AtomicUsize>::default();
    let panics = record_panics_of_workers();
    let server = start(&smuggled);
    let cases =
        [framing::cases(), chunks::cases(), targets::cases(), fields::cases(), sequences::cases()]
            .concat();
    assert!(cases.len() > 300, "the table has lost cases: {}", cases.len());
    let tries: Vec<_> = cases
        .iter()
        .flat_map(|case| [Way::Whole, Way::Bytes, Way::Ended].map(|way| (case, way)))
        .filter(|(case, way)| !matches!(way, Way::Bytes) || case.bytes.len() < 300)
        .collect();
    try_all(&server, &smuggled, &tries);
    drop(server);
    let panics = panics.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(panics.is_empty(), "the server panicked: {panics:?}");
}

fn start(smuggled: &Arc<AtomicUsize>) -> TestServer {
    let store = Store { smuggled: Arc::clone(smuggled) };
    let service = AccountService::new(store, "10.0.0.3").with_testability(true);
    let second = Duration::from_secs(1);
    let config = ServerConfig {
        header_timeout: second,
        body_timeout: second,
        keep_alive_timeout: second,
        ..config()
    };
    TestServer::start(config, service)
}

/// Panics of the threads that serve. The test's own are reported as usual.
fn record_panics_of_workers() -> Arc<Mutex<Vec<String>>> {
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

fn try_all(server: &TestServer, smuggled: &AtomicUsize, tries: &[(&Case, Way)]) {
    let (address, next) = (server.address, AtomicUsize::new(0));
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..CONCURRENCY {
            scope.spawn(|| {
                while let Some((case, way)) = tries.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let before = smuggled.load(Ordering::Relaxed);
                    let mut result = try_one(address, case, *way);
                    if smuggled.load(Ordering::Relaxed) != before {
                        result = Err("meanwhile a smuggled request was handled".into());
                    }
                    if let Err(reason) = result.and_then(|()| is_still_serving(address)) {
                        let failure = format!("{} ({way:?}, {}): {reason}", case.name, case.rfc);
                        failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no thread panics");
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

fn try_one(address: SocketAddr, case: &Case, way: Way) -> Result<(), String> {
    let mut bytes = case.bytes.clone();
    let has_sentinel = !matches!(way, Way::Ended) && !matches!(case.expected, Expected::Incomplete);
    if has_sentinel {
        bytes.extend(SENTINEL.bytes());
    }
    let mut responses = exchange(address, &bytes, way, case.head)?;
    let text: String = responses.iter().map(to_text).collect();
    if let Some(part) = case.part.filter(|part| !text.contains(part)) {
        return Err(format!("{part:?} is not in {text:?}"));
    }
    let codes = |responses: &[Response<Bytes>]| -> Vec<u16> {
        responses.iter().map(|response| response.status().as_u16()).collect()
    };
    let found = codes(&responses);
    let is_rejection = |code: &u16| matches!(code, 400..=499 | 501 | 505);
    match &case.expected {
        Expected::Rejected | Expected::Incomplete => match &found[..] {
            [] => Ok(()),
            [code] if is_rejection(code) => Ok(()),
            _ => Err(format!("answered by {found:?}")),
        },
        Expected::Last(expected) if found == *expected => Ok(()),
        Expected::Responses(expected) if !has_sentinel && found == *expected => Ok(()),
        Expected::Responses(expected) if has_sentinel => {
            let sentinel = responses.pop().ok_or("no response")?;
            if !to_text(&sentinel).contains(r#""id":"sentinel""#) {
                return Err(format!("the next request was not answered: {found:?}"));
            }
            let found = codes(&responses);
            if found == *expected { Ok(()) } else { Err(format!("{found:?}, not {expected:?}")) }
        }
        Expected::Last(expected) | Expected::Responses(expected) => {
            Err(format!("{found:?}, not {expected:?}"))
        }
    }
}

/// Sends, and receives until the server closes. The request with the number `head` is a HEAD.
fn exchange(
    address: SocketAddr,
    bytes: &[u8],
    way: Way,
    head: Option<usize>,
) -> Result<Vec<Response<Bytes>>, String> {
    let mut client = Client::connect(address);
    for piece in bytes.chunks(if matches!(way, Way::Bytes) { 1 } else { bytes.len().max(1) }) {
        // An error means that the server has closed the connection, perhaps after a response.
        if client.try_send(piece).is_err() {
            break;
        }
    }
    if matches!(way, Way::Ended) {
        client.end();
    }
    let mut responses = Vec::new();
    loop {
        let method = if head == Some(responses.len()) { Method::HEAD } else { Method::GET };
        match client.try_response_to(&method) {
            Ok(response) => {
                validate(&response)?;
                responses.push(response);
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(responses),
            // Bytes that are not HTTP/1 get no response.
            Err(error) if error.kind() == ErrorKind::ConnectionReset && responses.is_empty() => {
                return Ok(responses);
            }
            Err(error) => return Err(format!("after {} responses: {error}", responses.len())),
        }
    }
}

/// A response has the service's header fields once each, and a JSON body or none.
fn validate(response: &Response<Bytes>) -> Result<(), String> {
    for name in response.headers().keys() {
        if !FIELDS.contains(&name.as_str()) {
            return Err(format!("{name} is an injected field"));
        }
        if response.headers().get_all(name).iter().count() > 1 {
            return Err(format!("more than one {name}"));
        }
    }
    if let Some(id) = response.headers().get("x-request-id")
        && !((1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic))
    {
        return Err(format!("the request id {id:?}"));
    }
    if !response.body().is_empty() {
        let json: Result<serde_json::Value, _> = serde_json::from_slice(response.body());
        json.map_err(|error| format!("the body is not JSON: {error}"))?;
    }
    Ok(())
}

/// The header fields and the body.
fn to_text(response: &Response<Bytes>) -> String {
    let fields = response.headers().iter();
    let fields =
        fields.map(|(name, value)| format!("{name}: {}\r\n", value.as_bytes().escape_ascii()));
    fields.chain([String::from_utf8_lossy(response.body()).into_owned()]).collect()
}

fn is_still_serving(address: SocketAddr) -> Result<(), String> {
    let health = "GET /health HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    let responses = exchange(address, health.as_bytes(), Way::Whole, None)?;
    match &responses[..] {
        [response] if response.body() == r#"{"status":"UP"}"# => Ok(()),
        other => Err(format!("after that, health is {other:?}")),
    }
}
