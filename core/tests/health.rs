//! Health over a store that has to be awaited, and the composition without accounts.

use std::convert::Infallible;
use std::future::ready;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use accountservice_core::response::{Cause, RouteName};
use accountservice_core::testing::{Remote, RemoteStore, request};
use accountservice_core::{AccountService, Health, HealthRoute};
use bytes::Bytes;
use http::Response;

/// A service with a shared store, driven poll by poll.
struct Driver<'a> {
    store: &'a RemoteStore,
    service: AccountService<&'a RemoteStore>,
}

impl<'a> Driver<'a> {
    fn new(store: &'a RemoteStore) -> Self {
        Self { store, service: AccountService::shared(store, "10.0.0.3").with_testability(true) }
    }

    /// Polls until the response is there, which a store that is not stuck takes two polls for.
    fn body(&self, target: &str) -> Bytes {
        let mut respond = pin!(self.service.respond(request(&format!("GET {target}"))));
        for _ in 0..2 {
            if let Poll::Ready(response) = poll(respond.as_mut()) {
                return response.into_body();
            }
        }
        panic!("{target} waits for a store that is not stuck");
    }

    /// Polls `times` times, then drops the request.
    fn abandon(&self, target: &str, times: usize) {
        let mut respond = pin!(self.service.respond(request(&format!("GET {target}"))));
        for _ in 0..times {
            assert!(poll(respond.as_mut()).is_pending(), "{target} waits for the store");
        }
    }
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn liveness_asks_a_shared_store_until_one_check_has_passed_and_never_again() {
    let store = RemoteStore::default();
    let driver = Driver::new(&store);
    store.switch(Remote::Failing);
    assert_eq!(driver.body("/health"), r#"{"status":"Starting"}"#);
    assert_eq!(driver.body("/health/live"), r#"{"status":"Starting"}"#);
    store.switch(Remote::Serving);
    assert_eq!(driver.body("/health"), r#"{"status":"UP"}"#);
    assert_eq!(store.questions(), 3);

    store.switch(Remote::Stuck);
    assert_eq!(driver.body("/health"), r#"{"status":"UP"}"#);
    assert_eq!(driver.body("/health/live"), r#"{"status":"UP"}"#);
    assert_eq!(store.questions(), 3);
}

#[test]
fn readiness_asks_a_shared_store_each_time() {
    let store = RemoteStore::default();
    let driver = Driver::new(&store);
    for (remote, body) in [
        (Remote::Failing, r#"{"status":"Starting"}"#),
        (Remote::Serving, r#"{"status":"UP"}"#),
        (Remote::Failing, r#"{"status":"Database unaccessible"}"#),
        (Remote::Serving, r#"{"status":"UP"}"#),
    ] {
        store.switch(remote);
        assert_eq!(driver.body("/health/ready"), body);
    }
    assert_eq!(store.questions(), 4);
}

#[test]
fn a_request_dropped_at_any_await_leaves_the_service_sound() {
    let store = RemoteStore::default();
    let driver = Driver::new(&store);
    for target in ["/health", "/health/live", "/health/ready", "/accounts/7"] {
        store.switch(Remote::Stuck);
        for times in 0..3 {
            driver.abandon(target, times);
        }
        store.switch(Remote::Failing);
        driver.abandon(target, 1);
    }
    assert_eq!(driver.body("/health"), r#"{"status":"Starting"}"#);
    store.switch(Remote::Serving);
    driver.abandon("/health", 1);
    assert_eq!(driver.body("/health"), r#"{"status":"UP"}"#);
    assert_eq!(driver.body("/accounts/7"), r#"{"id":"7","name":"7","servedBy":"10.0.0.3"}"#);
}

#[test]
fn a_check_that_fails_after_another_one_has_passed_does_not_end_liveness() {
    let store = RemoteStore::default();
    let driver = Driver::new(&store);
    let mut early = pin!(driver.service.respond(request("GET /health")));
    assert!(poll(early.as_mut()).is_pending());
    assert_eq!(driver.body("/health"), r#"{"status":"UP"}"#);

    driver.store.switch(Remote::Failing);

    let Poll::Ready(response) = poll(early) else { panic!("the store has answered") };
    assert_eq!(response.body(), r#"{"status":"UP"}"#);
}

#[test]
fn a_request_to_a_stuck_store_completes_when_the_store_is_back() {
    let store = RemoteStore::default();
    let driver = Driver::new(&store);
    store.switch(Remote::Stuck);
    let mut waiting = pin!(driver.service.respond(request("GET /health/ready")));
    assert!(poll(waiting.as_mut()).is_pending());
    assert!(poll(waiting.as_mut()).is_pending());
    store.switch(Remote::Serving);
    assert!(poll(waiting.as_mut()).is_pending());
    assert!(poll(waiting).is_ready());
}

/// Health of a service that has neither accounts nor a store.
fn without_a_store(health: &Health, line: &str) -> Response<Bytes> {
    let request = request(line);
    let route = HealthRoute::of(request.uri().path()).expect("a health route");
    let check = || ready(Ok::<(), Infallible>(()));
    let Poll::Ready(response) = poll(pin!(health.respond(route, &request, check))) else {
        panic!("there is nothing to wait for");
    };
    response
}

#[test]
fn health_needs_no_accounts() {
    let health = Health::embedded().with_testability(true);
    assert_eq!(without_a_store(&health, "GET /health").body(), r#"{"status":"UP"}"#);
    assert_eq!(without_a_store(&health, "GET /testability/healthy/0").status(), 200);
    assert_eq!(
        without_a_store(&health, "GET /health/live").body(),
        r#"{"status":"Forced unhealthy"}"#
    );
    assert_eq!(without_a_store(&health, "GET /health/").status(), 301);
    assert_eq!(HealthRoute::of("/orders/1"), None);
}

#[test]
fn routes_name_themselves() {
    let health = Health::embedded().with_testability(true);
    for (line, name) in [
        ("GET /health", "/health"),
        ("POST /health/live/", "/health/live"),
        ("HEAD /health/ready", "/health/ready"),
        ("GET /testability/healthy/x", "/testability/healthy/{state}"),
    ] {
        let response = without_a_store(&health, line);
        assert_eq!(response.extensions().get(), Some(&RouteName(name)), "{line}");
    }
    let off = Health::embedded();
    let response = without_a_store(&off, "GET /testability/healthy/x");
    assert_eq!(response.extensions().get::<RouteName>(), None, "an unknown path has no route");
}

#[test]
fn forcing_the_health_state_leaves_a_note_for_the_log() {
    let health = Health::embedded().with_testability(true);
    for (state, note) in [("false", "forced unhealthy"), ("true", "forced healthy")] {
        let response = without_a_store(&health, &format!("GET /testability/healthy/{state}"));
        let Cause(cause) = response.extensions().get().expect("a note");
        assert_eq!(cause.to_string(), note);
    }
}
