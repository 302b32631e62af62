//! Answers on their way out: those of one thread's connections are sent one right after the other.
//!
//! To send is most of what a request costs, and part of that is to wake the client. While answers
//! follow each other closely, a client with many connections, such as a proxy, is still awake when
//! the next one comes; and the code that sends, the kernel's and ours, stays in the processor's
//! caches. An answer waits only for requests that had come in before it was ready, and for one handler
//! that is slow; for one that never returns, until somebody connects and finds that out, or, if that
//! one's request is next on the same connection, for ever.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

/// How many answers wait for each other at the most.
const MOST: usize = 32;

/// A handler that takes longer holds up the answers that wait.
const QUICK: Duration = Duration::from_micros(100);

/// Larger buffers, in bytes, are not kept.
const KEPT: usize = 8 << 10;

/// The answers of one thread that are ready and not sent.
#[derive(Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    /// The last request was a slow one.
    hurried: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    parcels: Vec<Parcel>,
    spare: Vec<Vec<u8>>,
    /// Wakes whoever sends when all requests that have come in are answered. Without it, nothing
    /// waits.
    sender: Option<Waker>,
}

/// Answers to one client.
struct Parcel {
    outlet: Arc<Outlet>,
    bytes: Vec<u8>,
    /// Wakes the connection if its client does not take them.
    waker: Waker,
}

impl Outbox {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty buffer to write answers into.
    pub(crate) fn buffer(&self) -> Vec<u8> {
        self.waiting().spare.pop().unwrap_or_default()
    }

    /// Takes answers to be sent soon.
    pub(crate) fn put(&self, outlet: &Arc<Outlet>, bytes: Vec<u8>, waker: &Waker) {
        let mut waiting = self.waiting();
        let outlet = Arc::clone(outlet);
        waiting.parcels.push(Parcel { outlet, bytes, waker: waker.clone() });
        let is_full = waiting.parcels.len() >= MOST;
        match &waiting.sender {
            Some(sender) if !is_full && !self.is_hurried() => {
                if waiting.parcels.len() == 1 {
                    sender.wake_by_ref();
                }
            }
            _ => waiting.send(),
        }
    }

    /// Says how long the last request took. After a slow one nothing waits for the next, which may
    /// be as slow and, if pipelined, comes before any other task has its turn.
    pub(crate) fn took(&self, time: Duration) {
        let slow = time > QUICK;
        if slow != self.is_hurried() {
            self.hurried.store(slow, Ordering::Relaxed);
        }
        if slow {
            self.send();
        }
    }

    /// Answers should be on their way before the next request is looked at.
    pub(crate) fn is_hurried(&self) -> bool {
        self.hurried.load(Ordering::Relaxed)
    }

    /// Sends what waits whenever all requests that have come in are answered.
    pub(crate) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker();
        let mut waiting = self.waiting();
        if !waiting.sender.as_ref().is_some_and(|sender| sender.will_wake(waker)) {
            waiting.sender = Some(waker.clone());
        }
        waiting.send();
        Poll::Pending
    }

    /// Sends all that waits.
    pub(crate) fn send(&self) {
        self.waiting().send();
    }
}

impl Waiting {
    /// Nobody else gets at the answers meanwhile: connections above the limit may be served by
    /// several threads, and an answer must not be overtaken by the next one.
    fn send(&mut self) {
        let Self { parcels, spare, .. } = self;
        for Parcel { outlet, mut bytes, waker } in parcels.drain(..) {
            if !outlet.send(&bytes) {
                waker.wake();
            }
            if bytes.capacity() <= KEPT && spare.len() < MOST {
                bytes.clear();
                spare.push(bytes);
            }
        }
    }
}

/// Where the answers of one connection go. When it is dropped, the client hears that no more come.
pub(crate) struct Outlet {
    writer: OwnedWriteHalf,
    /// There is something left.
    blocked: AtomicBool,
    /// What the client has not taken.
    left: Mutex<Vec<u8>>,
}

impl Outlet {
    pub(crate) fn new(writer: OwnedWriteHalf) -> Self {
        Self { writer, blocked: AtomicBool::new(false), left: Mutex::default() }
    }

    /// The client has let answers wait.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// Sends as much as the kernel takes, and keeps the rest. An error is kept too: it comes again
    /// when the rest is sent.
    fn send(&self, bytes: &[u8]) -> bool {
        let sent = if self.is_blocked() { 0 } else { self.writer.try_write(bytes).unwrap_or(0) };
        if sent == bytes.len() {
            return true;
        }
        self.left().extend_from_slice(&bytes[sent..]);
        self.blocked.store(true, Ordering::Relaxed);
        false
    }

    /// Sends what is left.
    pub(crate) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut left = self.left();
        while !left.is_empty() {
            match ready!(self.poll_write(cx, &left)) {
                Ok(sent) => drop(left.drain(..sent)),
                Err(error) => {
                    left.clear();
                    self.blocked.store(false, Ordering::Relaxed);
                    return Poll::Ready(Err(error));
                }
            }
        }
        // A connection that rests keeps no memory for it.
        *left = Vec::new();
        self.blocked.store(false, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    /// Sends something at once, in front of which nothing may wait.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream: &TcpStream = self.writer.as_ref();
        loop {
            match stream.try_write(bytes) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(stream.poll_write_ready(cx))?;
                }
                result => return Poll::Ready(result),
            }
        }
    }

    fn left(&self) -> MutexGuard<'_, Vec<u8>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Read;
    use std::net;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use tokio::net::TcpListener;
    use tokio::runtime;
    use tokio::time::timeout;

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Through the server it is seldom seen that nobody is woken: a next request does it too.
    #[test]
    fn a_connection_is_woken_for_what_its_client_has_not_taken_and_sends_it_in_order() {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            let mut client = net::TcpStream::connect(address).expect("a connection");
            let (stream, _) = listener.accept().await.expect("the connection");
            let (_reader, writer) = stream.into_split();
            let mut expected = Vec::new();
            // The kernel may find room for more a little later.
            while timeout(Duration::from_millis(200), writer.writable()).await.is_ok() {
                let sent = writer.try_write(&[b'-'; 16 << 10]).unwrap_or(0);
                expected.extend_from_slice(&[b'-'; 16 << 10][..sent]);
            }

            let (outbox, outlet) = (Outbox::default(), Arc::new(Outlet::new(writer)));
            let wakes = Arc::<Wakes>::default();
            let mut taken = vec![0; expected.len()];
            for number in 0..5 {
                expected.extend_from_slice(&[number; 10_000]);
                outbox.put(&outlet, vec![number; 10_000], &Arc::clone(&wakes).into());
                if number == 0 {
                    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
                    client.read_exact(&mut taken).expect("what the kernel has kept");
                    // There is room now, but not for the answers to come.
                    outlet.writer.writable().await.expect("an open connection");
                }
            }

            poll_fn(|cx| outlet.poll_send(cx)).await.expect("room for all");
            taken.resize(expected.len(), 0);
            let rest = expected.len() - 50_000;
            client.read_exact(&mut taken[rest..]).expect("the rest");
            assert!(taken == expected);
        });
    }
}
