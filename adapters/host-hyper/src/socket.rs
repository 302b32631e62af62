//! A connection's socket: it tells the watch when a request begins and when an answer is out, gathers
//! answers, and closes without losing one.

use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::Instant;

use crate::connection::Connection;
use crate::outbox::Outlet;
use crate::watch::Phase;

/// How many bytes of answers wait for further ones at the most.
const BATCH: usize = 8 << 10;

/// How long what a client still sends is read and thrown away after the last answer: an upload that
/// was refused comes to its end or its sender sees the answer.
const LINGER_AT_MOST: Duration = Duration::from_secs(2);

/// Answers to pipelined requests go out together, when there is nothing more to read, and with those
/// of other connections (see `outbox.rs`).
///
/// hyper can gather answers itself (`pipeline_flush`), but it then keeps back an answer as long as it
/// has any byte of a next request, and loses it when the connection ends with such a byte.
pub(crate) struct Socket {
    reader: OwnedReadHalf,
    answers: Answers,
    connection: Arc<Connection>,
    unsent: Vec<u8>,
    /// What the connection is at once the client has taken what is left: still at an answer, unless
    /// it let earlier ones wait while there was nothing else to do.
    after_left: Phase,
    /// The client has let a large answer wait, so that time has passed since it was made.
    waited: bool,
    /// All that the client has sent has been read, so that no further answer is near.
    read_all: bool,
    /// What was read before a rest and is part of the next request.
    unread: Bytes,
}

enum Answers {
    /// They go out here.
    To(Arc<Outlet>),
    /// The last one has been sent, at that time.
    Over(Instant),
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, connection: Arc<Connection>) -> Self {
        let (reader, writer) = stream.into_split();
        Self {
            reader,
            answers: Answers::To(Arc::new(Outlet::new(writer))),
            connection,
            unsent: Vec::new(),
            after_left: Phase::Answering,
            waited: false,
            read_all: false,
            unread: Bytes::new(),
        }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Takes back what hyper has read of the next request, if it has begun. It is copied, because the
    /// buffer it stands in is large.
    pub(crate) fn rest(&mut self, unread: &[u8]) {
        let unread = without_empty_lines(unread);
        if !unread.is_empty() {
            // It came together with the request before it.
            self.connection.watch.pass_on(Phase::Head);
        }
        self.unread = Bytes::copy_from_slice(unread);
    }

    /// There is something to read, if only the end, and the client has its answers.
    pub(crate) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // What is wrong with it comes out when it is read.
        let _ = ready!(self.poll_left(cx));
        self.reader.as_ref().poll_read_ready(cx).map(|_| ())
    }

    /// Sends what the client has not taken.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outlet = match &self.answers {
            Answers::To(outlet) if outlet.is_blocked() => outlet,
            _ => return Poll::Ready(Ok(())),
        };
        // Nothing is read meanwhile, so a head that has begun cannot go on either.
        let rests = self.connection.watch.rests();
        if rests || self.connection.watch.reads_head() {
            self.after_left = if rests { Phase::Idle } else { Phase::Head };
            self.connection.watch.enter(Phase::Answering);
        }
        let result = ready!(outlet.poll_send(cx));
        if self.connection.watch.answers() {
            self.connection.watch.enter(mem::replace(&mut self.after_left, Phase::Answering));
        }
        Poll::Ready(result)
    }

    /// Hands over what has been gathered, unless the client lets answers wait.
    fn poll_hand_over(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_left(cx))?;
        if !self.unsent.is_empty() {
            self.hand_over(cx.waker());
        }
        Poll::Ready(Ok(()))
    }

    fn hand_over(&mut self, waker: &Waker) {
        let bytes = mem::take(&mut self.unsent);
        if let Answers::To(outlet) = &self.answers {
            self.connection.outbox().put(outlet, bytes, waker);
        }
    }

    /// Hands over what waits; after that the client has its answer, or will have at once.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_hand_over(cx))?;
        if self.connection.watch.answers() {
            if mem::take(&mut self.waited) {
                self.connection.watch.enter(Phase::Idle);
            } else {
                self.connection.watch.pass_on(Phase::Idle);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Has everything sent before anything else happens.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_hand_over(cx))?;
        self.connection.outbox().send();
        self.poll_left(cx)
    }

    /// hyper reads on when it can make nothing more of what it has: no further answer is near, and
    /// the client may wait for those that there are.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_answer(cx))?;
        let watch = &self.connection.watch;
        if watch.is_begun() {
            watch.enter(Phase::Head);
        }
        if !self.unread.is_empty() {
            let length = self.unread.len().min(buffer.len());
            buffer[..length].copy_from_slice(&self.unread.split_to(length));
            return Poll::Ready(Ok(length));
        }
        let mut buffer = ReadBuf::new(buffer);
        let result = Pin::new(&mut self.reader).poll_read(cx, &mut buffer);
        self.read_all = result.is_pending();
        if watch.rests() {
            if result.is_ready() {
                watch.pass_on(Phase::Begun);
            } else if watch.is_idle() {
                watch.pass_on(Phase::Waiting);
            }
        }
        result.map_ok(|()| buffer.filled().len())
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.len() > BATCH {
            ready!(self.poll_sent(cx))?;
            let Answers::To(outlet) = &self.answers else {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            };
            let written = outlet.poll_write(cx, bytes);
            self.waited |= written.is_pending();
            return written;
        }
        if self.unsent.len() + bytes.len() > BATCH {
            ready!(self.poll_hand_over(cx))?;
        }
        if self.unsent.is_empty() {
            self.unsent = self.connection.outbox().buffer();
        }
        self.unsent.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.read_all {
            self.poll_answer(cx)
        } else if self.connection.outbox().is_hurried() {
            self.poll_hand_over(cx)
        } else {
            Poll::Ready(Ok(()))
        }
    }

    /// Says that no more will be sent, then reads and throws away what the client still sends.
    ///
    /// Closing with unread bytes would reset the connection, and the client might never see the
    /// answer (RFC 9112, section 9.6). The watch sees to it that this has an end.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let over = if let Answers::Over(at) = self.answers {
            at
        } else {
            ready!(self.poll_sent(cx))?;
            let now = Instant::now();
            self.answers = Answers::Over(now);
            self.connection.watch.enter(Phase::Closing);
            now
        };
        let mut scratch = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut self.reader).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() || over.elapsed() > LINGER_AT_MOST {
                return Poll::Ready(Ok(()));
            }
            self.connection.watch.enter(Phase::Closing);
        }
    }
}

impl Drop for Socket {
    /// A connection that is cut off, or that goes on in HTTP/2, ends without a shutdown. What has
    /// been answered before goes out now, as far as the kernel takes it at once, which it does unless
    /// the client has left many other answers where they are.
    fn drop(&mut self) {
        if !self.unsent.is_empty() {
            self.hand_over(Waker::noop());
            self.connection.outbox().send();
        }
    }
}

/// Some clients send one after a body, and it is no request (RFC 9112, section 2.2).
fn without_empty_lines(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b"\r\n").or_else(|| bytes.strip_prefix(b"\n")) {
        bytes = rest;
    }
    bytes
}
