//! More clients than can be served comfortably, and more than may come in: is health still told?

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::process::{SOON, Service};
use super::{Fault, Observed, Scene};
use crate::load::{Client, Crowd, Manner, Tally, per_second};

pub(super) const FAULTS: [Fault; 3] = [
    ("Health under saturation", saturated),
    ("Health above the connection limit", above_the_limit),
    ("SIGTERM under load", terminated),
];

/// Threads that drive clients: more than cores, so that the service never waits for them.
const THREADS: usize = 8;

fn saturated(scene: &Scene) -> Observed {
    let (clients, slow) = (scene.count(2_000, 9_000), scene.count(200, 400));
    let probes = scene.count(100, 500);
    scene.does(format!(
        "default limits; {clients} keep-alive clients at full speed, {slow} that drip a head byte \
         by byte, {slow} silent ones; {probes} probes at the default deadline"
    ));
    let service = Service::start(&mut scene.service(&scene.folder("saturated")?, &[]))?;
    let crowd = Crowd::gather(service.at, clients, THREADS, Manner::Stay);
    let slow = Slow::gather(service.at, slow);
    let start = Instant::now();
    let everyone = u64::try_from(clients)?;
    while Tally::get(&crowd.tally.right) < 2 * everyone && start.elapsed() < SOON {
        thread::sleep(Duration::from_millis(50));
    }
    let (start, before) = (Instant::now(), Tally::get(&crowd.tally.right));
    let open = service.process.descriptors()?;
    let health = scene.probes(service.at, probes);
    let answered = Tally::get(&crowd.tally.right) - before;
    let rate = per_second(answered, start.elapsed());
    drop(slow);
    let tally = crowd.dismiss();
    let figures = format!("{open} descriptors open, {rate} requests/s");
    let health = health.map_err(|error| error.context(figures.clone()))?;
    let (lost, wrong) = (Tally::get(&tally.lost), Tally::get(&tally.wrong));
    ensure!(lost + wrong == 0, "{figures}; {lost} lost, {wrong} wrong: {}", tally.examples());
    ensure!(open > clients, "{figures}: fewer than {clients} clients were connected");
    Ok(format!("{figures}, none lost or wrong; {health}"))
}

fn above_the_limit(scene: &Scene) -> Observed {
    let (clients, probes) = (scene.count(2_000, 9_000), scene.count(100, 500));
    scene.does(format!(
        "--max-connections 200, {clients} clients that come back at once when they are sent away; \
         {probes} probes at the default deadline"
    ));
    let folder = scene.folder("above")?;
    let mut service = Service::start(&mut scene.service(&folder, &["--max-connections=200"]))?;
    let crowd = Crowd::gather(service.at, clients, THREADS, Manner::Stay);
    thread::sleep(Duration::from_secs(2));
    let start = Instant::now();
    let health = scene.probes(service.at, probes);
    let tally = crowd.dismiss();
    let seconds = start.elapsed().as_secs_f64();
    let [right, away, lost, wrong] =
        [&tally.right, &tally.turned_away, &tally.lost, &tally.wrong].map(Tally::get);
    let figures = format!(
        "in {seconds:.0} s {right} answers, {away} times 503 with Retry-After, {lost} cut off, \
         {wrong} wrong"
    );
    let health = health.map_err(|error| error.context(figures.clone()))?;
    ensure!(right > 0 && away > 0 && wrong == 0, "{figures}: {}", tally.examples());
    ensure!(service.process.said("others are turned away"), "{figures}; the log does not say it");
    let (start, mut client) = (Instant::now(), Client::connect(service.at)?);
    // Those that have gone are noticed one by one.
    while client.ask("/accounts/10000").ok().is_none_or(|reply| reply.status != 200) {
        ensure!(start.elapsed() < SOON, "{figures}; it does not serve again");
        client = Client::connect(service.at)?;
    }
    Ok(format!("{figures}; {health}; serves {} ms after they left", start.elapsed().as_millis()))
}

fn terminated(scene: &Scene) -> Observed {
    let rounds = scene.count(5, 30);
    scene.does(format!(
        "{rounds} times SIGTERM with 200 keep-alive clients at full speed; they leave when told to"
    ));
    let (mut slowest, mut answers) = (Duration::ZERO, 0);
    for round in 0..rounds {
        let folder = scene.folder(&format!("terminated-{round}"))?;
        let mut service = Service::start(&mut scene.service(&folder, &[]))?;
        let crowd = Crowd::gather(service.at, 200, 4, Manner::Leave);
        thread::sleep(Duration::from_millis(500));
        let start = Instant::now();
        service.process.terminate()?;
        let status = service.process.ends_within(SOON)?;
        slowest = slowest.max(start.elapsed());
        ensure!(status.success(), "it ended with {status}");
        ensure!(crowd.leaves_within(SOON), "clients still wait for answers");
        let tally = crowd.dismiss();
        let [right, lost, wrong] = [&tally.right, &tally.lost, &tally.wrong].map(Tally::get);
        let all = Tally::get(&tally.connections) == 200;
        ensure!(all && lost + wrong == 0, "{lost} lost, {wrong} wrong: {}", tally.examples());
        answers += right;
        fs::remove_dir_all(folder)?;
    }
    let slowest = slowest.as_millis();
    Ok(format!("{answers} requests, all answered; exit status 0 after at most {slowest} ms"))
}

/// Clients that hold on to connections: every other one is silent, the rest drip.
struct Slow {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Slow {
    /// So many of each kind.
    fn gather(at: SocketAddr, count: usize) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut streams: Vec<Option<TcpStream>> = (0..2 * count).map(|_| None).collect();
            while !stopped.load(Ordering::Relaxed) {
                for (number, stream) in streams.iter_mut().enumerate() {
                    let dripped = match stream {
                        Some(stream) if number % 2 == 0 => stream.write_all(b"G").is_ok(),
                        Some(stream) => is_open(stream),
                        None => false,
                    };
                    if !dripped {
                        *stream = TcpStream::connect_timeout(&at, SOON).ok();
                    }
                }
                thread::sleep(Duration::from_millis(500));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The server has not yet had enough of it.
fn is_open(stream: &TcpStream) -> bool {
    let peeked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
    peeked.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}
