//! The bare core against the HTTP contract.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use accountservice_core::testing::{HttpContract, RemoteContractService, SITUATION, request};
use http::StatusCode;

#[test]
fn the_core_keeps_the_http_contract() {
    HttpContract::new().check(|service| {
        move |method, target: &str| service.handle(request(&format!("{method} {target}")))
    });
}

#[test]
fn the_awaited_core_keeps_the_http_contract() {
    HttpContract::new().check(|service| {
        move |method, target: &str| {
            let service = Arc::clone(&service);
            let respond =
                pin!(async move { service.respond(request(&format!("{method} {target}"))).await });
            match respond.poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(response) => response,
                Poll::Pending => panic!("an embedded store answers at once"),
            }
        }
    });
}

#[test]
#[should_panic(expected = "GET /health holds and needs no exception (a made-up reason)")]
fn an_exception_that_is_not_needed_fails_the_contract() {
    HttpContract::new().except("GET /health", "a made-up reason").check(|service| {
        move |method, target: &str| service.handle(request(&format!("{method} {target}")))
    });
}

#[test]
fn an_excepted_request_may_differ() {
    HttpContract::new().except("GET /accounts/1000", "this test breaks it").check(|service| {
        move |method, target: &str| {
            let mut response = service.handle(request(&format!("{method} {target}")));
            if method == "GET" && target == "/accounts/1000" {
                *response.status_mut() = StatusCode::GONE;
            }
            response
        }
    });
}

#[test]
#[should_panic(expected = "--- a known account is answered: GET /accounts/10000")]
fn a_response_that_differs_fails_the_contract() {
    HttpContract::new().check(|service| {
        move |method, target: &str| {
            let mut response = service.handle(request(&format!("{method} {target}")));
            response.headers_mut().remove("content-type");
            response
        }
    });
}

#[test]
fn a_core_in_another_process_keeps_the_http_contract() {
    let remote = RemoteContractService::default();
    HttpContract::new().check(|service| {
        let remote = &remote;
        move |method, target: &str| {
            let mut request = request(&format!("{method} {target}"));
            let situation = service.situation().parse().expect("a header value");
            request.headers_mut().insert(SITUATION, situation);
            let respond = pin!(remote.respond(request));
            match respond.poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(response) => response,
                Poll::Pending => panic!("an embedded store answers at once"),
            }
        }
    });
}
