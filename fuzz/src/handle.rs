//! The core's `handle`: any method, target and body.

use accountservice_core::response::Cause;
use accountservice_core::{
    Account, AccountId, AccountService, AccountStore, HostState, StoreError,
};
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Method, Request, Response, StatusCode, Uri};
use serde_json::Value;

const SECRET: &str = "the disk has gone";

/// Holds every account, the name of each the same as its id, or fails.
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

/// One byte for the situation, then `METHOD TARGET`, a line feed and the body: `0GET /health` is a
/// file that an editor can write. Bits 0 to 3 of the byte (`0` to `?`) say that testability is on, the
/// host is overloaded, it is stalled, the store fails; bit 6 (`p` to `DEL`) that the process drains.
pub fn handle(data: &[u8]) {
    let Some((&situation, data)) = data.split_first() else { return };
    let bit = |bit: u8| situation & 1 << bit != 0;
    let (testability, fails) = (bit(0), bit(3));
    let host = HostState { draining: bit(6), overloaded: bit(1), stalled: bit(2) };
    let line_end = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let (line, body) = data.split_at(line_end);
    let space = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
    let (method, target) = line.split_at(space);
    // A request that `http` refuses never reaches a handler.
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
        let response = ask(&Method::GET, &Uri::from_static("/health"), b"", HostState::default());
        (response.status(), response.into_body())
    };

    let before = health();
    let response = ask(&method, &uri, body.get(1..).unwrap_or_default(), host);
    check_shape(&method, &response);
    check_account(&method, &uri, &response);

    let forces = testability
        && method == Method::GET
        && uri.path().starts_with("/testability/healthy/")
        && response.status() == StatusCode::OK;
    check_cause(&response, fails || forces, host);
    if !forces {
        assert_eq!(health(), before, "only one route changes anything");
    }
    // From here on, other requests are made, which may change something.
    check_location(&uri, &response, |uri| ask(&Method::GET, uri, b"", HostState::default()));
    if response.headers().contains_key(CACHE_CONTROL) {
        let first = uri.path().split('/').nth(1);
        assert!(matches!(first, Some("health" | "testability")), "{uri}");
    }
    if method == Method::HEAD {
        let got = ask(&Method::GET, &uri, b"", host);
        if response.status() != StatusCode::METHOD_NOT_ALLOWED {
            assert_eq!(response.status(), got.status());
            assert_eq!(response.headers(), got.headers(), "a HEAD has the headers of a GET");
        }
    }
}

/// Every response has its length and type, and only the fields that belong to its status.
fn check_shape(method: &Method, response: &Response<Bytes>) {
    let (status, headers, body) = (response.status(), response.headers(), response.body());
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

/// The cause of a failure is an extension, and not in the response.
fn check_cause(response: &Response<Bytes>, may_have_cause: bool, host: HostState) {
    let has_cause = response.extensions().get::<Cause>().is_some();
    assert!(may_have_cause || !has_cause, "a cause without a failure");
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        assert!(has_cause || host != HostState::default(), "a 503 without a cause");
    }
    let body = String::from_utf8_lossy(response.body());
    assert!(!body.contains(SECRET), "the client sees the cause");
}

/// A redirect is one header line, stays on this server and is the only one.
fn check_location(from: &Uri, response: &Response<Bytes>, get: impl Fn(&Uri) -> Response<Bytes>) {
    let Some(location) = response.headers().get(LOCATION) else { return };
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

/// The account in a response is the one that the path names, decoded by other code than the core's.
fn check_account(method: &Method, uri: &Uri, response: &Response<Bytes>) {
    let Some(segment) = uri.path().strip_prefix("/accounts/") else { return };
    if response.status() != StatusCode::OK || method == Method::HEAD {
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
    let json: Value = serde_json::from_slice(response.body()).expect("JSON");
    assert_eq!(json["id"], id);
    assert_eq!(json["name"], id);
    assert_eq!(json["servedBy"], "10.0.0.3");
    assert_eq!(response.headers()[CONTENT_TYPE], HeaderValue::from_static("application/json"));
}
