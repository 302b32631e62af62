//! What operators watch: counts of requests, times, connections and health, as Prometheus reads them.
//!
//! No label can grow: routes and statuses are fixed lists, and what is in neither is `other`.

use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use accountservice_core::response::problem;
use accountservice_core::{AccountService, AccountStore};
use accountservice_host_hyper::{Limits, Observer};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use prometheus::local::{LocalHistogram, LocalIntCounter};
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The path under which all this is served.
const PATH: &str = "/metrics";

/// On a port of its own: more than there are scrapers.
const CONNECTIONS: usize = 16;
const OVERFLOW: usize = 8;

/// File descriptors that such a port takes: its listener and its worker's runtime too.
pub(crate) const DESCRIPTORS: usize = CONNECTIONS + OVERFLOW + 6;

const ROUTES: [&str; 4] = ["/accounts/{id}", "/health", "/testability/healthy/{state}", "other"];

/// What the core and the host answer with. The last stands for all others.
const STATUSES: [&str; 11] =
    ["200", "404", "503", "301", "400", "405", "408", "413", "421", "500", "other"];

/// Upper bounds in seconds: an embedded store answers in microseconds, a slow client's body in
/// seconds.
const BUCKETS: [f64; 13] = [
    0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.001, 0.005, 0.025, 0.1, 0.5,
    2.5, 10.0,
];

/// How many threads count without getting into each other's way.
const STRIPES: usize = 16;

/// How long a scrape in flight is waited for when all else is over.
const DRAIN_TIME: Duration = Duration::from_millis(500);

/// Serves the metrics alone, on a port of their own, until whoever can end it does or is gone.
pub(crate) async fn serve<S>(
    metrics: Arc<Metrics<S>>,
    listener: TcpListener,
    ended: oneshot::Receiver<()>,
) -> io::Result<()>
where
    S: AccountStore + 'static,
{
    let (workers, drain_time) = (NonZeroUsize::MIN, DRAIN_TIME);
    let (connections, overflow) = (CONNECTIONS, OVERFLOW);
    let limits = Limits { workers, connections, overflow, drain_time, ..Limits::default() };
    let handler = move |request| {
        metrics.answer(&request).unwrap_or_else(|| {
            problem(StatusCode::NOT_FOUND, "There is nothing at this path but /metrics.")
        })
    };
    let end = async {
        let _ = ended.await;
    };
    accountservice_host_hyper::serve(listener, handler, limits, end).await
}

/// Counts what a host tells, and answers `GET /metrics`.
pub(crate) struct Metrics<S> {
    service: Arc<AccountService<S>>,
    registry: Registry,
    stripes: [Stripe; STRIPES],
    connections: IntGauge,
    accepted: IntCounter,
    turned_away: IntCounter,
    store_failures: IntCounter,
    healthy: IntGauge,
}

/// What threads have counted since the last scrape: cores that write to the same memory wait for each
/// other. In cache lines of its own, two of which are fetched at a time.
#[repr(align(128))]
struct Stripe(Mutex<Answers>);

struct Answers {
    requests: Vec<LocalIntCounter>,
    seconds: LocalHistogram,
}

impl Stripe {
    fn new(requests: &IntCounterVec, seconds: &Histogram) -> Self {
        let labels = ROUTES.iter().flat_map(|route| STATUSES.map(|status| [*route, status]));
        let requests = labels.map(|labels| requests.with_label_values(&labels).local()).collect();
        Self(Mutex::new(Answers { requests, seconds: seconds.local() }))
    }

    /// The same one for each call by a thread.
    fn of_thread(stripes: &[Self; STRIPES]) -> &Self {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed);
        }
        &stripes[NUMBER.with(|number| number % STRIPES)]
    }

    fn lock(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AccountStore> Metrics<S> {
    pub(crate) fn new(service: Arc<AccountService<S>>) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counter = |name, help| -> prometheus::Result<_> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let gauge = |name, help| -> prometheus::Result<_> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let opts =
            Opts::new("http_requests_total", "Well-formed requests answered, by route and status.");
        let requests = IntCounterVec::new(opts, &["route", "status"])?;
        registry.register(Box::new(requests.clone()))?;
        let opts = HistogramOpts::new(
            "http_request_duration_seconds",
            "Time from a complete request head to the answer.",
        );
        let seconds = Histogram::with_opts(opts.buckets(BUCKETS.into()))?;
        registry.register(Box::new(seconds.clone()))?;
        let version =
            Opts::new("accountservice_build_info", "Always 1; the label says which build.")
                .const_label("version", env!("CARGO_PKG_VERSION"));
        let version = IntGauge::with_opts(version)?;
        version.set(1);
        registry.register(Box::new(version))?;
        Ok(Self {
            service,
            stripes: std::array::from_fn(|_| Stripe::new(&requests, &seconds)),
            connections: gauge("http_connections", "Connections that are open.")?,
            accepted: counter("http_connections_total", "Connections accepted.")?,
            turned_away: counter(
                "http_connections_turned_away_total",
                "Connections above the limit, which got a single answer.",
            )?,
            store_failures: counter(
                "store_failures_total",
                "Requests for which the store failed.",
            )?,
            healthy: gauge("healthy", "What /health says: 1 for UP, 0 for anything else.")?,
            registry,
        })
    }

    /// Answers a request for the metrics; `None` if it is for something else.
    pub(crate) fn answer(&self, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        if request.uri().path() != PATH {
            return None;
        }
        let method = request.method();
        if method != Method::GET && method != Method::HEAD {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            let mut response = problem(status, "This path answers GET, HEAD only.");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Some(response);
        }
        let health = Request::get("/health").body(Bytes::new()).ok()?;
        self.healthy.set(self.service.handle(health).status().is_success().into());
        for stripe in &self.stripes {
            let answers = stripe.lock();
            answers.requests.iter().for_each(LocalIntCounter::flush);
            answers.seconds.flush();
        }
        let mut text = String::new();
        if TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text).is_err() {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return Some(problem(status, "The metrics could not be written."));
        }
        let length = HeaderValue::from(text.len());
        let body = if method == Method::HEAD { Bytes::new() } else { text.into() };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        headers.insert(CONTENT_TYPE, content_type);
        headers.insert(CONTENT_LENGTH, length);
        Some(response)
    }
}

impl<S: AccountStore + 'static> Observer for Metrics<S> {
    fn opened(&self) {
        self.connections.inc();
        self.accepted.inc();
    }

    fn closed(&self) {
        self.connections.dec();
    }

    fn turned_away(&self) {
        self.turned_away.inc();
    }

    fn answered(&self, path: &str, status: StatusCode, time: Duration) {
        let route = position(&ROUTES, self.service.route_name(path));
        let status = position(&STATUSES, status.as_str());
        let answers = Stripe::of_thread(&self.stripes).lock();
        answers.requests[route * STATUSES.len() + status].inc();
        answers.seconds.observe(time.as_secs_f64());
    }

    fn failed(&self) {
        self.store_failures.inc();
    }
}

/// Where a label stands in its list; the last place is for all that do not.
fn position(labels: &[&str], label: &str) -> usize {
    labels.iter().position(|known| *known == label).unwrap_or(labels.len() - 1)
}
