//! Clients that leave, or that stay and do not listen.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::{PATIENCE, start, still_serves};

const REQUEST: &[u8] = b"GET /accounts/1 HTTP/1.1\r\nHost: test\r\n\r\n";

#[test]
fn clients_that_leave_in_the_middle_are_nobodys_loss() {
    let server = start(&Arc::default(), 2);
    for round in 0..300 {
        let mut stream = TcpStream::connect(server.address).expect("a connection");
        // Nothing, a part of a head, of a body, and answers that nobody fetches, which resets.
        let bytes = match round % 4 {
            0 => Vec::new(),
            1 => REQUEST[..20].to_vec(),
            2 => {
                b"POST /accounts/1 HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nhalf".to_vec()
            }
            _ => REQUEST.repeat(50),
        };
        stream.write_all(&bytes).expect("the server listens");
    }
    still_serves(server.address).expect("as before");
}

#[test]
fn a_client_that_does_not_listen_is_stopped_and_holds_up_nobody() {
    const BLOCK: usize = 1000;
    let server = start(&Arc::default(), 2);
    let mut deaf = TcpStream::connect(server.address).expect("a connection");
    deaf.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let requests = REQUEST.repeat(BLOCK);
    let mut sent = 0;
    while deaf.write_all(&requests).is_ok() {
        sent += requests.len();
        assert!(sent < 64 << 20, "the server takes requests whose answers nobody fetches");
    }
    // One connection for each worker, and then some.
    for _ in 0..4 {
        still_serves(server.address).expect("the others are served");
    }
    let deadline = Instant::now() + PATIENCE;
    let mut buffer = vec![0; 1 << 20];
    deaf.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    // What waits for the client comes to it, and then an end, be it a reset.
    while deaf.read(&mut buffer).is_ok_and(|length| length > 0) {
        assert!(Instant::now() < deadline, "the connection has no end");
    }
}
