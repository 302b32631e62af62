//! The load generator: clients with one connection and one request in flight each, in one epoll
//! loop. `bench` measures with it; `pool.rs` runs it in the background. It is not a browser: it
//! sends no bodies and no pipelined requests.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fastrand::Rng;
use hdrhistogram::Histogram;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::requests::{Expected, Requests, Response};
use crate::service::SOON;

/// How long a response may take after the end of a run; then it is lost.
const LAST_RESPONSE: Duration = Duration::from_secs(10);

/// When a client whose connection has ended opens a new one.
#[derive(Clone, Copy)]
pub(crate) enum Reconnect {
    Never,
    Always,
    /// Always, and by itself after this many responses.
    After(u64),
}

/// What became of the requests.
#[derive(Clone, Default)]
pub(crate) struct Counts {
    pub(crate) right: u64,
    /// 503 with `Retry-After: 1`.
    pub(crate) rejected: u64,
    pub(crate) wrong: u64,
    /// Requests without a response, and connections that were not made.
    pub(crate) lost: u64,
    pub(crate) connections: u64,
    /// The longest time that a response took.
    pub(crate) longest: Duration,
    pub(crate) last_rejected: Option<Instant>,
    /// A few of the wrong and the lost.
    examples: Vec<String>,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { right, rejected, lost, wrong, .. } = self;
        write!(f, "{right} right responses, {rejected} times 503 with Retry-After, ")?;
        write!(f, "{lost} lost, {wrong} wrong")
    }
}

impl Counts {
    /// Fails if a request was lost or its response wrong.
    pub(crate) fn no_errors(&self) -> Result<()> {
        let Self { lost, wrong, examples, .. } = self;
        ensure!(lost + wrong == 0, "{lost} lost, {wrong} wrong: {}", examples.join("; "));
        Ok(())
    }

    /// All but the right responses.
    pub(crate) fn errors(&self) -> u64 {
        self.rejected + self.wrong + self.lost
    }

    /// While the service drains, a 503 that says so is right, too.
    fn classify(&mut self, expected: Expected, response: &Response, now: Instant) {
        match response.status {
            _ if expected.is_met_by(response) => self.right += 1,
            503 if response.is_unavailable => {
                self.rejected += 1;
                self.last_rejected = Some(now);
            }
            503 if response.body == r#"{"status":"Shutting down"}"# => self.right += 1,
            status => {
                self.wrong += 1;
                self.examples.push(format!("{expected:?}: status {status}"));
            }
        }
    }

    fn add(&mut self, more: Self) {
        self.right += more.right;
        self.rejected += more.rejected;
        self.wrong += more.wrong;
        self.lost += more.lost;
        self.connections += more.connections;
        self.longest = self.longest.max(more.longest);
        self.last_rejected = self.last_rejected.max(more.last_rejected);
        self.examples.extend(more.examples);
        self.examples.truncate(3);
    }
}

/// Latencies in microseconds, up to a minute, with three digits.
pub(crate) fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are valid")
}

/// The clients of one thread. Their connections stay open between two runs.
pub(crate) struct LoadGenerator {
    address: SocketAddr,
    requests: Requests,
    reconnect: Reconnect,
    epoll: Epoll,
    clients: Vec<Client>,
    in_flight: usize,
    random: Rng,
    /// Not yet added to the counts of the caller.
    counts: Counts,
}

#[derive(Default)]
struct Client {
    stream: Option<TcpStream>,
    /// It opens no connection any more.
    has_left: bool,
    /// The request in flight: when it was sent, and the response that is right.
    awaits: Option<(Instant, Expected)>,
    /// The start of the next response.
    received: Vec<u8>,
    responses: u64,
}

impl LoadGenerator {
    pub(crate) fn new(
        address: SocketAddr,
        count: usize,
        requests: Requests,
        reconnect: Reconnect,
    ) -> Result<Self> {
        let clients = (0..count).map(|_| Client::default()).collect();
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let (random, counts) = (Rng::with_seed(42), Counts::default());
        let in_flight = 0;
        Ok(Self { address, requests, reconnect, epoll, clients, in_flight, random, counts })
    }

    /// Sends requests for this long. Returns what became of them, and the time that they took.
    pub(crate) fn run_for(
        &mut self,
        time: Duration,
        latencies: &mut Histogram<u64>,
    ) -> Result<(Counts, Duration)> {
        let (counts, end) = (Mutex::default(), Instant::now() + time);
        let took = self.run(&counts, latencies, |now| now > end)?;
        Ok((counts.into_inner()?, took))
    }

    /// Sends requests until `is_over`, then waits for the responses that are due. Returns the time
    /// from the first request to the last response. Other threads may read the counts meanwhile.
    pub(crate) fn run(
        &mut self,
        counts: &Mutex<Counts>,
        latencies: &mut Histogram<u64>,
        is_over: impl Fn(Instant) -> bool,
    ) -> Result<Duration> {
        let (mut events, mut buffer) = ([EpollEvent::empty(); 1024], vec![0; 64 << 10]);
        let start = Instant::now();
        let (mut last, mut end) = (start, None);
        for number in 0..self.clients.len() {
            self.send(number);
        }
        while self.in_flight > 0 {
            let ready = match self.epoll.wait(&mut events, EpollTimeout::from(100_u8)) {
                Err(Errno::EINTR) => continue,
                ready => ready?,
            };
            let now = Instant::now();
            end = end.or_else(|| is_over(now).then_some(now));
            if end.is_some_and(|end| now > end + LAST_RESPONSE) {
                break;
            }
            for event in &events[..ready] {
                let number = usize::try_from(event.data())?;
                match self.receive(number, &mut buffer) {
                    Ok(None) => continue,
                    Ok(Some(latency)) => {
                        last = Instant::now();
                        latencies.saturating_record(u64::try_from(latency.as_micros())?);
                    }
                    Err(error) => self.disconnect(number, &error),
                }
                if end.is_none() {
                    self.send(number);
                }
            }
            counts.lock().expect("no panic").add(mem::take(&mut self.counts));
        }
        for number in 0..self.clients.len() {
            if self.clients[number].awaits.is_some() {
                self.disconnect(number, &ErrorKind::TimedOut.into());
            }
        }
        counts.lock().expect("no panic").add(mem::take(&mut self.counts));
        Ok(last - start)
    }

    /// Sends the next request, if the client has a connection or may open one.
    fn send(&mut self, number: usize) {
        let client = &mut self.clients[number];
        if client.has_left {
            return;
        }
        let expected = self.requests.next(number as u64 + client.responses, &mut self.random);
        client.awaits = Some((Instant::now(), expected));
        self.in_flight += 1;
        if let Err(error) = self.try_send(number, expected) {
            self.disconnect(number, &error);
            // Without a server, an endless row of attempts would follow.
            self.clients[number].has_left = true;
        }
    }

    fn try_send(&mut self, number: usize, expected: Expected) -> io::Result<()> {
        let client = &mut self.clients[number];
        if client.stream.is_none() {
            let stream = TcpStream::connect_timeout(&self.address, SOON)?;
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            self.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, number as u64))?;
            self.counts.connections += 1;
            client.stream = Some(stream);
        }
        let Some(stream) = &mut client.stream else { return Ok(()) };
        stream.write_all(expected.request().as_bytes())
    }

    /// How long the response took, if it is complete now.
    fn receive(&mut self, number: usize, buffer: &mut [u8]) -> io::Result<Option<Duration>> {
        let client = &mut self.clients[number];
        let Some(stream) = &mut client.stream else { return Ok(None) };
        match stream.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => client.received.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        let Some(response) = Response::parse(&client.received)? else { return Ok(None) };
        let Some((sent, expected)) = client.awaits.take() else {
            return Err(io::Error::other("a response without a request"));
        };
        let now = Instant::now();
        let latency = now - sent;
        self.in_flight -= 1;
        client.responses += 1;
        self.counts.longest = self.counts.longest.max(latency);
        self.counts.classify(expected, &response, now);
        let leaves = response.closes
            || matches!(self.reconnect, Reconnect::After(n) if client.responses.is_multiple_of(n));
        client.received.clear();
        if leaves {
            client.close(self.reconnect);
        }
        Ok(Some(latency))
    }

    /// Ends a connection that failed; a request in flight is lost.
    fn disconnect(&mut self, number: usize, error: &io::Error) {
        let client = &mut self.clients[number];
        client.close(self.reconnect);
        if let Some((_, expected)) = client.awaits.take() {
            self.in_flight -= 1;
            self.counts.lost += 1;
            self.counts.examples.push(format!("{expected:?}: {error}"));
        }
    }
}

impl Client {
    fn close(&mut self, reconnect: Reconnect) {
        self.received.clear();
        self.stream = None;
        self.has_left = matches!(reconnect, Reconnect::Never);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;

    use super::*;

    const RIGHT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 55\r\n\r\n\
        {\"id\":\"10042\",\"name\":\"Person_42\",\"servedBy\":\"10.0.0.3\"}";

    /// Right, rejected, wrong and lost, for one request to a server that sends these parts.
    fn count(parts: &[&str]) -> [u64; 4] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let serve = || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            let _ = stream.read(&mut [0; 1024]).unwrap();
            for part in parts {
                stream.write_all(part.as_bytes()).unwrap();
                thread::sleep(Duration::from_millis(1));
            }
        };
        let clients = LoadGenerator::new(address, 1, Requests::OneAccount, Reconnect::Never);
        let (mut clients, counts) = (clients.unwrap(), Mutex::default());
        thread::scope(|scope| {
            scope.spawn(serve);
            clients.run(&counts, &mut latencies(), |_| true).unwrap();
        });
        let counts = counts.into_inner().unwrap();
        assert_eq!(counts.connections, 1);
        assert_eq!(counts.no_errors().is_err(), counts.lost + counts.wrong > 0);
        [counts.right, counts.rejected, counts.wrong, counts.lost]
    }

    #[test]
    fn a_response_is_counted_by_status_and_account() {
        assert_eq!(count(&[RIGHT]), [1, 0, 0, 0]);
        let full = "HTTP/1.1 503 No\r\nretry-after: 1\r\ncontent-length: 0\r\n\
            content-type: application/problem+json\r\n\r\n";
        assert_eq!(count(&[full]), [0, 1, 0, 0]);
        assert_eq!(count(&[&full.replace("after: 1", "after: 9")]), [0, 0, 1, 0]);
        assert_eq!(count(&[&full.replace("problem+json", "json")]), [0, 0, 1, 0]);
        let draining =
            "HTTP/1.1 503 No\r\ncontent-length: 26\r\n\r\n{\"status\":\"Shutting down\"}";
        assert_eq!(count(&[draining]), [1, 0, 0, 0]);
        let unavailable = "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(count(&[unavailable]), [0, 0, 1, 0]);
        assert_eq!(count(&[&RIGHT.replace("10042", "10043")]), [0, 0, 1, 0]);
        assert_eq!(count(&[&RIGHT.replace("Person_42", "Person_43")]), [0, 0, 1, 0]);
    }

    #[test]
    fn a_response_may_come_in_parts() {
        let (start, rest) = RIGHT.split_at(20);
        assert_eq!(count(&[start, &rest[..30], &rest[30..]]), [1, 0, 0, 0]);
    }

    #[test]
    fn a_response_that_does_not_come_is_lost() {
        assert_eq!(count(&[]), [0, 0, 0, 1]);
        assert_eq!(count(&[&RIGHT[..50]]), [0, 0, 0, 1]);
        assert_eq!(count(&["SSH-2.0-OpenSSH\r\n"]), [0, 0, 0, 1]);
    }
}
