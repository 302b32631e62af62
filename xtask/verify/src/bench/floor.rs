//! The floor: what any HTTP server on this machine has to do at the least. A raw epoll loop that does not
//! parse: it counts the ends of requests, with one receive and one send for each time that something
//! came in, and sends an answer that it was given. It is a process of its own, `cargo xtask floor`.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// The most requests that one receive can bring are answered with one send.
const BUFFER: usize = 64 << 10;
const MOST: usize = 1024;
const END: [u8; 4] = *b"\r\n\r\n";

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    workers: usize,
    /// What every request is answered with, head and body
    #[arg(long)]
    answer: String,
}

/// Serves until it is killed. The line it prints is the service's, for whoever waits for it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let workers: Vec<_> = (0..args.workers).map(|_| Worker::start(&args.answer)).collect();
    let workers = workers.into_iter().collect::<Result<Vec<_>>>()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("Starting HTTP service at {}", listener.local_addr()?.port());
    for (number, stream) in (0_u64..).zip(listener.incoming()) {
        let count = workers.len() as u64;
        let worker = usize::try_from(number % count)?;
        workers[worker].hand_over(stream?, number / count)?;
    }
    Ok(())
}

struct Worker {
    epoll: Arc<Epoll>,
    streams: Sender<TcpStream>,
}

impl Worker {
    fn start(answer: &str) -> Result<Self> {
        let epoll = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
        let (streams, arriving) = mpsc::channel();
        let (watched, answers) = (Arc::clone(&epoll), answer.repeat(MOST).into_bytes());
        thread::spawn(move || serve(&watched, &arriving, &answers));
        Ok(Self { epoll, streams })
    }

    /// Connections are numbered in the order in which they come to this worker.
    fn hand_over(&self, stream: TcpStream, number: u64) -> Result<()> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
        self.epoll.add(&stream, EpollEvent::new(flags, number))?;
        self.streams.send(stream).context("a worker of the floor has ended")
    }
}

struct Connection {
    stream: TcpStream,
    /// How much of an end the last receive ended with.
    matched: usize,
}

fn serve(epoll: &Epoll, arriving: &Receiver<TcpStream>, answers: &[u8]) -> Result<()> {
    let length = answers.len() / MOST;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let (mut events, mut buffer) = ([EpollEvent::empty(); 1024], vec![0; BUFFER]);
    loop {
        let ready = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            ready => ready?,
        };
        for event in &events[..ready] {
            let number = usize::try_from(event.data())?;
            while connections.len() <= number {
                connections.push(Some(Connection { stream: arriving.recv()?, matched: 0 }));
            }
            let place = &mut connections[number];
            // An error, or a send that did not take it all, is for the load to notice.
            if place.as_mut().is_some_and(|it| !it.answer(&mut buffer, answers, length)) {
                *place = None;
            }
        }
    }
}

impl Connection {
    /// Answers what has come in, and says whether the connection goes on.
    fn answer(&mut self, buffer: &mut [u8], answers: &[u8], length: usize) -> bool {
        loop {
            let received = match self.stream.read(buffer) {
                Ok(0) => return false,
                Ok(received) => received,
                Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
            };
            let mut count = self.ends(&buffer[..received]);
            while count > 0 {
                let bytes = &answers[..count.min(MOST) * length];
                if self.stream.write(bytes).ok() != Some(bytes.len()) {
                    return false;
                }
                count -= count.min(MOST);
            }
            if received < buffer.len() {
                return true;
            }
        }
    }

    /// How many requests end in these bytes, which go on where the last ones stopped.
    fn ends(&mut self, bytes: &[u8]) -> usize {
        let mut count = 0;
        for &byte in bytes {
            let goes_on = byte == END[self.matched];
            self.matched = if goes_on { self.matched + 1 } else { usize::from(byte == END[0]) };
            if self.matched == END.len() {
                count += 1;
                self.matched = 0;
            }
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_however_they_are_cut() {
        let requests = b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\n\r\r\n\r\n";
        for cut in 0..requests.len() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let mut connection = Connection { stream, matched: 0 };
            let (first, second) = requests.split_at(cut);
            assert_eq!(connection.ends(first) + connection.ends(second), 2, "cut at {cut}");
        }
    }
}
