//! Pipelined requests get their responses in order, and none waits for a request behind it.

use std::time::Duration;

use accountservice_host::testing::{Client, get};

use crate::handlers::target_and_body;
use crate::server::{TestServer, config};

fn start() -> TestServer {
    TestServer::start(config(), target_and_body)
}

fn requests(count: usize) -> String {
    (0..count).map(|i| get(&format!("/{i}"))).collect()
}

fn expect_responses(client: &mut Client, count: usize) {
    for i in 0..count {
        assert_eq!(client.response().body(), &format!("/{i} "));
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = start();
    let mut client = server.connect();
    client.send(requests(500));
    expect_responses(&mut client, 500);
    assert_eq!(client.get("/after").body(), "/after ");
}

#[test]
fn a_client_that_ends_its_sending_side_gets_all_its_responses() {
    let server = start();
    let mut client = server.connect();
    client.send(requests(100));
    client.end();
    expect_responses(&mut client, 100);
    client.expect_close();
}

#[test]
fn a_client_may_end_its_sending_side_right_after_a_body() {
    let server = start();
    for _ in 0..20 {
        let mut client = server.connect();
        client.send("POST /1 HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nab");
        client.end();
        assert_eq!(client.response().body(), "/1 ab");
        client.expect_close();
    }
}

#[test]
fn a_response_does_not_wait_for_the_rest_of_the_next_request() {
    let server = start();
    let next = get("/next");
    for cut in [1, 3, 9, next.len() - 1] {
        let mut client = server.connect();
        let (start, end) = next.split_at(cut);
        client.send(get("/whole") + start);
        assert_eq!(client.response().body(), "/whole ");
        assert!(client.is_silent_for(Duration::from_millis(50)));
        client.send(end);
        assert_eq!(client.response().body(), "/next ");
        assert_eq!(client.get("/after").body(), "/after ");
    }
}
