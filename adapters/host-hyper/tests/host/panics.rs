//! A handler that panics costs one request.

use accountservice_host::testing::is_last;
use bytes::Bytes;
use http::{Request, Response};
use tokio::task::yield_now;

use crate::handlers::echo;
use crate::server::{TestServer, config};

/// Panics at once for `/panic`, and after an await for `/later`.
async fn handler(request: Request<Bytes>) -> Response<Bytes> {
    if request.uri().path() == "/later" {
        yield_now().await;
        panic!("after an await");
    }
    echo(request).await
}

fn start() -> TestServer {
    TestServer::start(config(), |request: Request<Bytes>| {
        // Before there is a future.
        assert_ne!(request.uri().path(), "/panic", "as the test says");
        handler(request)
    })
}

#[test]
fn a_handler_that_panics_costs_one_request() {
    let server = start();
    let (mut client, mut other) = (server.connect(), server.connect());
    for path in ["/panic", "/later"].repeat(5) {
        let response = client.get(path);
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(
            response.body(),
            r#"{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"The request could not be answered."}"#
        );
        assert!(!is_last(&response));
        assert_eq!(client.get("/").status(), 200, "the same connection is served");
        assert_eq!(other.get("/").status(), 200);
    }
    client.send("POST /panic HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nab");
    assert_eq!(client.response().status(), 500);
    assert_eq!(client.get("/").status(), 200);
    for mut client in [(); 8].map(|()| server.connect()) {
        assert_eq!(client.get("/").status(), 200, "every worker is alive");
    }
}

#[test]
fn pipelined_requests_behind_a_panic_are_answered() {
    let server = start();
    let mut client = server.connect();
    let get = accountservice_host::testing::get;
    client.send(get("/") + &get("/later") + &get("/panic") + &get("/"));
    let statuses = [(); 4].map(|()| client.response().status().as_u16());
    assert_eq!(statuses, [200, 500, 500, 200]);
}
