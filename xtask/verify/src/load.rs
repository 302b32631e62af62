//! Clients that keep a service busy: threads, blocking sockets, and many connections for each thread.
//! A thread sends one request on each of its connections and then takes the answers one by one, so
//! that as many requests are in flight as there are connections. It measures what is answered and
//! what is lost, not latency.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Longer than any answer may take, under any load that is tried here.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is asked for in turn, and the status that is right.
const ROUTES: [(&str, u16); 4] =
    [("/accounts/10000", 200), ("/accounts/999", 404), ("/health", 200), ("/accounts/10099", 200)];

/// One connection that is kept.
pub(crate) struct Client {
    stream: TcpStream,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Status line, headers and body.
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn has(&self, header: &str) -> bool {
        self.text.contains(header)
    }

    pub(crate) fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }
}

impl Client {
    pub(crate) fn connect(at: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&at, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    pub(crate) fn request(&mut self, path: &str) -> io::Result<()> {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: loopback\r\n\r\n").as_bytes())
    }

    pub(crate) fn ask(&mut self, path: &str) -> io::Result<Reply> {
        self.request(path)?;
        self.reply()
    }

    /// Reads one answer. There is one request at a time, so nothing follows it.
    pub(crate) fn reply(&mut self) -> io::Result<Reply> {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 2048]);
        loop {
            match self.stream.read(&mut buffer)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => bytes.extend_from_slice(&buffer[..read]),
            }
            if let Some(reply) = complete(&bytes) {
                return Ok(reply);
            }
        }
    }

    /// How long the server keeps the connection open when nothing more is sent.
    pub(crate) fn time_to_close(&mut self) -> io::Result<Duration> {
        let (start, mut rest) = (Instant::now(), Vec::new());
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => Ok(start.elapsed()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(start.elapsed()),
            Err(error) => Err(error),
        }
    }
}

/// The answer, once head and body are there.
fn complete(bytes: &[u8]) -> Option<Reply> {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(bytes);
    let lower = text.to_ascii_lowercase();
    let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    if bytes.len() < head + length.map_or(0, |length| length.parse().unwrap_or(0)) {
        return None;
    }
    let status = text.get(9..12)?.parse().ok()?;
    Some(Reply { status, text: text.into_owned() })
}

/// What became of the requests.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) right: AtomicU64,
    /// A 503 that says when to come back.
    pub(crate) turned_away: AtomicU64,
    /// Connected, or thought so, and got no answer.
    pub(crate) lost: AtomicU64,
    pub(crate) wrong: AtomicU64,
    pub(crate) connections: AtomicU64,
    examples: Mutex<Vec<String>>,
}

impl Tally {
    pub(crate) fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    /// What went wrong, told by a few examples.
    pub(crate) fn examples(&self) -> String {
        self.examples.lock().unwrap_or_else(PoisonError::into_inner).join("; ")
    }

    fn note(&self, counter: &AtomicU64, what: impl FnOnce() -> String) {
        counter.fetch_add(1, Ordering::Relaxed);
        let mut examples = self.examples.lock().unwrap_or_else(PoisonError::into_inner);
        if examples.len() < 3 {
            examples.push(what());
        }
    }
}

pub(crate) fn per_second(count: u64, time: Duration) -> u128 {
    u128::from(count) * 1_000 / time.as_millis().max(1)
}

/// What clients do beyond asking.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// They stay, and come back when they are sent away.
    Stay,
    /// As `Stay`, and now and then one leaves for a new one.
    Change,
    /// They leave for good when the server closes.
    Leave,
}

/// A crowd of clients that ask until it is dismissed.
pub(crate) struct Crowd {
    pub(crate) tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    pub(crate) fn gather(at: SocketAddr, clients: usize, threads: usize, manner: Manner) -> Self {
        let (tally, stop) = (Arc::<Tally>::default(), Arc::<AtomicBool>::default());
        let start = |number| {
            let (tally, stop) = (Arc::clone(&tally), Arc::clone(&stop));
            let share = clients / threads + usize::from(number < clients % threads);
            thread::spawn(move || serve_time(at, share, manner, &tally, &stop))
        };
        let threads = (0..threads).map(start).collect();
        Self { tally, stop, threads }
    }

    /// Waits until all have left of their own accord.
    pub(crate) fn leaves_within(&self, time: Duration) -> bool {
        let start = Instant::now();
        while start.elapsed() < time {
            if self.threads.iter().all(JoinHandle::is_finished) {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }

    pub(crate) fn dismiss(mut self) -> Arc<Tally> {
        self.end();
        Arc::clone(&self.tally)
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.end();
    }
}

fn serve_time(at: SocketAddr, share: usize, manner: Manner, tally: &Tally, stop: &AtomicBool) {
    let mut clients: Vec<Option<Client>> = (0..share).map(|_| None).collect();
    let stopped = || stop.load(Ordering::Relaxed);
    let (mut round, mut first) = (0, true);
    while !stopped() {
        for (number, place) in clients.iter_mut().enumerate() {
            if stopped() {
                return;
            }
            let (path, _) = ROUTES[(number + round) % ROUTES.len()];
            let kept = match place.take() {
                Some(client) => Ok(client),
                None if manner == Manner::Leave && !first => continue,
                None => Client::connect(at).inspect(|_| {
                    tally.connections.fetch_add(1, Ordering::Relaxed);
                }),
            };
            let asked = kept.and_then(|mut client| client.request(path).map(|()| client));
            match asked {
                Ok(client) => *place = Some(client),
                Err(error) => tally.note(&tally.lost, || format!("asking for {path}: {error}")),
            }
        }
        first = false;
        for (number, place) in clients.iter_mut().enumerate() {
            let Some(client) = place else { continue };
            let (path, right) = ROUTES[(number + round) % ROUTES.len()];
            let reply = client.reply();
            let stays = reply.as_ref().is_ok_and(|reply| !reply.has("connection: close"));
            judge(path, right, reply, tally);
            if !stays {
                *place = None;
            }
        }
        if manner == Manner::Leave && clients.iter().all(Option::is_none) {
            return;
        }
        round += 1;
        if manner == Manner::Change && round % 64 == 0 && share > 0 {
            clients[round / 64 % share] = None;
        }
    }
}

fn judge(path: &str, right: u16, reply: io::Result<Reply>, tally: &Tally) {
    match reply {
        Ok(reply) if reply.status == right => {
            tally.right.fetch_add(1, Ordering::Relaxed);
        }
        Ok(reply) if reply.status == 503 && reply.has("retry-after: ") => {
            tally.turned_away.fetch_add(1, Ordering::Relaxed);
        }
        // Whoever is told that the process stops has been answered.
        Ok(reply) if reply.status == 503 && reply.body().contains("Shutting down") => {
            tally.right.fetch_add(1, Ordering::Relaxed);
        }
        Ok(reply) => tally.note(&tally.wrong, || format!("{path}: {}", reply.status)),
        Err(error) => tally.note(&tally.lost, || format!("{path}: {error}")),
    }
}
