//! The service inside an axum application, over a socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use accountservice_core::testing::{ContractService, HttpContract};
use accountservice_host::testing::Client;
use accountservice_host::{Exchanges, Handler};
use accountservice_host_tower::TowerHost;
use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::{Method, Request, Response};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

const MAX_BODY: usize = 1000;

/// An application on a thread of its own.
struct Application {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Application {
    fn start(router: Router) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    served = axum::serve(listener, router) => served.expect("axum serves"),
                    _ = stopped => {}
                }
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    fn client(&self) -> Client {
        Client::connect(self.address)
    }

    fn ask(&self, method: &Method, target: &str) -> Response<Bytes> {
        let response = self.client().try_request(method, target);
        response.unwrap_or_else(|error| panic!("{method} {target}: {error}"))
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the application panicked");
        }
    }
}

fn host(handler: impl Handler) -> TowerHost<impl Handler> {
    TowerHost::new(handler, Exchanges::new(MAX_BODY, Arc::new(())))
}

fn contract_host(service: Arc<ContractService>) -> TowerHost<impl Handler> {
    host(move |request: Request<Bytes>| {
        let service = Arc::clone(&service);
        async move { service.respond(request).await }
    })
}

async fn echo(request: Request<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(request.into_body());
    let length = response.body().len().into();
    response.headers_mut().insert("content-length", length);
    response
}

#[test]
fn a_service_that_is_an_applications_fallback_keeps_the_http_contract() {
    HttpContract::new().check(|service| {
        let router = Router::new()
            .route("/of-the-application", get(|| async { "its own" }))
            .fallback_service(contract_host(service));
        let application = Application::start(router);
        move |method, target: &str| application.ask(&method, target)
    });
}

#[test]
fn a_service_below_a_prefix_keeps_the_http_contract_and_redirects_below_the_prefix() {
    let reason = "axum removes the first empty segment behind the prefix";
    HttpContract::new().except("GET //accounts/10000", reason).check(|service| {
        let host = contract_host(service).mounted_at("/bank");
        let application = Application::start(Router::new().nest_service("/bank", host));
        move |method, target: &str| {
            let mut response = application.ask(&method, &format!("/bank{target}"));
            if let Some(location) = response.headers_mut().get_mut("location") {
                let path = location.to_str().expect("ASCII").strip_prefix("/bank");
                *location = path.expect("the prefix").parse().expect("a header");
            }
            response
        }
    });
}

#[test]
fn only_a_location_that_is_a_path_gets_the_prefix() {
    for (location, prefixed) in [
        ("/accounts/10000?q", "/bank/accounts/10000?q"),
        ("//other.example/", "//other.example/"),
        ("https://other.example/", "https://other.example/"),
        ("relative", "relative"),
    ] {
        let host = host(move |_| async move {
            let mut response = Response::new(Bytes::new());
            response.headers_mut().insert("location", location.parse().expect("a header"));
            response
        });
        let router = Router::new().nest_service("/bank", host.mounted_at("/bank"));
        let response = Application::start(router).ask(&Method::GET, "/bank/");
        assert_eq!(response.headers()["location"], prefixed);
    }
}

#[test]
fn a_body_reaches_the_handler_up_to_the_bound() {
    let application = Application::start(Router::new().fallback_service(host(echo)));
    let body = "x".repeat(MAX_BODY);
    for head in [
        format!("Content-Length: {MAX_BODY}\r\n\r\n{body}"),
        format!("Transfer-Encoding: chunked\r\n\r\n{MAX_BODY:x}\r\n{body}\r\n0\r\n\r\n"),
    ] {
        let mut client = application.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: test\r\n{head}"));
        assert_eq!(client.response().body(), &body);
    }
}

#[test]
fn a_body_above_the_bound_is_a_413() {
    let application = Application::start(Router::new().fallback_service(host(echo)));
    let (size, body) = (MAX_BODY + 1, "x".repeat(MAX_BODY + 1));
    for head in [
        format!("Content-Length: {size}\r\n\r\n{body}"),
        format!("Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n{body}\r\n0\r\n\r\n"),
    ] {
        let mut client = application.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: test\r\n{head}"));
        let response = client.response();
        assert_eq!(response.status(), 413);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
}

#[test]
fn a_malformed_body_is_a_400() {
    let application = Application::start(Router::new().fallback_service(host(echo)));
    let mut client = application.client();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n");
    assert_eq!(client.response().status(), 400);
}

#[test]
fn a_handler_that_panics_costs_one_request() {
    let host = host(|request: Request<Bytes>| async move {
        assert_eq!(request.uri().path(), "/sound", "not this path");
        Response::new(Bytes::new())
    });
    let application = Application::start(Router::new().fallback_service(host));
    let mut client = application.client();
    assert_eq!(client.get("/").status(), 500);
    assert_eq!(client.get("/sound").status(), 200);
}

#[test]
fn a_response_has_the_clients_request_id_or_a_new_one() {
    let application = Application::start(Router::new().fallback_service(host(echo)));
    let mut client = application.client();
    client.send("GET / HTTP/1.1\r\nHost: test\r\nX-Request-Id: mine\r\n\r\n");
    assert_eq!(client.response().headers()["x-request-id"], "mine");
    assert_eq!(client.get("/").headers()["x-request-id"].len(), 16);
}
