//! What the server says decides, if it says it to the end.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use crate::server::{RefusingPort, Server, request, until_closed};
use crate::{ask, run};

const UP: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"status\":\"UP\"}";

#[test]
fn a_200_is_healthy_however_it_is_framed() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\n\r\nok",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ] {
        let server = Server::answering(answer);
        ask(server.port, &[]).is_healthy();
        assert_eq!(server.connections(), 1);
    }
}

#[test]
fn a_complete_200_is_healthy_before_the_server_closes() {
    let server = Server::new(|mut stream, _| {
        request(&mut stream);
        stream.write_all(UP).unwrap();
        until_closed(&mut stream);
    });
    ask(server.port, &["--timeout", "3s"]).is_healthy();
}

#[test]
fn the_request_is_one_plain_get() {
    let (sender, requests) = mpsc::channel();
    let server = Server::new(move |mut stream, _| {
        sender.send(request(&mut stream)).unwrap();
        stream.write_all(UP).unwrap();
    });
    ask(server.port, &["--path", "/live?full=1"]).is_healthy();
    let port = server.port;
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        requests.recv().unwrap(),
        format!(
            "GET /live?full=1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\
             User-Agent: healthchecker/{version}\r\nConnection: close\r\n\r\n"
        )
    );
}

#[test]
fn the_answer_is_read_to_its_end_so_that_the_server_sees_no_reset() {
    let (sender, ends) = mpsc::channel();
    let server = Server::new(move |mut stream, _| {
        request(&mut stream);
        let body = vec![b'x'; 40_000];
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n").unwrap();
        let sent = stream.write_all(&body);
        sender.send(sent.and_then(|()| stream.read(&mut [0]))).unwrap();
    });
    ask(server.port, &[]).is_healthy();
    assert_eq!(ends.recv().unwrap().expect("a reset"), 0);
}

#[test]
fn every_other_status_is_down_and_shown_with_its_body() {
    let server = Server::answering(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 34\r\n\r\n{\"status\":\"Database unaccessible\"}",
    );
    let port = server.port;
    ask(port, &[]).is_down_timed(&format!(
        "DOWN 503 {{\"status\":\"Database unaccessible\"}} {{time}} 127.0.0.1:{port}/health"
    ));
    for status in [101, 201, 204, 206, 304, 404, 500, 599] {
        let server = Server::answering(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"));
        let port = server.port;
        ask(port, &[]).is_down_timed(&format!("DOWN {status} {{time}} 127.0.0.1:{port}/health"));
    }
}

#[test]
fn a_redirect_is_down_and_not_followed() {
    let server =
        Server::answering("HTTP/1.1 301 Moved\r\nLocation: /health\r\nContent-Length: 0\r\n\r\n");
    let port = server.port;
    ask(port, &[]).is_down_timed(&format!("DOWN 301 {{time}} 127.0.0.1:{port}/health"));
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_proxy_setting_is_not_read() {
    let proxy = Server::answering(UP);
    let server = Server::answering("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_healthchecker"))
        .arg(format!("-port={}", server.port))
        .env("http_proxy", format!("http://127.0.0.1:{}", proxy.port))
        .env("HTTP_PROXY", format!("http://127.0.0.1:{}", proxy.port))
        .output()
        .unwrap();
    assert_eq!((output.status.code(), proxy.connections()), (Some(1), 0));
}

#[test]
fn control_characters_of_the_server_are_never_echoed() {
    let body = b"\x1b[2J\x1b]0;gone\x07 caf\xc3\xa9\0\x7f\x9b\ttab\r\nDOWN 200\r\n";
    let mut answer =
        format!("HTTP/1.1 503 No\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend(body);
    let server = Server::answering(answer);
    let port = server.port;
    ask(port, &[]).is_down_timed(&format!(
        "DOWN 503 ?[2J?]0;gone? caf??????tab??DOWN 200 {{time}} 127.0.0.1:{port}/health"
    ));
    let server = Server::answering(&b"\x1b[31mred\x1b[0m\n"[..]);
    ask(server.port, &[]).is_down(&format!(
        "DOWN malformed answer: no HTTP/1 status line: ?[31mred?[0m 127.0.0.1:{}/health",
        server.port
    ));
}

#[test]
fn a_long_body_and_a_long_path_leave_room_for_reason_and_address() {
    let server = Server::answering(format!(
        "HTTP/1.1 503 No\r\nContent-Length: 9000\r\n\r\n{}",
        "b".repeat(9000)
    ));
    let path = format!("/{}", "p".repeat(5000));
    let run = ask(server.port, &["--path", &path, "--wait", "400ms"]);
    let line = run.down();
    assert!(line.starts_with("DOWN 503 bbbbbbbbbb"), "{line}");
    assert!(line.contains("bbb... "), "{line}");
    assert!(line.contains(&format!(" 127.0.0.1:{}/pppppppp", server.port)), "{line}");
    assert!(line.ends_with("ppp... after waiting 400ms"), "{line}");
    assert_eq!(line.len(), 254, "the room is used: {line}");
}

#[test]
fn an_answer_that_is_cut_short_is_down() {
    for (answer, why) in [
        ("", "connection closed without an answer"),
        ("HTTP/1.1 2", "answer cut short"),
        ("HTTP/1.1 200 OK\r\nContent-Le", "answer cut short, status 200"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"status\"",
            "answer cut short, status 200",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
            "answer cut short, status 200",
        ),
    ] {
        let server = Server::answering(answer);
        ask(server.port, &[]).is_down(&format!("DOWN {why} 127.0.0.1:{}/health", server.port));
    }
}

#[test]
fn an_answer_that_is_malformed_is_down() {
    let sized = "HTTP/1.1 200 OK\r\nContent-Length";
    for (answer, why) in [
        ("up\n".to_owned(), "no HTTP/1 status line: up"),
        ("SSH-2.0-OpenSSH_9.6\r\n".to_owned(), "no HTTP/1 status line: SSH-2.0-OpenSSH_9.6"),
        ("HTTP/2 200\r\n\r\n".to_owned(), "no HTTP/1 status line: HTTP/2 200????"),
        ("HTTP/1.1 OK\r\n\r\n".to_owned(), "a broken status line: HTTP/1.1 OK"),
        (format!("{sized}: 2\r\nContent-Length: 3\r\n\r\nok"), "more than one Content-Length"),
        (format!("{sized}: x\r\n\r\nok"), "a broken Content-Length"),
    ] {
        let why = why.strip_suffix("????").unwrap_or(why);
        let server = Server::answering(answer);
        let run = ask(server.port, &[]);
        let line = run.down();
        assert!(line.starts_with(&format!("DOWN malformed answer: {why}")), "{line}");
        assert!(line.ends_with(&format!(" 127.0.0.1:{}/health", server.port)), "{line}");
    }
}

#[test]
fn a_reset_is_down() {
    let server = Server::new(|stream, _| {
        // Closing while the request lies unread makes the kernel send a reset.
        stream.peek(&mut [0]).unwrap();
    });
    ask(server.port, &[])
        .is_down(&format!("DOWN connection reset 127.0.0.1:{}/health", server.port));
}

#[test]
fn an_answer_sent_before_the_request_was_read_counts() {
    let server = Server::new(|mut stream, _| {
        stream.write_all(UP).unwrap();
        until_closed(&mut stream);
    });
    ask(server.port, &[]).is_healthy();
}

#[test]
fn a_refusal_is_down_and_says_who_refused() {
    let refusing = RefusingPort::new();
    let port = refusing.port;
    let run = ask(port, &[]);
    let v4 = format!("DOWN connection refused 127.0.0.1:{port}/health");
    if has_ipv6() {
        run.is_down(&format!("{v4} and [::1]:{port}"));
    } else {
        run.is_down(&v4);
    }
}

#[test]
fn ipv6_is_asked_if_ipv4_refuses() {
    if !has_ipv6() {
        eprintln!("skipped: this machine has no [::1]");
        return;
    }
    // The port refuses on IPv4 as long as its owner lives; on IPv6 somebody may have it.
    let (refusing, listener) = std::iter::repeat_with(RefusingPort::new)
        .find_map(|it| TcpListener::bind(("::1", it.port)).ok().map(|listener| (it, listener)))
        .unwrap();
    let (sender, requests) = mpsc::channel();
    let server = Server::on(listener, move |mut stream: TcpStream, nth| {
        sender.send(request(&mut stream)).unwrap();
        let status = if nth == 0 { 200 } else { 503 };
        write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    ask(refusing.port, &[]).is_healthy();
    let host = format!("\r\nHost: [::1]:{}\r\n", server.port);
    assert!(requests.recv().unwrap().contains(&host));
    ask(refusing.port, &[])
        .is_down_timed(&format!("DOWN 503 {{time}} [::1]:{}/health", server.port));
}

#[test]
fn ipv6_is_not_asked_if_ipv4_answers() {
    let server = Server::answering("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    let Ok(listener) = TcpListener::bind(("::1", server.port)) else {
        eprintln!("skipped: [::1] is missing, or its port is taken");
        return;
    };
    let other = Server::on(listener, |mut stream, _| stream.write_all(UP).unwrap());
    ask(server.port, &[])
        .is_down_timed(&format!("DOWN 503 {{time}} 127.0.0.1:{}/health", server.port));
    assert_eq!(other.connections(), 0);
}

#[test]
fn without_flags_port_80_is_asked() {
    let run = run(&[]);
    // Something healthy may listen there.
    if run.status != Some(0) {
        assert!(run.down().contains(":80/health"), "{}", run.line);
    }
}

fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}
