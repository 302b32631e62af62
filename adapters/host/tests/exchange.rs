//! The duties of every host, through a handler and without a transport.

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use accountservice_core::response::{RouteName, empty, problem};
use accountservice_core::testing::{HttpContract, MockAccountStore, request};
use accountservice_core::{AccountService, StoreError};
use accountservice_host::{Exchange, Exchanges, Handler, Observer};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use pollster::block_on;
use tracing::Level;

const MAX_BODY: usize = 10;

/// Keeps what a host reports, as text.
#[derive(Default)]
struct Reports(Mutex<Vec<String>>);

impl Observer for Reports {
    fn responded(&self, route: Option<RouteName>, status: StatusCode, _: Instant) {
        let route = route.map_or("no route", |route| route.0);
        let report = format!("{} {route}", status.as_u16());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(report);
    }

    fn store_failed(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push("store failed".into());
    }
}

/// The result of one exchange.
struct Outcome {
    response: Response<Bytes>,
    reports: Vec<String>,
    log: Vec<String>,
}

impl Outcome {
    fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    fn id(&self) -> &str {
        self.response.headers()["x-request-id"].to_str().expect("ASCII")
    }
}

fn respond(handler: &impl Handler, request: Request<Bytes>) -> Outcome {
    observe(Level::INFO, |exchanges| {
        block_on(Exchange::new(exchanges, &request, None).respond(handler, request))
    })
}

/// Collects what `exchange` reports and logs at `level` and above.
fn observe(level: Level, exchange: impl FnOnce(&Exchanges) -> Response<Bytes>) -> Outcome {
    let reports = Arc::new(Reports::default());
    let exchanges = Exchanges::new(MAX_BODY, Arc::clone(&reports) as _);
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(level)
        .with_writer(move || writer.clone())
        .finish();
    let response = tracing::subscriber::with_default(subscriber, || exchange(&exchanges));
    let reports = reports.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Outcome { response, reports, log: log.lines() }
}

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&log).lines().map(str::to_owned).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Completes at the second poll.
async fn yield_now() {
    let mut is_first = true;
    std::future::poll_fn(|cx| {
        cx.waker().wake_by_ref();
        if std::mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}

async fn echo(request: Request<Bytes>) -> Response<Bytes> {
    yield_now().await;
    Response::new(request.into_body())
}

fn with_id(id: &[u8]) -> Request<Bytes> {
    let request = Request::get("/health").header("x-request-id", id);
    request.body(Bytes::new()).expect("a header value")
}

fn post(body: &'static str) -> Request<Bytes> {
    Request::post("/").body(body.into()).expect("a request")
}

#[test]
fn a_service_behind_the_exchange_keeps_the_http_contract() {
    let exchanges = Exchanges::new(MAX_BODY, Arc::new(()));
    HttpContract::new().check(|service| {
        let handler = move |request| {
            let service = Arc::clone(&service);
            async move { service.respond(request).await }
        };
        let exchanges = &exchanges;
        move |method, target: &str| {
            let request = request(&format!("{method} {target}"));
            block_on(Exchange::new(exchanges, &request, None).respond(&handler, request))
        }
    });
}

#[test]
fn a_valid_request_id_is_kept() {
    let longest = "x".repeat(128);
    for id in ["order-66", "!~", "0", &longest] {
        assert_eq!(respond(&echo, with_id(id.as_bytes())).id(), id);
    }
}

#[test]
fn a_request_id_that_could_confuse_a_log_is_replaced() {
    let too_long = "x".repeat(129);
    for id in
        [&b""[..], b"with blank", b"tab\there", b"\xe9", "\u{e9}".as_bytes(), too_long.as_bytes()]
    {
        let outcome = respond(&echo, with_id(id));
        assert_eq!(outcome.id().len(), 16, "{}", id.escape_ascii());
        assert!(outcome.id().bytes().all(|byte| byte.is_ascii_hexdigit()), "{}", outcome.id());
    }
}

#[test]
fn requests_without_an_id_get_different_ones() {
    let exchanges = Exchanges::new(MAX_BODY, Arc::new(()));
    let id = || {
        let request = request("GET /");
        let response = block_on(Exchange::new(&exchanges, &request, None).respond(&echo, request));
        response.headers()["x-request-id"].clone()
    };
    let (first, second) = (id(), id());
    assert_eq!((first.len(), second.len()), (16, 16));
    assert_ne!(first, second);
}

#[test]
fn the_id_of_the_request_replaces_one_of_the_handler() {
    let handler = |_: Request<Bytes>| async {
        let response = Response::builder().header("x-request-id", "of the handler");
        response.body(Bytes::new()).expect("a response")
    };
    let outcome = respond(&handler, with_id(b"mine"));
    assert_eq!(outcome.response.headers().get_all("x-request-id").iter().count(), 1);
    assert_eq!(outcome.id(), "mine");
}

#[test]
fn a_body_up_to_the_limit_reaches_the_handler() {
    for body in ["", "0123456789"] {
        let outcome = respond(&echo, post(body));
        assert_eq!((outcome.status(), &outcome.response.body()[..]), (200, body.as_bytes()));
    }
}

#[test]
fn a_longer_body_is_a_413_and_does_not_reach_the_handler() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let handler = move |request| {
        count.fetch_add(1, Ordering::Relaxed);
        echo(request)
    };
    let outcome = respond(&handler, post("0123456789x"));
    assert_eq!(outcome.status(), 413);
    assert_eq!(outcome.response.headers()["content-type"], "application/problem+json");
    assert_eq!(outcome.reports, ["413 no route"]);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[test]
fn a_panic_is_a_500_whose_reason_is_in_the_log_on_one_line() {
    async fn later(_: Request<Bytes>) -> Response<Bytes> {
        yield_now().await;
        panic!("two\nlines\u{2028}or \u{1b}[31mthree");
    }
    fn at_once(_: Request<Bytes>) -> std::future::Ready<Response<Bytes>> {
        panic!("{}", String::from("two\nlines\u{2028}or \u{1b}[31mthree"));
    }
    for outcome in [respond(&later, with_id(b"7")), respond(&at_once, with_id(b"7"))] {
        assert_eq!(outcome.status(), 500);
        assert_eq!(
            outcome.response.body(),
            r#"{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"The request could not be answered."}"#
        );
        assert_eq!(outcome.id(), "7");
        assert_eq!(outcome.reports, ["500 no route"]);
        let [line] = &outcome.log[..] else { panic!("one line: {:?}", outcome.log) };
        let text = "GET /health [7] 500: the handler panicked: two lines or  [31mthree";
        assert!(line.contains("ERROR") && line.ends_with(text), "{line}");
    }
}

#[test]
fn a_panic_without_a_text_is_a_500_too() {
    async fn handler(_: Request<Bytes>) -> Response<Bytes> {
        std::panic::panic_any(7)
    }
    let outcome = respond(&handler, request("GET /"));
    assert_eq!(outcome.status(), 500);
    assert!(outcome.log[0].ends_with("the handler panicked: no reason given"), "{:?}", outcome.log);
}

#[test]
fn the_cause_of_a_failure_is_in_the_log_with_its_sources_and_not_in_the_response() {
    let mut store = MockAccountStore::new();
    store.expect_find().returning(|_| Err(StoreError::new("find an account", "disk\r\non fire")));
    let service = AccountService::new(store, "10.0.0.3");
    let outcome = respond(&service, request("GET /accounts/1"));
    assert_eq!(outcome.status(), 503);
    assert!(!String::from_utf8_lossy(outcome.response.body()).contains("fire"));
    assert_eq!(outcome.reports, ["store failed", "503 /accounts/{id}"]);
    let [line] = &outcome.log[..] else { panic!("one line: {:?}", outcome.log) };
    let text =
        format!("GET /accounts/1 [{}] 503: could not find an account: disk  on fire", outcome.id());
    assert!(line.contains("ERROR") && line.ends_with(&text), "{line}");
}

#[test]
fn the_cause_of_a_success_is_information_and_no_failure() {
    let service = AccountService::new(MockAccountStore::new(), "10.0.0.3").with_testability(true);
    let outcome = respond(&service, request("GET /testability/healthy/false"));
    assert_eq!(outcome.reports, ["200 /testability/healthy/{state}"]);
    let [line] = &outcome.log[..] else { panic!("one line: {:?}", outcome.log) };
    assert!(line.contains("INFO") && line.ends_with("200: forced unhealthy"), "{line}");
}

#[test]
fn a_response_to_head_loses_its_body_and_keeps_its_length() {
    let handler = |_: Request<Bytes>| async {
        let response = Response::builder().header("content-length", "4");
        response.body("body".into()).expect("a response")
    };
    let outcome = respond(&handler, request("HEAD /"));
    assert_eq!(outcome.response.body(), "");
    assert_eq!(outcome.response.headers()["content-length"], "4");

    let rejected = observe(Level::INFO, |exchanges| {
        Exchange::new(exchanges, &request("HEAD /"), None).reject_too_large()
    });
    assert_eq!(rejected.response.body(), "");
}

#[test]
fn a_rejection_has_an_id_and_is_reported_and_logged_like_any_other_response() {
    let outcome = observe(Level::DEBUG, |exchanges| {
        let rejection = problem(StatusCode::BAD_REQUEST, "This is not HTTP.");
        Exchange::new(exchanges, &with_id(b"7"), None).reject(rejection)
    });
    assert_eq!(outcome.status(), 400);
    assert_eq!(outcome.id(), "7");
    assert_eq!(outcome.response.headers()["cache-control"], "no-store");
    assert_eq!(outcome.reports, ["400 no route"]);
    let [line] = &outcome.log[..] else { panic!("one line: {:?}", outcome.log) };
    assert!(line.contains("GET /health [7]") && line.contains("status=400"), "{line}");
}

#[test]
fn the_access_log_is_at_level_debug() {
    let peer = "192.0.2.1:6767".parse().expect("an address");
    let exchange = |exchanges: &Exchanges| {
        let request = Request::post("/a?b").body("hi".into()).expect("a request");
        block_on(Exchange::new(exchanges, &request, Some(peer)).respond(&echo, request))
    };
    let outcome = observe(Level::DEBUG, exchange);
    let [line] = &outcome.log[..] else { panic!("one line: {:?}", outcome.log) };
    for part in ["DEBUG", "POST /a?b [", "peer=192.0.2.1:6767", "status=200", "bytes=2", "micros="]
    {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert!(observe(Level::INFO, exchange).log.is_empty());
}

#[test]
fn a_target_cannot_break_a_log_entry() {
    // `http` accepts all characters above ASCII, among them control characters and line separators.
    let outcome = observe(Level::DEBUG, |exchanges| {
        let request = request("GET /\u{2028}\u{9b}31m\u{85}");
        block_on(Exchange::new(exchanges, &request, None).respond(&echo, request))
    });
    let [line] = &outcome.log[..] else { panic!("one line: {:?}", outcome.log) };
    assert!(line.contains("GET /  31m  ["), "{line:?}");
}

#[test]
fn the_time_of_a_response_begins_with_its_exchange() {
    struct Times(Mutex<Vec<Duration>>);
    impl Observer for Times {
        fn responded(&self, _: Option<RouteName>, _: StatusCode, started_at: Instant) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(started_at.elapsed());
        }
    }
    let times = Arc::new(Times(Mutex::default()));
    let exchanges = Exchanges::new(MAX_BODY, Arc::clone(&times) as _);
    let exchange = Exchange::new(&exchanges, &request("GET /"), None);
    let start = exchange.started_at();
    thread::sleep(Duration::from_millis(5));
    exchange.reject(empty(StatusCode::REQUEST_TIMEOUT));
    let whole = start.elapsed();
    let times = times.0.lock().unwrap_or_else(PoisonError::into_inner);
    let [time] = times[..] else { panic!("one response: {times:?}") };
    assert!(Duration::from_millis(5) <= time && time <= whole, "{time:?} of {whole:?}");
}

#[test]
fn an_exchange_that_is_dropped_while_its_handler_waits_reports_nothing() {
    let reports = Arc::new(Reports::default());
    let exchanges = Exchanges::new(MAX_BODY, Arc::clone(&reports) as _);
    let request = request("GET /");
    {
        let mut response =
            pin!(Exchange::new(&exchanges, &request, None).respond(&echo, request.clone()));
        let poll = response.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll.is_pending());
    }
    assert!(reports.0.lock().expect("no panic").is_empty());
    let response = block_on(Exchange::new(&exchanges, &request, None).respond(&echo, request));
    assert_eq!(response.status(), 200, "the next one is not affected");
    assert_eq!(*reports.0.lock().expect("no panic"), ["200 no route"]);
}
