//! One connection: how long it is kept, and what belongs to which request.

use http::{Method, Version};

use accountservice_host::testing::{get, is_last};

use crate::handlers::{echo, target_and_body};
use crate::server::{TestServer, config};

fn start() -> TestServer {
    TestServer::start(config(), target_and_body)
}

#[test]
fn a_connection_serves_many_requests_one_after_the_other() {
    let server = start();
    let mut client = server.connect();
    for i in 0..1000 {
        let response = client.get(&format!("/{i}"));
        assert_eq!(response.version(), Version::HTTP_11);
        assert_eq!(response.headers().get("connection"), None);
        assert_eq!(response.body(), &format!("/{i} "));
    }
}

#[test]
fn every_response_has_one_date() {
    let server = start();
    let response = server.connect().get("/");
    let dates: Vec<_> = response.headers().get_all("date").iter().collect();
    // Sun, 06 Nov 1994 08:49:37 GMT
    assert!(matches!(dates[..], [date] if date.len() == 29 && date.as_bytes().ends_with(b" GMT")));
}

#[test]
fn a_response_to_head_has_no_body() {
    let server = start();
    let mut client = server.connect();
    let response = client.try_request(&Method::HEAD, "/1").expect("a response");
    assert_eq!(response.body(), "");
    assert_eq!(client.get("/2").body(), "/2 ");
}

#[test]
fn a_body_belongs_to_its_request_alone() {
    let server = start();
    let mut client = server.connect();
    let request = "POST /1 HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nGET / HTT";
    client.send(request.to_owned() + &get("/2"));
    assert_eq!(client.response().body(), "/1 GET / HTT");
    assert_eq!(client.response().body(), "/2 ");
}

#[test]
fn http_1_0_closes_unless_the_client_asks_to_keep_the_connection() {
    let server = start();
    let mut client = server.connect();
    client.send("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(client.response().headers()["connection"], "keep-alive");
    client.send("GET /2 HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().body(), "/2 ");
    client.expect_close();
}

#[test]
fn connection_close_is_honoured_and_returned() {
    let server = start();
    let mut client = server.connect();
    client.send("GET /1 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    assert!(is_last(&client.response()));
    client.expect_close();
}

#[test]
fn a_chunked_request_is_the_last_of_its_connection() {
    let server = start();
    let mut client = server.connect();
    client.send("POST /1 HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n".to_owned() + &get("/2"));
    let response = client.response();
    assert_eq!(response.body(), "/1 abcde");
    assert!(is_last(&response));
    client.expect_close();
}

#[test]
fn an_offered_upgrade_is_ignored() {
    let server = TestServer::start(config(), echo);
    // Java's client offers HTTP/2 with each first request.
    for offer in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
    ] {
        let mut client = server.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{offer}Content-Length: 2\r\n\r\nhi"));
        let response = client.response();
        assert_eq!((response.status().as_u16(), &response.body()[..]), (200, &b"hi"[..]));
        assert_eq!(client.get("/").status(), 200, "the connection is kept");
    }
}

#[test]
fn connect_opens_no_tunnel() {
    let server = TestServer::start(config(), echo);
    let mut client = server.connect();
    client.send("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n".to_owned() + &get("/"));
    // RFC 9110, section 9.3.6: a 2xx response to CONNECT has no body.
    assert_eq!(client.try_head().expect("a response").status(), 200);
    client.expect_close();
}
