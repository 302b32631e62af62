//! The HTTP contract through every kind of event, each with a process of its own: the example
//! `contract`. It is not `bootstrap`, because most of the contract needs what that has not: a store that
//! fails, a shared store, accounts that seeding does not give, and a host that drains.

use std::path::PathBuf;
use std::sync::LazyLock;

use accountservice_core::testing::{HttpContract, SITUATION, request};
use accountservice_host::testing::build_binary;
use accountservice_lambda_emulator::Edge;
use accountservice_lambda_emulator::Kind::{Alb, AlbMulti, Url, V1, V2};

use super::Function;

static EXAMPLE: LazyLock<PathBuf> = LazyLock::new(|| {
    let example = ["--package", env!("CARGO_PKG_NAME"), "--example=contract"];
    build_binary(&example).expect("the example builds")
});

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
fn check(edge: &Edge, base_path: &str, prefix: &str, exceptions: &[(&'static str, &'static str)]) {
    let contract = exceptions
        .iter()
        .fold(HttpContract::new(), |contract, (line, reason)| contract.except(line, reason));
    let function = Function::of(&EXAMPLE, &[("ACCOUNTSERVICE_BASE_PATH", base_path)]);
    contract.check(|service| {
        let function = &function;
        move |method, target: &str| {
            let mut request = request(&format!("{method} {target}"));
            let situation = service.situation().parse().expect("a header");
            request.headers_mut().insert(SITUATION, situation);
            let mut response = function.respond(edge, &request);
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
    check(&Edge::new(V2), "", "", DECODED);
    check(&Edge::new(V2).stage("prod"), "", "/prod", DECODED);
    check(&Edge::new(V2).base_path("bank"), "/bank", "/bank", DECODED);
    check(&Edge::new(V2).stage("prod").base_path("bank"), "/bank", "/bank", DECODED);
}

#[test]
fn events_of_a_rest_api_keep_the_contract() {
    check(&Edge::new(V1), "", "", &[EMPTY_QUERY]);
    check(&Edge::new(V1).stage("prod"), "", "/prod", &[EMPTY_QUERY]);
    check(&Edge::new(V1).stage("prod").base_path("bank"), "/bank", "/bank", &[EMPTY_QUERY]);
}

#[test]
fn events_of_a_function_url_keep_the_contract() {
    check(&Edge::new(Url), "", "", &[EMPTY_QUERY]);
}

#[test]
fn events_of_a_load_balancer_keep_the_contract() {
    check(&Edge::new(Alb), "", "", &[EMPTY_QUERY]);
}

#[test]
fn events_of_a_load_balancer_with_multi_value_headers_keep_the_contract() {
    check(&Edge::new(AlbMulti), "", "", &[EMPTY_QUERY]);
}
