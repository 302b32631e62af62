//! The load: an epoll loop that sends a batch of requests on each of its connections, and the next
//! one as soon as the answers are there. It is as light as it can be, so that it is not what is
//! measured: of each batch it checks the status of the first answer and the number of bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::histogram::Histogram;
use crate::load::Client;

/// The first account, and the one that is asked for where it is always the same.
pub(super) const FIRST: u64 = 10_000;
const SAME: u64 = FIRST + 42;
/// After the last request has been sent; what has not come then is lost.
const PATIENCE: Duration = Duration::from_secs(10);
const RIGHT: &[u8] = b"HTTP/1.1 200";
/// Where the random ids of every run start.
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// What is asked for, and on how many connections.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) connections: usize,
    /// Requests that are sent at once.
    pub(super) depth: usize,
    /// With so many accounts, any of them; otherwise always the same.
    pub(super) spread: Option<u64>,
}

impl Shape {
    pub(super) fn new(connections: usize, depth: usize) -> Self {
        Self { connections, depth, spread: None }
    }

    /// The share of one of `count` threads.
    pub(super) fn part(self, number: usize, count: usize) -> Self {
        let more = usize::from(number < self.connections % count);
        Self { connections: self.connections / count + more, ..self }
    }
}

/// What became of the requests.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) requests: u64,
    pub(super) wrong: u64,
    pub(super) lost: u64,
    /// From the first request to the last answer.
    pub(super) elapsed: Duration,
    /// From the sending of a batch to its last byte.
    pub(super) latency: Histogram,
    /// Answers of each connection.
    pub(super) each: Vec<u64>,
}

impl Answers {
    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.wrong += other.wrong;
        self.lost += other.lost;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.latency.add(&other.latency);
        self.each.extend(&other.each);
    }
}

/// Connections that are open, and what they send.
pub(super) struct Load {
    epoll: Epoll,
    connections: Vec<Connection>,
    shape: Shape,
    request: Request,
}

struct Connection {
    stream: TcpStream,
    id: u64,
    received: usize,
    expected: usize,
    sent: Instant,
    answered: u64,
    open: bool,
}

impl Load {
    /// Learns from a first answer how long the others have to be.
    pub(super) fn connect(at: SocketAddr, shape: Shape) -> Result<Self> {
        let request = Request::learn(at, shape)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let connect = |number| {
            let stream = TcpStream::connect(at).context("cannot connect")?;
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
            epoll.add(&stream, EpollEvent::new(flags, number))?;
            let sent = Instant::now();
            let (received, expected, answered) = (0, 0, 0);
            Ok(Connection { stream, id: SAME, received, expected, sent, answered, open: true })
        };
        let connections = (0..shape.connections as u64).map(connect).collect::<Result<_>>()?;
        Ok(Self { epoll, connections, shape, request })
    }

    /// Asks for so long, and then waits for what is still on its way. What has been closed before is
    /// lost.
    pub(super) fn run(&mut self, time: Duration) -> Result<Answers> {
        let mut answers = Answers::default();
        let (mut events, mut buffer) = ([EpollEvent::empty(); 1024], vec![0; 64 << 10]);
        let depth = self.shape.depth as u64;
        let start = Instant::now();
        let (end, mut now, mut waiting) = (start + time, start, 0);
        for connection in &mut self.connections {
            connection.answered = 0;
            if connection.open {
                connection.sent = Instant::now();
                connection.ask(&mut self.request);
                waiting += 1;
            } else {
                answers.lost += depth;
            }
        }
        while waiting > 0 && now < end + PATIENCE {
            let ready = match self.epoll.wait(&mut events, EpollTimeout::from(100_u8)) {
                Err(Errno::EINTR) => continue,
                ready => ready?,
            };
            now = Instant::now();
            for event in &events[..ready] {
                let connection = &mut self.connections[usize::try_from(event.data())?];
                let ends = event.events().contains(EpollFlags::EPOLLRDHUP);
                match connection.receive(&mut buffer, &self.request, ends) {
                    Received::Part => {}
                    Received::All => {
                        now = Instant::now();
                        answers.latency.count(now - connection.sent);
                        connection.answered += depth;
                        answers.elapsed = now - start;
                        if now < end {
                            connection.sent = now;
                            connection.ask(&mut self.request);
                        } else {
                            waiting -= 1;
                        }
                    }
                    Received::Wrong => {
                        (answers.wrong, waiting) = (answers.wrong + depth, waiting - 1);
                    }
                    Received::Closed => {
                        (answers.lost, waiting) = (answers.lost + depth, waiting - 1);
                    }
                }
            }
        }
        answers.lost += waiting * depth;
        answers.each = self.connections.iter().map(|connection| connection.answered).collect();
        answers.requests = answers.each.iter().sum();
        Ok(answers)
    }
}

enum Received {
    /// Nothing that changes anything.
    Part,
    /// All answers of a batch.
    All,
    Wrong,
    Closed,
}

impl Connection {
    /// A request that cannot be sent is one that gets no answer.
    fn ask(&mut self, request: &mut Request) {
        let (bytes, expected) = request.next(&mut self.id);
        (self.received, self.expected) = (0, expected);
        let _ = self.stream.write(bytes);
    }

    fn receive(&mut self, buffer: &mut [u8], request: &Request, ends: bool) -> Received {
        while self.open {
            let received = match self.stream.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Ok(received @ 1..) => received,
                _ => {
                    self.open = false;
                    return Received::Closed;
                }
            };
            let first = self.received == 0;
            self.received += received;
            if first && !request.is_right(&buffer[..received], self.id)
                || self.received > self.expected
            {
                self.open = false;
                return Received::Wrong;
            }
            if self.received == self.expected {
                return Received::All;
            }
            // More of it comes with an event of its own; an end that is there already does not.
            if received < buffer.len() && !ends {
                break;
            }
        }
        Received::Part
    }
}

/// What is sent, and how long the answers to it are.
struct Request {
    head: &'static str,
    tail: String,
    bytes: Vec<u8>,
    depth: usize,
    spread: Option<u64>,
    random: u64,
    /// Of the answer, without the two numbers in its body.
    head_bytes: usize,
    body_bytes: usize,
}

impl Request {
    fn learn(at: SocketAddr, shape: Shape) -> Result<Self> {
        let head = "GET /accounts/";
        let tail = format!(" HTTP/1.1\r\nHost: {at}\r\n\r\n");
        let one = format!("{head}{SAME}{tail}");
        let mut client = Client::connect(at)?;
        client.send(one.as_bytes())?;
        let reply = client.reply()?;
        ensure!(reply.status == 200, "{at} answers {}", reply.text);
        let body_bytes = reply.body().len();
        Ok(Self {
            head,
            tail,
            bytes: one.repeat(shape.depth).into_bytes(),
            depth: shape.depth,
            spread: shape.spread,
            random: SEED,
            head_bytes: reply.text.len() - body_bytes - digits(body_bytes as u64),
            body_bytes: body_bytes - digits(SAME) - digits(SAME - FIRST),
        })
    }

    /// The next batch, and how many bytes answer it.
    fn next(&mut self, id: &mut u64) -> (&[u8], usize) {
        if let Some(accounts) = self.spread {
            // Xorshift: cheap, and far from any order that a tree or a cache might like.
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            *id = FIRST + self.random % accounts;
            self.bytes.clear();
            let _ = write!(self.bytes, "{}{id}{}", self.head, self.tail);
        }
        let body = self.body_bytes + digits(*id) + digits(*id - FIRST);
        let expected = self.depth * (self.head_bytes + digits(body as u64) + body);
        (&self.bytes, expected)
    }

    /// Whether an answer begins as it should; where many accounts are asked for, with the right one.
    fn is_right(&self, bytes: &[u8], id: u64) -> bool {
        let is_right = bytes.starts_with(RIGHT);
        if self.spread.is_none() || !is_right {
            return is_right;
        }
        let body = bytes.windows(4).position(|end| end == b"\r\n\r\n").map(|end| &bytes[end + 4..]);
        body.is_some_and(|body| body.starts_with(format!("{{\"id\":\"{id}\",").as_bytes()))
    }
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;

    use super::*;

    const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{\"id\":\"10042\"}";

    /// What becomes of one request, after a first one, when it is answered like this.
    fn answered(answer: &'static str) -> (u64, u64) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            for answer in [ANSWER, answer] {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 1024]).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let mut load = Load::connect(at, Shape::new(1, 1)).unwrap();
        let answers = load.run(Duration::ZERO).unwrap();
        server.join().unwrap();
        assert_eq!(answers.requests, u64::from(answer == ANSWER));
        // The connection is closed now.
        assert_eq!(load.run(Duration::ZERO).unwrap().lost, 1);
        (answers.wrong, answers.lost)
    }

    #[test]
    fn an_answer_that_is_not_the_right_one_is_wrong() {
        assert_eq!(answered(ANSWER), (0, 0));
        assert_eq!(
            answered("HTTP/1.1 503 No\r\ncontent-length: 14\r\n\r\n{\"id\":\"10042\"}"),
            (1, 0)
        );
        let longer = "HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"id\":\"10042\"}.";
        assert_eq!(answered(longer), (1, 0));
    }

    #[test]
    fn an_answer_that_does_not_come_is_lost() {
        assert_eq!(answered(""), (0, 1));
        assert_eq!(answered(&ANSWER[..20]), (0, 1));
    }

    #[test]
    fn the_connections_are_shared_out_among_threads() {
        let parts = [0, 1, 2].map(|number| Shape::new(64, 1).part(number, 3).connections);
        assert_eq!(parts, [22, 21, 21]);
    }

    #[test]
    fn a_number_has_so_many_digits() {
        assert_eq!([0, 9, 10, 99, 100, 1_009_999].map(digits), [1, 1, 2, 2, 3, 7]);
    }
}
