//! The client and the process that other tests rely on: they notice what a server does wrong.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use accountservice_host::testing::{Client, Process, SERVING, TIMEOUT, get, is_last};
use bytes::Bytes;
use http::{Method, Response};

/// Serves one connection: sends `bytes`, and then does with the connection what `then` does.
fn serve<T: Send + 'static>(
    bytes: &'static str,
    then: fn(TcpStream) -> T,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        stream.write_all(bytes.as_bytes()).expect("the client reads");
        then(stream)
    });
    (address, thread)
}

/// The result of a client that receives a response from a server that sends `bytes` and closes.
fn receive(method: &Method, bytes: &'static str) -> io::Result<Response<Bytes>> {
    let (address, _) = serve(bytes, drop);
    Client::connect(address).try_response_to(method)
}

fn error_of(bytes: &'static str) -> ErrorKind {
    receive(&Method::GET, bytes).expect_err(bytes).kind()
}

#[test]
fn a_response_is_received_whole() {
    let response = receive(
        &Method::GET,
        "HTTP/1.1 404 Not Found\r\ncontent-length: 3\r\nx: a\r\nx: b\r\nconnection: close\r\n\r\nabc",
    );
    let response = response.expect("a response");
    assert_eq!(response.status(), 404);
    assert_eq!(response.body(), "abc");
    assert_eq!(response.headers().get_all("x").iter().collect::<Vec<_>>(), ["a", "b"]);
    assert!(is_last(&response));
}

#[test]
fn a_body_ends_where_its_framing_says() {
    let body = |method: &Method, bytes| receive(method, bytes).expect(bytes).into_body();
    assert_eq!(body(&Method::GET, "HTTP/1.1 200 OK\r\n\r\nto the end"), "to the end");
    assert_eq!(body(&Method::GET, "HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n"), "");
    assert_eq!(body(&Method::HEAD, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"), "");
}

#[test]
fn responses_are_received_one_after_the_other_without_interim_ones() {
    let (address, _) = serve(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na\
         HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nb",
        drop,
    );
    let mut client = Client::connect(address);
    assert_eq!(client.response().body(), "a");
    assert_eq!(client.response().body(), "b");
    client.expect_close();
}

#[test]
fn an_interim_response_can_be_received_alone() {
    let (address, _) = serve("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", drop);
    let mut client = Client::connect(address);
    assert_eq!(client.try_head().expect("a head").status(), 100);
    assert_eq!(client.response().status(), 204);
}

#[test]
fn malformed_responses_are_errors() {
    for bytes in [
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 Fine\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ncontent-length: +3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
    ] {
        assert_eq!(error_of(bytes), ErrorKind::InvalidData, "{bytes:?}");
    }
}

#[test]
fn the_end_of_a_connection_and_a_reset_are_different_errors() {
    assert_eq!(error_of(""), ErrorKind::UnexpectedEof);

    let (address, server) = serve("", |stream| {
        // Closing with unread bytes resets the connection.
        stream.peek(&mut [0]).expect("a request");
    });
    let mut client = Client::connect(address);
    client.send(get("/"));
    server.join().expect("no panic");
    let error = client.try_response_to(&Method::GET).expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn silence_is_neither_a_response_nor_the_end() {
    const TIME: Duration = Duration::from_millis(50);
    let is_silent = |bytes, then| Client::connect(serve(bytes, then).0).is_silent_for(TIME);
    let keep_open = |mut stream: TcpStream| {
        let _ = stream.read(&mut [0]);
    };
    assert!(is_silent("", keep_open));
    assert!(!is_silent("a", keep_open));
    assert!(!is_silent("", drop));

    let (address, _) = serve("", keep_open);
    let mut client = Client::try_connect(address, TIME).expect("a connection");
    let error = client.try_response_to(&Method::GET).expect_err("a timeout");
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
}

#[test]
#[should_panic(expected = "the server sent more: x")]
fn a_close_after_further_bytes_is_not_a_close() {
    Client::connect(serve("x", drop).0).expect_close();
}

/// A process that prints these lines and then runs this script.
fn shell(script: &str) -> Process {
    Process::spawn(Command::new("sh").args(["-c", script])).expect("a shell")
}

#[test]
fn a_process_is_waited_for_by_its_log_and_its_port() {
    let mut process = shell("echo first; echo 'INFO Starting HTTP service at 6767'; exec sleep 60");
    assert_eq!(process.port(SERVING), 6767);
    assert_eq!(process.log(), ["first", "INFO Starting HTTP service at 6767"]);
    let error = process.try_line("third", Duration::ZERO).expect_err("no such line");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    process.kill();
}

#[test]
fn a_log_that_ends_without_the_line_is_an_error_with_the_reason() {
    let mut process = shell("echo a line; echo the reason >&2");
    let error = process.try_line("Starting", TIMEOUT).expect_err("the process has ended");
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert!(error.to_string().contains("a line"), "{error}");
    assert!(error.to_string().contains("the reason"), "{error}");
}

#[test]
fn the_end_of_a_process_has_its_status_its_errors_and_the_whole_log() {
    let mut process = shell("echo 1; echo 2; echo bad >&2; exit 3");
    let (status, errors) = process.wait();
    assert_eq!((status.code(), errors.as_str()), (Some(3), "bad\n"));
    assert_eq!(process.log(), ["1", "2"]);
}

#[test]
fn a_process_is_ended_by_signals() {
    let script = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done";
    let mut process = shell(script);
    process.line("ready");
    process.stop();

    let mut process = shell(script);
    process.line("ready");
    process.signal("KILL");
    assert_eq!(process.wait().0.code(), None);
}
