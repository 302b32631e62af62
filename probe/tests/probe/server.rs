//! Servers for the tests, most of which misbehave. Each connection ends within a few seconds, so
//! that a probe without a deadline fails a test instead of hanging it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Far longer than any deadline in the tests.
const SERVER_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct Server {
    pub(crate) port: u16,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// `serve` gets each connection and its number, from 0.
    pub(crate) fn new(serve: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), serve)
    }

    pub(crate) fn on(
        listener: TcpListener,
        serve: impl Fn(TcpStream, usize) + Send + Sync + 'static,
    ) -> Self {
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_read_timeout(Some(SERVER_TIMEOUT)).unwrap();
                stream.set_write_timeout(Some(SERVER_TIMEOUT)).unwrap();
                serve(stream, counter.fetch_add(1, Ordering::SeqCst));
            }
        });
        Self { port, connections }
    }

    /// Reads the request, sends these bytes and closes its side.
    pub(crate) fn responding(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::new(move |mut stream, _| {
            request(&mut stream);
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            wait_for_close(&mut stream);
        })
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// The head of one request.
pub(crate) fn request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

/// Waits until the probe closes the connection.
pub(crate) fn wait_for_close(stream: &mut TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

/// Sends `start`, then `rest` repeatedly until the probe closes the connection.
pub(crate) fn send_endlessly(mut stream: TcpStream, start: &[u8], rest: &[u8], pause: Duration) {
    let end = Instant::now() + SERVER_TIMEOUT;
    let mut sent = stream.write_all(start);
    while sent.is_ok() && Instant::now() < end {
        thread::sleep(pause);
        sent = stream.write_all(rest);
    }
}

/// A port of 127.0.0.1 that refuses connections. No other test gets it during the lifetime of this
/// value, because it is the port of a client's socket.
pub(crate) struct RefusingPort {
    pub(crate) port: u16,
    _ends: (TcpStream, TcpStream),
}

impl RefusingPort {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        Self { port: client.local_addr().unwrap().port(), _ends: (client, server) }
    }
}
