//! What clients may take, and what the processes may take: every limit is reached on purpose.

use std::io::Write;
use std::iter;
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use accountservice_host::testing::{Client, Process, eventually};
use anyhow::ensure;
use http::Method;

use super::{Fault, Observed, Run};
use crate::command::{command, read};
use crate::service::{self, SOON, Service, get};

pub(super) const FAULTS: [Fault; 8] = [
    ("Request head too large", large_head),
    ("Request body too large", large_body),
    ("Request head too slow", slow_head),
    ("Connection idle for too long", idle),
    ("Connections beyond the limit, all silent", silent),
    ("Drain with stragglers", stragglers),
    ("Out of file descriptors", out_of_descriptors),
    ("Probe: endless responses", endless_responses),
];

fn large_head(run: &Run) -> Observed {
    run.does("a head of 65 KiB, another one that never ends");
    let service = run.serve("head", &[])?;
    let mut client = Client::connect(service.address);
    client.send(format!("GET /health HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(65 << 10)));
    assert_eq!(client.response().status(), 431);
    let mut client = Client::connect(service.address);
    client.send("GET /health HTTP/1.1\r\n");
    let (start, mut sent) = (Instant::now(), 0_usize);
    while client.try_send("x: xxxxxxxxxxxx\r\n".repeat(256)).is_ok() {
        sent += 16 * 256;
        ensure!(start.elapsed() < Duration::from_secs(5), "it still takes more after {sent} bytes");
    }
    let (took, memory) = (start.elapsed().as_millis(), service.usage()?.peak_memory);
    ensure!(memory < 32 << 10, "it had {memory} KiB after {sent} bytes");
    serves(&service);
    let mib = sent >> 20;
    Ok(format!(
        "431; the endless one was cut off after {took} ms, {mib} MiB of it were discarded in at most \
         {memory} KiB of memory; still serves"
    ))
}

fn large_body(run: &Run) -> Observed {
    run.does("a body of 65 KiB, announced and chunked");
    let service = run.serve("body", &[])?;
    let body = "x".repeat(65 << 10);
    let length = body.len();
    for framed in [
        format!("content-length: {length}\r\n\r\n{body}"),
        format!("transfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"),
    ] {
        let mut client = Client::connect(service.address);
        client.send(format!("GET /health HTTP/1.1\r\nhost: a\r\n{framed}"));
        assert_eq!(client.response().status(), 413);
    }
    serves(&service);
    Ok("413, 413; still serves".to_owned())
}

fn slow_head(run: &Run) -> Observed {
    run.does("--header-timeout 500ms; a head that stops halfway, another that drips");
    let service = run.serve("slow", &["--header-timeout=500ms"])?;
    let mut client = Client::connect(service.address);
    client.send("GET /hea");
    let stopped = about(time_to_close(&mut client), 500)?;
    let (mut client, start) = (Client::connect(service.address), Instant::now());
    // A write into a closed connection fails only with the one after it.
    while start.elapsed() < SOON && client.try_send("G").is_ok() {
        thread::sleep(Duration::from_millis(50));
    }
    let dripping = about(start.elapsed(), 500)?;
    serves(&service);
    Ok(format!("closed after {stopped} and {dripping}; still serves"))
}

fn idle(run: &Run) -> Observed {
    run.does("--keep-alive-timeout 700ms; one request, then silence");
    let service = run.serve("idle", &["--keep-alive-timeout=700ms"])?;
    let mut client = serves(&service);
    let closed = about(time_to_close(&mut client), 700)?;
    serves(&service);
    Ok(format!("closed after {closed}; still serves"))
}

fn silent(run: &Run) -> Observed {
    run.does("--max-connections 50; 50 clients that stay, 1,000 silent ones above, 20 probes");
    let mut service = run.serve("silent", &["--max-connections=50"])?;
    let mut first: Vec<_> = (0..50).map(|_| serves(&service)).collect();
    let silent = connect(&service, 1_000);
    let probed = run.probes(service.address, 20)?;
    let rejected = get(service.address, "/accounts/10000")?;
    assert_eq!(rejected.status(), 503);
    ensure!(rejected.headers().contains_key("retry-after"), "{rejected:?}");
    for client in &mut first {
        assert_eq!(client.get("/accounts/10000").status(), 200);
    }
    service.entry(service::AT_THE_LIMIT)?;
    let connected = silent.len();
    drop((first, silent));
    let back = serves_again(&service);
    Ok(format!(
        "{connected} silent ones connected; {probed}; an account: 503 with Retry-After; all of the first \
         50 still served; serves all {back} after they left"
    ))
}

fn stragglers(run: &Run) -> Observed {
    run.does("--shutdown-timeout 1s; SIGTERM with 20 requests halfway and 20 connections idle");
    let mut service = run.serve("drain", &["--shutdown-timeout=1s"])?;
    let mut clients: Vec<_> = (0..40).map(|_| serves(&service)).collect();
    for client in &mut clients[..20] {
        client.send("GET /health HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf");
    }
    // A response to a later request shows that the halves have arrived.
    serves(&service);
    let start = Instant::now();
    service.process.signal("TERM");
    let (status, _) = service.process.wait();
    let took = about(start.elapsed(), 1_000)?;
    ensure!(status.success(), "it ended with {status}");
    service.entry(service::GAVE_UP)?;
    Ok(format!("exit status 0 after {took}, with a warning in the log"))
}

fn out_of_descriptors(run: &Run) -> Observed {
    run.does(
        "a service with 1,000,000 as its connection limit and 400 descriptors, then cut to 60 while \
         it runs; 300 silent connections for 3 s",
    );
    let folder = run.scratch.folder("descriptors")?;
    let args = ["--max-connections=1000000"];
    let mut service = Service::start(&mut run.limited("--nofile=400:400", &folder, &args))?;
    service.entry(service::FEW_DESCRIPTORS)?;
    // The service keeps within a limit that it knows; one that is cut behind its back starves it.
    let id = service.process.id().to_string();
    read(&mut command("prlimit", &["--pid", &id, "--nofile=60:60"]))?;
    let silent = connect(&service, 300);
    service.entry(service::CANNOT_ACCEPT)?;
    let before = service.usage()?;
    thread::sleep(Duration::from_secs(3));
    let after = service.usage()?;
    let (spent, open) = (after.cpu.saturating_sub(before.cpu), after.descriptors);
    ensure!(spent < Duration::from_millis(300), "it spent {spent:?} of 3 s");
    let connected = silent.len();
    drop(silent);
    let back = serves_again(&service);
    service.process.kill();
    let errors = service.process.log().iter().filter(|it| it.contains(service::CANNOT_ACCEPT));
    Ok(format!(
        "{connected} connected, {open} descriptors open, {} ms of processor time in 3 s, {} lines in the \
         log; serves again {back} after they left",
        spent.as_millis(),
        errors.count()
    ))
}

fn endless_responses(run: &Run) -> Observed {
    run.does(
        "a head, a status line, a body and chunks without an end; the probe in 4 MiB of memory",
    );
    let mut lines = Vec::new();
    for (beginning, more) in [
        (&b"HTTP/1.1 200 OK\r\n"[..], &b"x: yyyyyyyyyyyyyyyyyyyyyyyy\r\n"[..]),
        (b"HTTP/1.1 200 ", b"OK OK OK OK OK OK OK OK "),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"{\"status\":\"UP\"}"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"2\r\nUP\r\n"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = format!("-port={}", listener.local_addr()?.port());
        let _ends_with_the_probe = thread::spawn(move || {
            let (mut stream, _) = listener.accept()?;
            let more = more.repeat(1024);
            iter::once(beginning)
                .chain(iter::repeat(&more[..]))
                .try_for_each(|it| stream.write_all(it))
        });
        let mut probe = Command::new("prlimit");
        probe.arg("--data=4194304").arg(&run.artifacts.probe).arg(port);
        let start = Instant::now();
        let (status, errors) = Process::spawn(&mut probe)?.wait();
        ensure!(start.elapsed() < Duration::from_millis(2_500), "it took {:?}", start.elapsed());
        ensure!(status.code() == Some(1), "it ended with {status}: {errors}");
        ensure!(errors.lines().count() == 1, "it printed {errors}");
        lines.push(format!("`{}`", errors.trim()));
    }
    Ok(format!("{} times exit status 1 and one line: {}", lines.len(), lines.join("; ")))
}

/// How long it takes until an account is served on a new connection.
pub(super) fn serves_again(service: &Service) -> String {
    let start = Instant::now();
    let is_served = || get(service.address, "/accounts/10000").is_ok_and(|it| it.status() == 200);
    eventually("it serves again", is_served);
    format!("{} ms", start.elapsed().as_millis())
}

/// Up to this many connections without a request.
fn connect(service: &Service, count: usize) -> Vec<Client> {
    (0..count).map_while(|_| Client::try_connect(service.address, SOON).ok()).collect()
}

/// A connection on which an account was served.
fn serves(service: &Service) -> Client {
    let mut client = Client::connect(service.address);
    assert_eq!(client.get("/accounts/10000").status(), 200);
    client
}

/// A response may come first.
fn time_to_close(client: &mut Client) -> Duration {
    let start = Instant::now();
    while client.try_response_to(&Method::GET).is_ok() {}
    start.elapsed()
}

/// Not before its time, and not much later, as far as a busy machine can tell.
fn about(time: Duration, millis: u64) -> Observed {
    let (least, most) = (millis * 9 / 10, millis + 1_500);
    let took = u64::try_from(time.as_millis())?;
    ensure!((least..=most).contains(&took), "it took {took} ms, not about {millis} ms");
    Ok(format!("{took} ms"))
}
