//! The HTTP contract through every kind of event.

use std::sync::Arc;

use accountservice_core::testing::{HttpContract, request};
use accountservice_lambda_emulator::{Edge, Kind};
use bytes::Bytes;
use http::Request;

use super::Function;

/// What no event carries.
const EMPTY_QUERY: (&str, &str) =
    ("GET /accounts/a%2Fb/?", "an event does not tell an empty query from none");

/// What an HTTP API has decoded, or cannot decode.
#[rustfmt::skip]
const DECODED: &[(&str, &str)] = &[
    ("GET /accounts/a%2Fb", "an HTTP API decodes %2F"),
    ("GET /accounts/a%2fb", "an HTTP API decodes %2F"),
    ("GET /accounts/a%2Fb/?", "an HTTP API decodes %2F"),
    ("GET /accounts%2F10000", "an HTTP API decodes %2F"),
    ("GET /health%2Flive", "an HTTP API decodes %2F"),
    ("GET /%68ealth", "an HTTP API decodes the whole path"),
    ("GET /accounts/%", "an HTTP API leaves % as it is, and decodes %25 to the same"),
    ("GET /accounts/%1", "an HTTP API leaves % as it is, and decodes %25 to the same"),
    ("GET /accounts/1%", "an HTTP API leaves % as it is, and decodes %25 to the same"),
    ("GET /accounts/%zz", "an HTTP API leaves % as it is, and decodes %25 to the same"),
    ("GET /accounts/%3g", "an HTTP API leaves % as it is, and decodes %25 to the same"),
    ("GET /accounts/%+1", "an HTTP API leaves % as it is, and decodes %25 to the same"),
    ("GET /accounts/10000%2", "an HTTP API leaves % as it is, and decodes %25 to the same"),
    ("GET /accounts/%ff", "JSON has no bytes that are not UTF-8"),
    ("HEAD /accounts/%ff", "JSON has no bytes that are not UTF-8"),
    ("GET /accounts/%C3", "JSON has no bytes that are not UTF-8"),
    ("GET /accounts/%C3%28", "JSON has no bytes that are not UTF-8"),
    ("GET /accounts/%ED%A0%80", "JSON has no bytes that are not UTF-8"),
    ("GET /accounts/%C0%AF", "JSON has no bytes that are not UTF-8"),
    ("GET /accounts/%F5%80%80%80", "JSON has no bytes that are not UTF-8"),
];

/// Runs the contract with redirects below `prefix`.
fn check(
    edge: &Edge,
    base_path: &'static str,
    prefix: &str,
    exceptions: &[(&'static str, &'static str)],
) {
    let contract = exceptions
        .iter()
        .fold(HttpContract::new(), |contract, (line, reason)| contract.except(line, reason));
    contract.check(|service| {
        let handler = move |request: Request<Bytes>| {
            let service = Arc::clone(&service);
            async move { service.respond(request).await }
        };
        let function = Function::start(handler, base_path);
        move |method, target: &str| {
            let event = edge.event(&request(&format!("{method} {target}")));
            let mut response = edge.response(&function.response(&event));
            if let Some(location) = response.headers_mut().get_mut("location") {
                let path = location.to_str().expect("ASCII").strip_prefix(prefix);
                *location = path.expect("the prefix").parse().expect("a header");
            }
            response
        }
    });
}

#[test]
fn events_of_an_http_api_keep_the_contract() {
    check(&Edge::new(Kind::V2), "", "", DECODED);
    check(&Edge::new(Kind::V2).stage("prod"), "", "/prod", DECODED);
    check(&Edge::new(Kind::V2).base_path("bank"), "/bank", "/bank", DECODED);
    check(&Edge::new(Kind::V2).stage("prod").base_path("bank"), "/bank", "/bank", DECODED);
}

#[test]
fn events_of_a_rest_api_keep_the_contract() {
    check(&Edge::new(Kind::V1), "", "", &[EMPTY_QUERY]);
    check(&Edge::new(Kind::V1).stage("prod"), "", "/prod", &[EMPTY_QUERY]);
    check(&Edge::new(Kind::V1).stage("prod").base_path("bank"), "/bank", "/bank", &[EMPTY_QUERY]);
}

#[test]
fn events_of_a_function_url_keep_the_contract() {
    check(&Edge::new(Kind::Url), "", "", &[EMPTY_QUERY]);
}

#[test]
fn events_of_a_load_balancer_keep_the_contract() {
    check(&Edge::new(Kind::Alb), "", "", &[EMPTY_QUERY]);
}

#[test]
fn events_of_a_load_balancer_with_multi_value_headers_keep_the_contract() {
    check(&Edge::new(Kind::AlbMulti), "", "", &[EMPTY_QUERY]);
}
