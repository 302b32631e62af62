//! `/metrics`: on its own port only, and what it counts.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use accountservice_host::testing::{Client, SERVING_METRICS, eventually};

use crate::file::{cut, start_large};
use crate::service::{ADDRESS_IN_USE, Folder, Service, failure, get};

/// The value of one series.
#[track_caller]
fn metric(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in:\n{text}"))
}

#[track_caller]
fn scrape(address: SocketAddr) -> String {
    let response = Client::connect(address).get("/metrics");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    String::from_utf8(response.into_body().into()).expect("UTF-8")
}

/// Starts a service with metrics. Returns the address of the metrics too.
fn start(folder: &Folder, arguments: &[&str]) -> (Service, SocketAddr) {
    let mut service = folder.start(&[&["--metrics-port=0"], arguments].concat());
    let metrics = metrics_of(&mut service);
    (service, metrics)
}

fn metrics_of(service: &mut Service) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, service.process.port(SERVING_METRICS)).into()
}

#[test]
fn metrics_are_off_by_default() {
    let folder = Folder::new();
    let mut service = folder.start(&[]);
    assert_eq!(service.get("/metrics").0, 404);
    service.process.signal("TERM");
    service.process.wait();
    let log = service.process.log();
    assert!(!log.iter().any(|line| line.contains(SERVING_METRICS)), "{log:#?}");
}

#[test]
fn metrics_are_served_on_their_own_port_only_and_nothing_else_is() {
    let folder = Folder::new();
    let (service, metrics) = start(&folder, &[]);
    scrape(metrics);
    assert_eq!(service.get("/metrics").0, 404);
    for path in ["/health", "/accounts/10000", "/"] {
        assert_eq!(get(metrics, path).0, 404, "{path}");
    }
    service.stop();
}

#[test]
fn the_port_of_the_service_is_refused() {
    let folder = Folder::new();
    let error = failure(folder.spawn(&["--port=7", "--metrics-port=7"]), 1);
    assert_eq!(
        error,
        "accountservice: --metrics-port 7: the port of the service itself; choose another one"
    );
    assert!(!folder.database().exists());
}

#[test]
fn a_port_in_use_is_refused_before_the_database_is_touched() {
    let folder = Folder::new();
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = other.local_addr().expect("an address");
    let error = failure(folder.spawn(&[&format!("--metrics-port={}", address.port())]), 1);
    assert_eq!(error, format!("accountservice: cannot listen on {address}: {ADDRESS_IN_USE}"));
    assert!(!folder.database().exists());
}

#[test]
fn responses_and_connections_are_counted() {
    let folder = Folder::new();
    let (service, metrics) = start(&folder, &[]);
    let mut client = service.connect();
    for (path, status) in [
        ("/accounts/10000", 200),
        ("/accounts/10001", 200),
        ("/accounts/1", 404),
        ("/health", 200),
        ("/health/ready", 200),
        ("/no/such/path", 404),
        ("/another", 404),
    ] {
        assert_eq!(client.get(path).status(), status);
    }
    let text = scrape(metrics);
    let requests = |route: &str, status: u16| {
        metric(&text, &format!(r#"http_requests_total{{route="{route}",status="{status}"}}"#))
    };
    assert_eq!(requests("/accounts/{id}", 200), 2);
    assert_eq!(requests("/accounts/{id}", 404), 1);
    assert_eq!(requests("/health", 200), 1);
    assert_eq!(requests("/health/ready", 200), 1);
    assert_eq!(requests("other", 404), 2);
    assert_eq!(metric(&text, "http_request_duration_seconds_count"), 7);
    assert_eq!(metric(&text, "http_connections"), 1);
    assert_eq!(metric(&text, "http_connections_total"), 1);
    assert_eq!(metric(&text, "store_failures_total"), 0);
    let version = env!("CARGO_PKG_VERSION");
    let build = format!(r#"build_info{{service="accountservice",version="{version}"}}"#);
    assert_eq!(metric(&text, &build), 1);

    drop(client);
    eventually("the connection is closed", || metric(&scrape(metrics), "http_connections") == 0);
    service.stop();
}

#[test]
fn healthy_is_what_health_says_at_that_moment() {
    let folder = Folder::new();
    let (mut service, metrics) = start(&folder, &["--testability", "--drain-delay=1s"]);
    let healthy = || metric(&scrape(metrics), "healthy");
    assert_eq!(healthy(), 1);
    assert_eq!(service.get("/testability/healthy/false").0, 200);
    assert_eq!(healthy(), 0);
    assert_eq!(service.get("/testability/healthy/true").0, 200);
    assert_eq!(healthy(), 1);
    // Asking for it is no request of a client.
    let asked = r#"http_requests_total{route="/health",status="200"}"#;
    assert!(!scrape(metrics).contains(asked));

    service.process.signal("TERM");
    service.process.line("Accepting connections for another 1s");
    assert_eq!(healthy(), 0, "it shuts down");
    assert_eq!(service.process.wait().0.code(), Some(0));
}

#[test]
fn a_store_that_fails_is_counted_and_not_healthy() {
    let folder = Folder::new();
    let mut service = start_large(&folder, &["--metrics-port=0"]);
    let metrics = metrics_of(&mut service);
    cut(&folder, 0);
    assert_eq!(service.get("/accounts/40000").0, 503);
    let text = scrape(metrics);
    assert_eq!(metric(&text, "store_failures_total"), 1);
    assert_eq!(metric(&text, "healthy"), 0);
    service.stop();
}

#[test]
fn the_number_of_series_does_not_grow_with_the_paths() {
    let folder = Folder::new();
    let (service, metrics) = start(&folder, &[]);
    let mut client = service.connect();
    let mut series_after = |requests| {
        for i in 0..requests {
            client.get(&format!("/accounts/{i}"));
            client.get(&format!("/path/{i}"));
        }
        scrape(metrics).lines().count()
    };
    assert_eq!(series_after(1), series_after(50));
    service.stop();
}
