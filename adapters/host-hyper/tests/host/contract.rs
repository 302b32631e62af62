//! The HTTP contract of the core, over a socket.

use std::sync::Arc;

use accountservice_core::testing::HttpContract;
use bytes::Bytes;
use http::{Request, Response};

use crate::server::{TestServer, config};

#[test]
fn a_service_on_this_host_keeps_the_http_contract() {
    HttpContract::new().check(|service| {
        let server = TestServer::start(config(), move |request: Request<Bytes>| {
            let service = Arc::clone(&service);
            async move { service.respond(request).await }
        });
        move |method, target: &str| {
            let response = server.connect().try_request(&method, target);
            response.unwrap_or_else(|error| panic!("{method} {target}: {error}"))
        }
    });
}

#[test]
fn a_test_with_a_handler_of_its_own_is_three_lines() {
    let server = TestServer::start(config(), |_| async { Response::new("hi".into()) });
    let response = server.connect().get("/");
    assert_eq!(response.body(), "hi");
}
