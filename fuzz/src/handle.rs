//! The core's `handle`: any method, target and body.

use accountservice_core::response::Cause;
use accountservice_core::{
    Account, AccountId, AccountService, AccountStore, HostState, StoreError,
};
use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER,
};
use http::{Method, Request, Response, StatusCode, Uri};
use serde_json::Value;

const SECRET: &str = "the disk has gone";

/// Holds every account there can be, its name the same as its id, or fails.
struct Store {
    fails: bool,
}

impl Store {
    fn result<T>(&self, value: T) -> Result<T, StoreError> {
        if self.fails { Err(StoreError::new("read", SECRET)) } else { Ok(value) }
    }
}

impl AccountStore for Store {
    fn find(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        let account = Account { id: id.clone(), name: id.as_str().into() };
        self.result(Some(account))
    }

    fn check(&self) -> Result<(), StoreError> {
        self.result(())
    }
}

/// One digit of situation, then `METHOD TARGET`, a line feed and the body: `0GET /health` is a file
/// that an editor can write. The bits of the digit (of `0` to `?`) say, from the lowest: testability
/// is on, the host is overloaded, it is stalled, the store fails.
pub fn handle(data: &[u8]) {
    let Some((&situation, data)) = data.split_first() else { return };
    let bit = |bit: u8| situation & 1 << bit != 0;
    let (testability, fails) = (bit(0), bit(3));
    let host = HostState { overloaded: bit(1), stalled: bit(2) };
    let line_end = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let (line, body) = data.split_at(line_end);
    let space = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
    let (method, target) = line.split_at(space);
    // What `http` does not take never gets to a handler.
    let Ok(method) = Method::from_bytes(method) else { return };
    let Ok(uri) = Uri::try_from(target.get(1..).unwrap_or_default()) else { return };

    let service = AccountService::new(Store { fails }, "10.0.0.3").with_testability(testability);
    let ask = |method: &Method, uri: &Uri, body: &[u8], host: HostState| {
        let mut request = Request::new(Bytes::copy_from_slice(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri.clone();
        request.extensions_mut().insert(host);
        service.handle(request)
    };
    let health = || {
        let answer = ask(&Method::GET, &Uri::from_static("/health"), b"", HostState::default());
        (answer.status(), answer.into_body())
    };

    let before = health();
    let answer = ask(&method, &uri, body.get(1..).unwrap_or_default(), host);
    check_shape(&method, &answer);
    check_cause(&answer, fails || host.stalled, host.overloaded);
    check_account(&method, &uri, &answer);

    let forces = testability
        && method == Method::GET
        && uri.path().starts_with("/testability/healthy/")
        && answer.status() == StatusCode::OK;
    if !forces {
        assert_eq!(health(), before, "only one route changes anything");
    }
    // From here on, other requests are made, which may change something.
    check_location(&uri, &answer, |uri| ask(&Method::GET, uri, b"", HostState::default()));
    if answer.headers().contains_key(CACHE_CONTROL) {
        let first = uri.path().split('/').nth(1);
        assert!(matches!(first, Some("health" | "testability")), "{uri}");
    }
    if method == Method::HEAD {
        let got = ask(&Method::GET, &uri, b"", host);
        if answer.status() != StatusCode::METHOD_NOT_ALLOWED {
            assert_eq!(answer.status(), got.status());
            assert_eq!(answer.headers(), got.headers(), "a HEAD has the headers of a GET");
        }
    }
}

/// What every answer has: its length and type, and only the fields that belong to its status.
fn check_shape(method: &Method, answer: &Response<Bytes>) {
    let (status, headers, body) = (answer.status(), answer.headers(), answer.body());
    assert!(
        matches!(status.as_u16(), 200 | 301 | 400 | 404 | 405 | 503),
        "{status} is not in the contract"
    );
    let length = headers[CONTENT_LENGTH].to_str().expect("digits");
    let length: usize = length.parse().expect("a number");
    if method == Method::HEAD {
        assert!(body.is_empty());
    } else {
        assert_eq!(length, body.len());
    }
    assert_eq!(length > 0, headers.contains_key(CONTENT_TYPE));
    assert_eq!(status == StatusCode::METHOD_NOT_ALLOWED, headers.contains_key(ALLOW));
    assert_eq!(status == StatusCode::MOVED_PERMANENTLY, headers.contains_key(LOCATION));
    if !body.is_empty() {
        let json: Value = serde_json::from_slice(body).expect("JSON");
        let problem = headers[CONTENT_TYPE] == "application/problem+json";
        assert_eq!(problem, json.get("detail").is_some());
        assert!(!problem || json["status"] == status.as_u16());
    }
}

/// The cause of a failure is there for the log, and nowhere else.
fn check_cause(answer: &Response<Bytes>, may_fail: bool, overloaded: bool) {
    let caused = answer.extensions().get::<Cause>().is_some();
    assert!(may_fail || !caused, "a cause without a failure");
    if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
        let turned_away = overloaded && answer.headers().contains_key(RETRY_AFTER);
        assert!(caused || turned_away, "a 503 without a cause");
    }
    let body = String::from_utf8_lossy(answer.body());
    assert!(!body.contains(SECRET), "the cause is told to the client");
}

/// A redirect is one header line, stays on this server and is the only one.
fn check_location(from: &Uri, answer: &Response<Bytes>, get: impl Fn(&Uri) -> Response<Bytes>) {
    let Some(location) = answer.headers().get(LOCATION) else { return };
    assert!(location.as_bytes().iter().all(u8::is_ascii_graphic), "{location:?} is no URI");
    assert!(location.as_bytes().starts_with(b"/") && !location.as_bytes().starts_with(b"//"));
    let to = Uri::try_from(location.as_bytes()).expect("a URI");
    assert!(to.host().is_none(), "{from} leads to another server, {to}");
    assert_eq!(to.query().is_some(), from.query().is_some(), "{from} lost its query in {to}");
    if from.path().is_ascii() && from.query().is_none_or(str::is_ascii) {
        assert_eq!(from.path().strip_suffix('/'), Some(to.path()), "{from} moves to {to}");
        assert_eq!(from.query(), to.query(), "{from} moves to {to}");
    }
    let there = get(&to).status();
    assert_ne!(there, StatusCode::MOVED_PERMANENTLY, "{from} leads to one more redirect");
}

/// An account answered is the one that the path names, decoded by other code than the core's.
fn check_account(method: &Method, uri: &Uri, answer: &Response<Bytes>) {
    let Some(segment) = uri.path().strip_prefix("/accounts/") else { return };
    if answer.status() != StatusCode::OK || method == Method::HEAD {
        return;
    }
    let mut id = Vec::new();
    let mut pieces = segment.split('%');
    id.extend(pieces.next().unwrap_or_default().bytes());
    for piece in pieces {
        let (digits, rest) = piece.split_at(2);
        id.push(u8::from_str_radix(digits, 16).expect("two digits"));
        id.extend(rest.bytes());
    }
    let id = std::str::from_utf8(&id).expect("an id is UTF-8");
    assert!((1..=64).contains(&id.len()), "{id:?} cannot exist");
    let json: Value = serde_json::from_slice(answer.body()).expect("JSON");
    assert_eq!(json["id"], id);
    assert_eq!(json["name"], id);
    assert_eq!(json["servedBy"], "10.0.0.3");
    assert_eq!(answer.headers()[CONTENT_TYPE], HeaderValue::from_static("application/json"));
}
