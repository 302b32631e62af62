//! What the core asks of its store, and what it keeps to itself.

use accountservice_core::response::Cause;
use accountservice_core::testing::{MockAccountStore, http_contract::request, render};
use accountservice_core::{Account, AccountId, AccountService, HostState, StoreError};
use expect_test::{Expect, expect};
use http::Method;

fn check(store: MockAccountStore, request_line: &str, answer: &Expect) {
    let (method, target) = request_line.split_once(' ').expect("METHOD target");
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let service = AccountService::new(store, "10.0.0.3").with_testability(true);
    answer.assert_eq(&render(&service.handle(request(method, target))));
}

/// A mock that expects nothing: any call fails the test.
fn untouched() -> MockAccountStore {
    MockAccountStore::new()
}

#[test]
fn the_store_is_asked_once_for_the_decoded_id() {
    let mut store = MockAccountStore::new();
    store
        .expect_find()
        .withf(|id| id.as_str() == "a/ü")
        .once()
        .returning(|id: &AccountId| Ok(Some(Account { id: id.clone(), name: "Åsa".into() })));
    check(
        store,
        "GET /accounts/a%2F%C3%BC",
        &expect![[r#"
            200 OK
            content-length: 49
            content-type: application/json

            {"id":"a/ü","name":"Åsa","servedBy":"10.0.0.3"}
        "#]],
    );
}

#[test]
fn an_unknown_account_is_a_404_and_the_store_was_asked_once() {
    let mut store = MockAccountStore::new();
    store.expect_find().once().returning(|_| Ok(None));
    check(
        store,
        "GET /accounts/999",
        &expect![[r#"
            404 Not Found
            content-length: 100
            content-type: application/problem+json

            {"type":"about:blank","title":"Not Found","status":404,"detail":"There is no account with this id."}
        "#]],
    );
}

#[test]
fn health_asks_the_store_to_check_itself_once() {
    let mut store = MockAccountStore::new();
    store.expect_check().once().returning(|| Ok(()));
    check(
        store,
        "GET /health",
        &expect![[r#"
            200 OK
            cache-control: no-store
            content-length: 15
            content-type: application/json

            {"status":"UP"}
        "#]],
    );
}

#[test]
fn what_is_turned_down_never_reaches_the_store() {
    let too_long = format!("GET /accounts/{}", "x".repeat(65));
    let table = [
        (too_long.as_str(), 404),
        ("GET /accounts/%ff", 400),
        ("GET /accounts/", 404),
        ("GET /accounts/10000/", 301),
        ("POST /accounts/10000", 405),
        ("DELETE /accounts/10000", 405),
        ("POST /health", 405),
        ("GET /health/", 301),
        ("GET /nowhere", 404),
        ("GET /testability/healthy/false", 200),
        ("HEAD /testability/healthy/false", 405),
        ("GET /testability/healthy/maybe", 400),
    ];
    for (line, status) in table {
        let (method, target) = line.split_once(' ').expect("METHOD target");
        let service = AccountService::new(untouched(), "").with_testability(true);
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let answer = service.handle(request(method, target));
        assert_eq!(answer.status(), status, "{line}");
    }
}

#[test]
fn a_forced_or_draining_service_does_not_ask_the_store_for_its_health() {
    let service = AccountService::new(untouched(), "");
    service.health().force(false);
    assert_eq!(
        service.handle(request(Method::GET, "/health")).body(),
        r#"{"status":"Forced unhealthy"}"#
    );
    service.health().drain();
    assert_eq!(
        service.handle(request(Method::GET, "/health")).body(),
        r#"{"status":"Shutting down"}"#
    );
}

#[test]
fn the_cause_of_a_503_travels_beside_the_answer_and_not_in_it() {
    let mut store = MockAccountStore::new();
    store.expect_find().returning(|_| Err(StoreError::new("find an account", "page 7 is torn")));
    store.expect_check().returning(|| Err(StoreError::new("read a record", "page 7 is torn")));
    let service = AccountService::new(store, "");

    for path in ["/accounts/1", "/health"] {
        let answer = service.handle(request(Method::GET, path));
        assert_eq!(answer.status(), 503);
        assert!(!render(&answer).contains("torn"), "the client learns nothing of the cause");
        let Cause(cause) = answer.extensions().get().expect("a 503 has a cause");
        assert_eq!(cause.source().expect("a cause has a source").to_string(), "page 7 is torn");
    }
}

#[test]
fn an_overloaded_host_is_healthy_and_asks_all_others_to_come_back() {
    let mut store = MockAccountStore::new();
    store.expect_check().once().returning(|| Ok(()));
    let service = AccountService::new(store, "");
    let ask = |target| {
        let mut request = request(Method::GET, target);
        request.extensions_mut().insert(HostState { overloaded: true, stalled: false });
        service.handle(request)
    };

    assert_eq!(ask("/health").status(), 200);
    let answer = ask("/accounts/10000");
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
}

#[test]
fn a_host_with_a_request_stuck_in_the_store_is_not_healthy() {
    let service = AccountService::new(untouched(), "");
    let mut request = request(Method::GET, "/health");
    request.extensions_mut().insert(HostState { overloaded: true, stalled: true });

    let answer = service.handle(request);

    assert_eq!(answer.status(), 503);
    assert_eq!(answer.body(), r#"{"status":"Database unaccessible"}"#);
}
