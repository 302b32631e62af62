//! The questions that the core asks its store, and the details that it keeps to itself.

use accountservice_core::response::{Cause, RouteName};
use accountservice_core::testing::{MockAccountStore, render, request};
use accountservice_core::{Account, AccountId, AccountService, HostState, StoreError};
use expect_test::{Expect, expect};

fn check(store: MockAccountStore, line: &str, response: &Expect) {
    let service = AccountService::new(store, "10.0.0.3").with_testability(true);
    response.assert_eq(&render(&service.handle(request(line))));
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
fn a_rejected_request_never_reaches_the_store() {
    let too_long = format!("GET /accounts/{}", "x".repeat(65));
    let table = [
        (too_long.as_str(), 404),
        ("GET /accounts/%ff", 400),
        ("GET /accounts/", 404),
        ("GET /accounts/10000/", 301),
        ("POST /accounts/10000", 405),
        ("DELETE /accounts/10000", 405),
        ("POST /health", 405),
        ("POST /health/live", 405),
        ("POST /health/ready", 405),
        ("GET /health/", 301),
        ("GET /nowhere", 404),
        ("GET /testability/healthy/false", 200),
        ("HEAD /testability/healthy/false", 405),
        ("GET /testability/healthy/maybe", 400),
    ];
    for (line, status) in table {
        // A mock without expectations: any call fails the test.
        let store = MockAccountStore::new();
        let service = AccountService::new(store, "").with_testability(true);
        assert_eq!(service.handle(request(line)).status(), status, "{line}");
    }
}

#[test]
fn a_state_that_decides_before_the_store_leaves_the_store_alone() {
    let draining = HostState { draining: true, ..HostState::default() };
    let stalled = HostState { stalled: true, ..HostState::default() };
    let overloaded = HostState { overloaded: true, ..HostState::default() };
    for (host, line, body) in [
        (draining, "GET /health", r#"{"status":"Shutting down"}"#),
        (stalled, "GET /health/live", r#"{"status":"Stuck"}"#),
        (overloaded, "GET /health/ready", r#"{"status":"Overloaded"}"#),
    ] {
        let service = AccountService::new(MockAccountStore::new(), "");
        let mut request = request(line);
        request.extensions_mut().insert(host);
        assert_eq!(service.handle(request).body(), body);
    }
}

#[test]
fn the_cause_of_a_503_is_an_extension_and_not_in_the_response() {
    let mut store = MockAccountStore::new();
    store.expect_find().returning(|_| Err(StoreError::new("find an account", "page 7 is torn")));
    store.expect_check().returning(|| Err(StoreError::new("read a record", "page 7 is torn")));
    let service = AccountService::new(store, "");

    for line in ["GET /accounts/1", "GET /health", "GET /health/live", "GET /health/ready"] {
        let response = service.handle(request(line));
        assert_eq!(response.status(), 503);
        assert!(!render(&response).contains("torn"), "{line} shows the cause to the client");
        let Cause(cause) = response.extensions().get().expect("a 503 has a cause");
        assert_eq!(cause.source().expect("a cause has a source").to_string(), "page 7 is torn");
    }
}

#[test]
fn responses_for_a_path_of_accounts_name_the_route_unless_that_is_switched_off() {
    let service = || AccountService::new(MockAccountStore::new(), "10.0.0.3");
    let name = |service: AccountService<_>, line| {
        service.handle(request(line)).extensions().get::<RouteName>().copied()
    };
    let accounts = Some(RouteName("/accounts/{id}"));
    for line in ["GET /accounts/%zz", "GET /accounts/1/", "POST /accounts/1"] {
        assert_eq!(name(service(), line), accounts, "{line}");
        assert_eq!(name(service().with_route_names(false), line), None, "{line}");
    }
    assert_eq!(name(service(), "GET /accounts/1/2"), None, "an unknown path has no route");
    let health = name(service().with_route_names(false), "POST /health");
    assert_eq!(health, Some(RouteName("/health")));
}
