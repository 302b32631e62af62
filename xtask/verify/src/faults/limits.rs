//! What clients may take, and what the process may: every limit is reached on purpose.

use std::io::ErrorKind;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::process::{SOON, Service};
use super::{Fault, Observed, Scene};
use crate::load::{Client, Reply};

pub(super) const FAULTS: [Fault; 7] = [
    ("Request head too large", large_head),
    ("Request body too large", large_body),
    ("Request head too slow", slow_head),
    ("Connection idle for too long", idle),
    ("Connections beyond the limit, all silent", silent),
    ("Drain with stragglers", stragglers),
    ("Out of file descriptors", out_of_descriptors),
];

fn large_head(scene: &Scene) -> Observed {
    scene.does("a head of 65 KiB, another one that never ends");
    let service = Service::start(&mut scene.service(&scene.folder("head")?, &[]))?;
    let mut client = Client::connect(service.at)?;
    client
        .send(format!("GET /health HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(65 << 10)).as_bytes())?;
    let refused = expect(client.reply(), 431)?;
    let mut client = Client::connect(service.at)?;
    client.send(b"GET /health HTTP/1.1\r\n")?;
    let (start, mut sent) = (Instant::now(), 0_usize);
    while client.send(&b"x: xxxxxxxxxxxx\r\n".repeat(256)).is_ok() {
        sent += 16 * 256;
        ensure!(start.elapsed() < Duration::from_secs(5), "it still takes more after {sent} bytes");
    }
    let (took, memory) =
        (start.elapsed().as_millis(), service.process.memory("VmHWM").unwrap_or(0));
    ensure!(memory < 32 << 10, "it had {memory} KiB after {sent} bytes");
    goes_on(&service)?;
    let mib = sent >> 20;
    Ok(format!(
        "{refused}; the endless one was cut off after {took} ms, {mib} MiB of it were thrown away in at \
         most {memory} KiB of memory; it goes on"
    ))
}

fn large_body(scene: &Scene) -> Observed {
    scene.does("a body of 65 KiB, announced and chunked");
    let service = Service::start(&mut scene.service(&scene.folder("body")?, &[]))?;
    let body = "x".repeat(65 << 10);
    let mut client = Client::connect(service.at)?;
    let head = "GET /health HTTP/1.1\r\nhost: loopback\r\n";
    client.send(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
    let announced = expect(client.reply(), 413)?;
    let mut client = Client::connect(service.at)?;
    let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    client.send(format!("{head}transfer-encoding: chunked\r\n\r\n{chunk}").as_bytes())?;
    let chunked = expect(client.reply(), 413)?;
    goes_on(&service)?;
    Ok(format!("{announced}, {chunked}; it goes on"))
}

fn slow_head(scene: &Scene) -> Observed {
    scene.does("--head-timeout 500ms; a head that stops halfway, another that drips");
    let mut command = scene.service(&scene.folder("slow")?, &["--head-timeout=500ms"]);
    let service = Service::start(&mut command)?;
    let mut client = Client::connect(service.at)?;
    client.send(b"GET /hea")?;
    let stopped = about(client.time_to_close()?, 500)?;
    let (mut client, start) = (Client::connect(service.at)?, Instant::now());
    while start.elapsed() < SOON && client.send(b"G").is_ok() {
        thread::sleep(Duration::from_millis(50));
    }
    // A write into a closed connection fails only with the one after it.
    let dripping = about(start.elapsed(), 500)?;
    goes_on(&service)?;
    Ok(format!("closed after {stopped} and {dripping}; it goes on"))
}

fn idle(scene: &Scene) -> Observed {
    scene.does("--idle-timeout 700ms; one request, then silence");
    let mut command = scene.service(&scene.folder("idle")?, &["--idle-timeout=700ms"]);
    let service = Service::start(&mut command)?;
    let mut client = Client::connect(service.at)?;
    expect(client.ask("/accounts/10000"), 200)?;
    let closed = about(client.time_to_close()?, 700)?;
    goes_on(&service)?;
    Ok(format!("closed after {closed}; it goes on"))
}

fn silent(scene: &Scene) -> Observed {
    scene
        .does("--max-connections 50; 50 that hold their place, 1,000 silent ones above, 20 probes");
    let mut command = scene.service(&scene.folder("silent")?, &["--max-connections=50"]);
    let mut service = Service::start(&mut command)?;
    let mut held = Vec::new();
    for _ in 0..50 {
        let mut client = Client::connect(service.at)?;
        expect(client.ask("/accounts/10000"), 200)?;
        held.push(client);
    }
    let silent: Vec<_> = (0..1_000).map_while(|_| Client::connect(service.at).ok()).collect();
    let probed = scene.probes(service.at, 20)?;
    let mut client = Client::connect(service.at)?;
    let reply = client.ask("/accounts/10000")?;
    ensure!(reply.has("retry-after: "), "above the limit it says {}", reply.status);
    let kept = held.iter_mut().map(|client| expect(client.ask("/accounts/10000"), 200));
    let kept = kept.collect::<Result<Vec<_>>>()?.len();
    ensure!(service.process.said("others are turned away"), "the log does not say it");
    let connected = silent.len();
    drop((held, silent));
    let back = serves_again(&service)?;
    Ok(format!(
        "{connected} silent ones connected; {probed}; an account: 503 with Retry-After; all {kept} \
         holders still served; serves all {back} after they left"
    ))
}

fn stragglers(scene: &Scene) -> Observed {
    scene.does("--drain-timeout 1s; SIGTERM while 20 requests are halfway and 20 connections idle");
    let mut command = scene.service(&scene.folder("drain")?, &["--drain-timeout=1s"]);
    let mut service = Service::start(&mut command)?;
    let mut clients = Vec::new();
    for number in 0..40 {
        let mut client = Client::connect(service.at)?;
        expect(client.ask("/accounts/10000"), 200)?;
        if number % 2 == 0 {
            client
                .send(b"GET /health HTTP/1.1\r\nhost: loopback\r\ncontent-length: 9\r\n\r\nhalf")?;
        }
        clients.push(client);
    }
    thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    service.process.terminate()?;
    let status = service.process.ends_within(SOON)?;
    let took = about(start.elapsed(), 1_000)?;
    ensure!(status.success(), "it ended with {status}");
    ensure!(service.process.said("Gave up on requests"), "the log does not say it");
    Ok(format!("exit status 0 after {took}, with a warning in the log"))
}

fn out_of_descriptors(scene: &Scene) -> Observed {
    scene.does(
        "a service with 1,000,000 as its connection limit and 400 descriptors, then cut to 60 while \
         it runs; 300 silent connections for 3 s",
    );
    let folder = scene.folder("descriptors")?;
    let args = ["--max-connections=1000000"];
    let mut service = Service::start(&mut scene.limited("--nofile=400:400", &folder, &args))?;
    ensure!(
        service.process.says("open files allows for", SOON).is_ok(),
        "it does not say the limit"
    );
    // It keeps within a limit that it knows; only one that is cut behind its back starves it.
    service.process.limit_descriptors(60)?;
    let crowd: Vec<_> = (0..300).map_while(|_| Client::connect(service.at).ok()).collect();
    service.process.says("Cannot accept connections", SOON)?;
    let before = service.process.cpu()?;
    thread::sleep(Duration::from_secs(3));
    let spent = service.process.cpu()?.saturating_sub(before);
    let open = service.process.descriptors()?;
    ensure!(spent < Duration::from_millis(300), "it spent {spent:?} of 3 s spinning");
    let connected = crowd.len();
    drop(crowd);
    let back = serves_again(&service)?;
    let errors = service.process.said.iter().filter(|line| line.contains("Cannot accept")).count();
    Ok(format!(
        "{connected} connected, {open} descriptors open, {} ms of processor time in 3 s, {errors} line \
         in the log; serves again {back} after they left",
        spent.as_millis()
    ))
}

/// How long it takes until an account is served on a new connection.
fn serves_again(service: &Service) -> Observed {
    let start = Instant::now();
    loop {
        let reply =
            Client::connect(service.at).and_then(|mut client| client.ask("/accounts/10000"));
        if reply.is_ok_and(|reply| reply.status == 200) {
            return Ok(format!("{} ms", start.elapsed().as_millis()));
        }
        ensure!(start.elapsed() < SOON, "it does not serve again");
        thread::sleep(Duration::from_millis(5));
    }
}

fn goes_on(service: &Service) -> Result<()> {
    let reply = Client::connect(service.at)?.ask("/accounts/10000");
    expect(reply, 200).map(drop).context("afterwards")
}

fn expect(reply: std::io::Result<Reply>, status: u16) -> Observed {
    let reply = reply.or_else(|error| match error.kind() {
        ErrorKind::UnexpectedEof => Ok(Reply { status: 0, text: String::new() }),
        _ => Err(error),
    });
    let reply = reply.with_context(|| format!("no {status}"))?;
    ensure!(reply.status == status, "the status is {}, not {status}", reply.status);
    Ok(status.to_string())
}

/// Not before its time, and not much later, as far as a busy machine can tell.
fn about(time: Duration, millis: u64) -> Observed {
    let (least, most) = (millis * 9 / 10, millis + 1_500);
    let took = u64::try_from(time.as_millis())?;
    ensure!((least..=most).contains(&took), "it took {took} ms, not about {millis} ms");
    Ok(format!("{took} ms"))
}
