//! Counts of requests, connections and failures, as Prometheus reads them.
//!
//! [`Metrics`] is an [`Observer`] for any host, and responds to `/metrics`. It starts no server: a
//! binary hosts it on a port of its own. No label grows with what clients send: routes name
//! themselves, and every other response is `other`.

use std::time::Instant;

use accountservice_core::response::{RouteName, method_not_allowed, problem};
use accountservice_host::Observer;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

/// Upper bounds in seconds: an embedded store answers in microseconds, a slow client's body comes in
/// seconds.
const BUCKETS: [f64; 13] = [
    0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.001, 0.005, 0.025, 0.1, 0.5,
    2.5, 10.0,
];

/// Counts the events of a server.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: Histogram,
    connections: IntGauge,
    accepted: IntCounter,
    rejected: IntCounter,
    store_failures: IntCounter,
    healthy: IntGauge,
}

impl Metrics {
    /// `service` and `version` are the labels of `build_info`.
    ///
    /// # Errors
    ///
    /// If `prometheus` does not accept them as label values.
    pub fn new(service: &str, version: &str) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counter = |name, help| -> prometheus::Result<_> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let gauge = |opts| -> prometheus::Result<_> {
            let gauge = IntGauge::with_opts(opts)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let requests = IntCounterVec::new(
            Opts::new("http_requests_total", "Responses, by route and status."),
            &["route", "status"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        let seconds = Histogram::with_opts(
            HistogramOpts::new(
                "http_request_duration_seconds",
                "Time from a complete request head to the response.",
            )
            .buckets(BUCKETS.into()),
        )?;
        registry.register(Box::new(seconds.clone()))?;
        let build = Opts::new("build_info", "Always 1; the labels name the build.")
            .const_label("service", service)
            .const_label("version", version);
        gauge(build)?.set(1);
        Ok(Self {
            requests,
            seconds,
            connections: gauge(Opts::new("http_connections", "Open connections."))?,
            accepted: counter("http_connections_total", "Accepted connections.")?,
            rejected: counter(
                "http_connections_rejected_total",
                "Connections above the limit, which got one response.",
            )?,
            store_failures: counter(
                "store_failures_total",
                "Requests for which the store failed.",
            )?,
            healthy: gauge(Opts::new("healthy", "What /health says: 1 for 200, 0 otherwise."))?,
            registry,
        })
    }

    /// Responds to a request for `/metrics`. `is_healthy` is the health at this moment.
    pub fn respond(&self, request: &Request<Bytes>, is_healthy: bool) -> Response<Bytes> {
        if request.uri().path() != "/metrics" {
            return problem(StatusCode::NOT_FOUND, "There is nothing at this path but /metrics.");
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return method_not_allowed("GET, HEAD");
        }
        self.healthy.set(is_healthy.into());
        let mut text = String::new();
        if TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text).is_err() {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return problem(status, "The metrics could not be written.");
        }
        let length = HeaderValue::from(text.len());
        let mut response = Response::new(text.into());
        let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response.headers_mut().insert(CONTENT_LENGTH, length);
        response
    }
}

impl Observer for Metrics {
    fn connection_opened(&self) {
        self.connections.inc();
        self.accepted.inc();
    }

    fn connection_closed(&self) {
        self.connections.dec();
    }

    fn connection_rejected(&self) {
        self.rejected.inc();
    }

    fn responded(&self, route: Option<RouteName>, status: StatusCode, started_at: Instant) {
        let route = route.map_or("other", |RouteName(name)| name);
        self.requests.with_label_values(&[route, status.as_str()]).inc();
        self.seconds.observe(started_at.elapsed().as_secs_f64());
    }

    fn store_failed(&self) {
        self.store_failures.inc();
    }
}
