//! Which responses are healthy, and what the line says about the others.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use crate::server::{RefusingPort, Server, request, wait_for_close};
use crate::{probe, run};

const UP: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"status\":\"UP\"}";

#[test]
fn a_complete_200_is_healthy() {
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\n\r\nok",
        "HTTP/1.1 200 OK\r\n\r\n",
        // Sent to HTTP/1.0 by servers that ignore the version.
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ] {
        let server = Server::responding(response);
        probe(server.port, &[]).is_healthy();
        assert_eq!(server.connections(), 1);
    }
}

#[test]
fn a_complete_200_is_healthy_before_the_server_closes() {
    let server = Server::new(|mut stream, _| {
        request(&mut stream);
        stream.write_all(UP).unwrap();
        wait_for_close(&mut stream);
    });
    let run = probe(server.port, &["--timeout", "3s"]);
    run.is_healthy();
    assert!(run.took < Duration::from_secs(2), "{:?}", run.took);
}

#[test]
fn the_request_is_one_plain_http_1_0_get() {
    let (sender, requests) = mpsc::channel();
    let server = Server::new(move |mut stream, _| {
        sender.send(request(&mut stream)).unwrap();
        stream.write_all(UP).unwrap();
    });
    probe(server.port, &["--path", "/live?full=1"]).is_healthy();
    let port = server.port;
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        requests.recv().unwrap(),
        format!(
            "GET /live?full=1 HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\
             User-Agent: healthchecker/{version}\r\nConnection: close\r\n\r\n"
        )
    );
}

#[test]
fn the_response_is_read_to_its_end_so_that_the_server_sees_no_reset() {
    for (head, status) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n", Some(0)),
        ("HTTP/1.1 200 OK\r\n\r\n", Some(0)),
        ("HTTP/1.1 503 No\r\nContent-Length: 40000\r\n\r\n", Some(1)),
    ] {
        let (sender, ends) = mpsc::channel();
        let server = Server::new(move |mut stream, _| {
            request(&mut stream);
            stream.write_all(head.as_bytes()).unwrap();
            let sent = stream.write_all(&vec![b'x'; 40_000]);
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            sender.send(sent.and_then(|()| stream.read(&mut [0]))).unwrap();
        });
        assert_eq!(probe(server.port, &[]).status, status, "{head}");
        assert_eq!(ends.recv().unwrap().expect("a reset"), 0, "{head}");
    }
}

#[test]
fn every_other_status_is_down_and_shown_with_its_body() {
    let server = Server::responding(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 34\r\n\r\n{\"status\":\"Database unaccessible\"}",
    );
    let port = server.port;
    probe(port, &[]).is_down_timed(&format!(
        "DOWN 503 {{\"status\":\"Database unaccessible\"}} {{time}} 127.0.0.1:{port}/health"
    ));
    for status in [100, 101, 201, 204, 206, 304, 404, 500, 599] {
        let server =
            Server::responding(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"));
        let port = server.port;
        probe(port, &[]).is_down_timed(&format!("DOWN {status} {{time}} 127.0.0.1:{port}/health"));
    }
}

#[test]
fn a_redirect_is_down_and_not_followed() {
    let server =
        Server::responding("HTTP/1.1 301 Moved\r\nLocation: /health\r\nContent-Length: 0\r\n\r\n");
    let port = server.port;
    probe(port, &[]).is_down_timed(&format!("DOWN 301 {{time}} 127.0.0.1:{port}/health"));
    assert_eq!(server.connections(), 1);
}

#[test]
fn proxy_variables_are_ignored() {
    let proxy = Server::responding(UP);
    let server = Server::responding("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_healthchecker"));
    for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(variable, format!("http://127.0.0.1:{}", proxy.port));
    }
    let output = command.arg(format!("-port={}", server.port)).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!((server.connections(), proxy.connections()), (1, 0));
}

#[test]
fn control_characters_of_the_server_are_never_echoed() {
    let body = b"\x1b[2J\x1b]0;gone\x07 caf\xc3\xa9\0\x7f\x9b\ttab\r\nDOWN 200\r\n";
    let mut response =
        format!("HTTP/1.1 503 No\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    response.extend(body);
    let server = Server::responding(response);
    let port = server.port;
    probe(port, &[]).is_down_timed(&format!(
        "DOWN 503 ?[2J?]0;gone? caf??????tab??DOWN 200 {{time}} 127.0.0.1:{port}/health"
    ));
    let server = Server::responding(&b"\x1b[31mred\x1b[0m\n"[..]);
    probe(server.port, &[]).is_down(&format!(
        "DOWN malformed response: no HTTP/1 status line: ?[31mred?[0m 127.0.0.1:{}/health",
        server.port
    ));
}

#[test]
fn a_long_body_and_a_long_path_leave_room_for_cause_and_address() {
    let path = format!("/{}", "p".repeat(5000));
    for (response, start) in [
        (format!("HTTP/1.1 503 No\r\n\r\n{}", "b".repeat(9000)), "DOWN 503 bbbbb"),
        (
            format!(
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
                "b".repeat(9000)
            ),
            "DOWN malformed response: conflicting Content-Length fields, status 200: bbbbb",
        ),
    ] {
        let server = Server::responding(response);
        let run = probe(server.port, &["--path", &path, "--wait", "400ms"]);
        let line = run.down();
        assert!(line.starts_with(start), "{line}");
        assert!(line.contains("bbb... "), "{line}");
        assert!(line.contains(&format!(" 127.0.0.1:{}/pppppppp", server.port)), "{line}");
        assert!(line.ends_with("ppp... after waiting 400ms"), "{line}");
        assert_eq!(line.len(), 254, "the room is used: {line}");
    }
}

#[test]
fn a_response_that_is_cut_short_or_malformed_is_down() {
    for (response, cause) in [
        ("", "connection closed without a response (is it a TLS server?)"),
        ("HTTP/1.1 2", "response cut short"),
        ("HTTP/1.1 200 OK\r\nContent-Le", "response cut short, status 200"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"status\"",
            "response cut short, status 200",
        ),
        (
            "HTTP/1.1 OK\r\nServer: x\r\n\r\n",
            "malformed response: invalid status line: HTTP/1.1 OK??Server: x",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "malformed response: invalid Content-Length, status 200",
        ),
    ] {
        let server = Server::responding(response);
        probe(server.port, &[]).is_down(&format!("DOWN {cause} 127.0.0.1:{}/health", server.port));
    }
}

#[test]
fn a_server_of_another_protocol_is_down_and_named_before_the_time_is_over() {
    let table: [(&[u8], &str); 6] = [
        (b"\x15\x03\x03\0\x02\x02\n", "the server speaks TLS, not plain HTTP"),
        (b"\x16\x03\x03\0\x7a\x02\0\0\x76\x03\x03", "the server speaks TLS, not plain HTTP"),
        (b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0d", "the server speaks HTTP/2, not HTTP/1"),
        (b"HTTP/2 200\r\n\r\n", "malformed response: no HTTP/1 status line: HTTP/2 200"),
        // HTTP/0.9.
        (b"{\"status\":\"UP\"}", "malformed response: no HTTP/1 status line: {\"status\":\"UP\"}"),
        (b"SSH-2.0-x\r\n", "malformed response: no HTTP/1 status line: SSH-2.0-x"),
    ];
    for (bytes, cause) in table {
        let server = Server::new(move |mut stream, _| {
            let _ = stream.write_all(bytes);
            wait_for_close(&mut stream);
        });
        let run = probe(server.port, &["--timeout", "4s"]);
        run.is_down(&format!("DOWN {cause} 127.0.0.1:{}/health", server.port));
        assert!(run.took < Duration::from_secs(2), "{:?}", run.took);
    }
}

#[test]
fn a_reset_is_down() {
    let server = Server::new(|stream, _| {
        // To close before reading the request makes the kernel send a reset.
        stream.peek(&mut [0]).unwrap();
    });
    probe(server.port, &[]).is_down(&format!(
        "DOWN connection reset (is it a TLS server?) 127.0.0.1:{}/health",
        server.port
    ));
}

#[test]
fn a_response_sent_before_the_request_was_read_counts() {
    let server = Server::new(|mut stream, _| {
        stream.write_all(UP).unwrap();
        wait_for_close(&mut stream);
    });
    probe(server.port, &[]).is_healthy();
}

#[test]
fn a_refused_connection_is_down() {
    let refusing = RefusingPort::new();
    probe(refusing.port, &[])
        .is_down(&format!("DOWN connection refused 127.0.0.1:{}/health", refusing.port));
}

#[test]
fn ipv6_is_tried_if_ipv4_refuses() {
    if !has_ipv6() {
        return skipped("IPv6", "this machine has no [::1]");
    }
    // On IPv6, another process may have the port.
    let (refusing, listener) = std::iter::repeat_with(RefusingPort::new)
        .find_map(|it| TcpListener::bind(("::1", it.port)).ok().map(|listener| (it, listener)))
        .unwrap();
    let (sender, requests) = mpsc::channel();
    let server = Server::on(listener, move |mut stream: TcpStream, nth| {
        sender.send(request(&mut stream)).unwrap();
        let status = if nth == 0 { 200 } else { 503 };
        write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    probe(refusing.port, &[]).is_healthy();
    let host = format!("\r\nHost: [::1]:{}\r\n", server.port);
    assert!(requests.recv().unwrap().contains(&host));
    probe(refusing.port, &[])
        .is_down_timed(&format!("DOWN 503 {{time}} [::1]:{}/health", server.port));
}

#[test]
fn ipv6_is_not_tried_if_ipv4_responds() {
    let server = Server::responding("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    let Ok(listener) = TcpListener::bind(("::1", server.port)) else {
        return skipped("IPv4 first", "[::1] is missing, or its port is taken");
    };
    let other = Server::on(listener, |mut stream, _| stream.write_all(UP).unwrap());
    probe(server.port, &[])
        .is_down_timed(&format!("DOWN 503 {{time}} 127.0.0.1:{}/health", server.port));
    assert_eq!(other.connections(), 0);
}

#[test]
fn the_default_port_is_80() {
    let run = run(&[]);
    // A healthy server may listen there.
    if run.status != Some(0) {
        assert!(run.down().contains(":80/health"), "{}", run.stderr);
    }
}

fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

/// Says that a test was skipped, on one line that the test runner does not hold back.
fn skipped(name: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {name}: {reason}");
}
