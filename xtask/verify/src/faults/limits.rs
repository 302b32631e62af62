//! What clients may take, and what the processes may take: every limit is reached on purpose.

use std::io::{self, Write};
use std::iter;
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Fault, Observed, Run};
use crate::http::{Client, Response, get};
use crate::process::{Process, SOON, until};
use crate::service::{self, HEADER_TIMEOUT, KEEP_ALIVE_TIMEOUT, SHUTDOWN_TIMEOUT, Service};

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
    let mut client = Client::connect(service.address)?;
    let head = format!("GET /health HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(65 << 10));
    client.send(head.as_bytes())?;
    expect(client.receive(), 431)?;
    let mut client = Client::connect(service.address)?;
    client.send(b"GET /health HTTP/1.1\r\n")?;
    let (start, mut sent) = (Instant::now(), 0_usize);
    while client.send(&b"x: xxxxxxxxxxxx\r\n".repeat(256)).is_ok() {
        sent += 16 * 256;
        ensure!(start.elapsed() < Duration::from_secs(5), "it still takes more after {sent} bytes");
    }
    let (took, memory) = (start.elapsed().as_millis(), service.process.usage()?.peak_memory);
    ensure!(memory < 32 << 10, "it had {memory} KiB after {sent} bytes");
    still_serves(&service)?;
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
        let mut client = Client::connect(service.address)?;
        client.send(format!("GET /health HTTP/1.1\r\nhost: a\r\n{framed}").as_bytes())?;
        expect(client.receive(), 413)?;
    }
    still_serves(&service)?;
    Ok("413, 413; still serves".to_owned())
}

fn slow_head(run: &Run) -> Observed {
    run.does(format!("{HEADER_TIMEOUT} 500ms; a head that stops halfway, another that drips"));
    let flag = format!("{HEADER_TIMEOUT}=500ms");
    let service = run.serve("slow", &[&flag])?;
    let mut client = Client::connect(service.address)?;
    client.send(b"GET /hea")?;
    let stopped = about(client.time_to_close()?, 500)?;
    let (mut client, start) = (Client::connect(service.address)?, Instant::now());
    // A write into a closed connection fails only with the one after it.
    while start.elapsed() < SOON && client.send(b"G").is_ok() {
        thread::sleep(Duration::from_millis(50));
    }
    let dripping = about(start.elapsed(), 500)?;
    still_serves(&service)?;
    Ok(format!("closed after {stopped} and {dripping}; still serves"))
}

fn idle(run: &Run) -> Observed {
    run.does(format!("{KEEP_ALIVE_TIMEOUT} 700ms; one request, then silence"));
    let flag = format!("{KEEP_ALIVE_TIMEOUT}=700ms");
    let service = run.serve("idle", &[&flag])?;
    let mut client = Client::connect(service.address)?;
    expect(client.get("/accounts/10000"), 200)?;
    let closed = about(client.time_to_close()?, 700)?;
    still_serves(&service)?;
    Ok(format!("closed after {closed}; still serves"))
}

fn silent(run: &Run) -> Observed {
    run.does("--max-connections 50; 50 clients that stay, 1,000 silent ones above, 20 probes");
    let mut service = run.serve("silent", &["--max-connections=50"])?;
    let mut first = Vec::new();
    for _ in 0..50 {
        let mut client = Client::connect(service.address)?;
        expect(client.get("/accounts/10000"), 200)?;
        first.push(client);
    }
    let silent = (0..1_000).map_while(|_| Client::connect(service.address).ok());
    let silent: Vec<_> = silent.collect();
    let probed = run.probes(service.address, 20)?;
    let rejected = get(service.address, "/accounts/10000")?;
    let is_rejected = rejected.status == 503 && rejected.has_retry_after;
    ensure!(is_rejected, "above the limit it says {}", rejected.text);
    for client in &mut first {
        expect(client.get("/accounts/10000"), 200).context("one of the first 50")?;
    }
    service.process.wait_for(service::AT_THE_LIMIT, SOON)?;
    let connected = silent.len();
    drop((first, silent));
    let back = serves_again(&service)?;
    Ok(format!(
        "{connected} silent ones connected; {probed}; an account: 503 with Retry-After; all of the first \
         50 still served; serves all {back} after they left"
    ))
}

fn stragglers(run: &Run) -> Observed {
    run.does(format!(
        "{SHUTDOWN_TIMEOUT} 1s; SIGTERM while 20 requests are halfway and 20 connections idle"
    ));
    let flag = format!("{SHUTDOWN_TIMEOUT}=1s");
    let mut service = run.serve("drain", &[&flag])?;
    let mut clients = Vec::new();
    for number in 0..40 {
        let mut client = Client::connect(service.address)?;
        expect(client.get("/accounts/10000"), 200)?;
        if number % 2 == 0 {
            client
                .send(b"GET /health HTTP/1.1\r\nhost: loopback\r\ncontent-length: 9\r\n\r\nhalf")?;
        }
        clients.push(client);
    }
    // A response to a later request shows that the halves have arrived.
    still_serves(&service)?;
    let start = Instant::now();
    service.process.terminate()?;
    let status = service.process.ends_within(SOON)?;
    let took = about(start.elapsed(), 1_000)?;
    ensure!(status.success(), "it ended with {status}");
    service.process.wait_for(service::GAVE_UP, SOON)?;
    Ok(format!("exit status 0 after {took}, with a warning in the log"))
}

fn out_of_descriptors(run: &Run) -> Observed {
    run.does(
        "a service with 1,000,000 as its connection limit and 400 descriptors, then cut to 60 while \
         it runs; 300 silent connections for 3 s",
    );
    let folder = run.folder("descriptors")?;
    let args = ["--max-connections=1000000"];
    let mut service = Service::start(&mut run.limited("--nofile=400:400", &folder, &args))?;
    service.process.wait_for(service::FEW_DESCRIPTORS, SOON)?;
    // The service keeps within a limit that it knows; one that is cut behind its back starves it.
    service.process.limit_descriptors(60)?;
    let silent = (0..300).map_while(|_| Client::connect(service.address).ok());
    let silent: Vec<_> = silent.collect();
    service.process.wait_for(service::CANNOT_ACCEPT, SOON)?;
    let before = service.process.usage()?;
    thread::sleep(Duration::from_secs(3));
    let after = service.process.usage()?;
    let (spent, open) = (after.cpu.saturating_sub(before.cpu), after.descriptors);
    ensure!(spent < Duration::from_millis(300), "it spent {spent:?} of 3 s");
    let connected = silent.len();
    drop(silent);
    let back = serves_again(&service)?;
    let output = service.process.kill()?;
    let errors = output.iter().filter(|line| line.contains(service::CANNOT_ACCEPT)).count();
    Ok(format!(
        "{connected} connected, {open} descriptors open, {} ms of processor time in 3 s, {errors} lines \
         in the log; serves again {back} after they left",
        spent.as_millis()
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
        let mut probe = Process::start(&mut probe)?;
        let status = probe.ends_within(Duration::from_millis(2_500))?;
        ensure!(status.code() == Some(1), "it ended with {status}: {:?}", probe.output);
        ensure!(probe.output.len() == 1, "it printed {:?}", probe.output);
        lines.push(format!("`{}`", probe.output[0]));
    }
    Ok(format!("{} times exit status 1 and one line: {}", lines.len(), lines.join("; ")))
}

/// How long it takes until an account is served on a new connection.
pub(super) fn serves_again(service: &Service) -> Observed {
    let took = until("it serves again", SOON, || still_serves(service).is_ok())?;
    Ok(format!("{} ms", took.as_millis()))
}

fn still_serves(service: &Service) -> Result<()> {
    expect(get(service.address, "/accounts/10000"), 200).context("afterwards")
}

fn expect(response: io::Result<Response>, status: u16) -> Result<()> {
    let got = response.with_context(|| format!("no {status}"))?.status;
    ensure!(got == status, "{got} instead of {status}");
    Ok(())
}

/// Not before its time, and not much later, as far as a busy machine can tell.
fn about(time: Duration, millis: u64) -> Observed {
    let (least, most) = (millis * 9 / 10, millis + 1_500);
    let took = u64::try_from(time.as_millis())?;
    ensure!((least..=most).contains(&took), "it took {took} ms, not about {millis} ms");
    Ok(format!("{took} ms"))
}
