//! A connection's socket: it tells the watch when a request begins and when an answer is out, sends
//! answers together, and closes without losing one.

use std::cell::Cell;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::watch::{LINGER_AT_MOST, Phase, Watch};

/// How many bytes of answers wait for further ones at the most.
const BATCH: usize = 8 << 10;

thread_local! {
    /// Where the next connection puts its answers. They are sent before another one has its turn,
    /// nearly always, so that one buffer, which stays in the processor's cache, is enough for all.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Answers to pipelined requests go out together, when there is nothing more to read.
///
/// hyper can do so itself (`pipeline_flush`), but it then keeps back an answer as long as it has
/// any byte of a next request, and loses it when the connection ends with such a byte.
pub(crate) struct Socket {
    stream: TokioIo<TcpStream>,
    watch: Arc<Watch>,
    unsent: Vec<u8>,
    /// All that the client has sent has been read, so that no further answer is near.
    read_all: bool,
    /// The client has let answers wait, so that time has passed since they were made.
    waits: bool,
    /// What was read before a rest and is part of the next request.
    unread: Bytes,
    /// Since when nothing more is sent.
    closing: Option<Instant>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, watch: Arc<Watch>) -> Self {
        let stream = TokioIo::new(stream);
        Self {
            stream,
            watch,
            unsent: Vec::new(),
            read_all: false,
            waits: false,
            unread: Bytes::new(),
            closing: None,
        }
    }

    /// Takes back what hyper has read of the next request, if it has begun. It is copied, because the
    /// buffer it stands in is large.
    pub(crate) fn rest(&mut self, unread: &[u8]) {
        self.unread = Bytes::copy_from_slice(unread);
    }

    /// There is something to read, if only the end.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        // What is wrong with it comes out when it is read.
        self.stream.inner().poll_read_ready(cx).map(|_| ())
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unsent.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let mut sent = 0;
        let result = loop {
            if sent == self.unsent.len() {
                break Poll::Ready(Ok(()));
            }
            match Pin::new(&mut self.stream).poll_write(cx, &self.unsent[sent..]) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(length)) => sent += length,
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.waits = true;
                    break Poll::Pending;
                }
            }
        };
        if sent == self.unsent.len() {
            self.unsent.clear();
            SPARE.set(mem::take(&mut self.unsent));
        } else {
            self.unsent.drain(..sent);
        }
        result
    }

    /// Sends what waits; after that the client has its answer.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        if self.watch.answers() {
            if mem::take(&mut self.waits) {
                self.watch.enter(Phase::Idle);
            } else {
                self.watch.pass_on(Phase::Idle);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Read for Socket {
    /// hyper reads on when it can make nothing more of what it has: no further answer is near, and
    /// the client may wait for those that there are.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(cx))?;
        if self.watch.is_begun() {
            self.watch.enter(Phase::Head);
        }
        if !self.unread.is_empty() {
            let length = self.unread.len().min(buffer.remaining());
            buffer.put_slice(&self.unread.split_to(length));
            return Poll::Ready(Ok(()));
        }
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.read_all = result.is_pending();
        if self.watch.rests() {
            if result.is_ready() {
                self.watch.pass_on(Phase::Begun);
            } else if self.watch.is_idle() {
                self.watch.pass_on(Phase::Waiting);
            }
        }
        result
    }
}

impl Write for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.unsent.len() + bytes.len() > BATCH {
            ready!(self.poll_send(cx))?;
        }
        if bytes.len() > BATCH {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        }
        if self.unsent.is_empty() {
            self.unsent = SPARE.take();
        }
        self.unsent.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.read_all { self.poll_answer(cx) } else { Poll::Ready(Ok(())) }
    }

    /// Says that no more will be sent, then reads and throws away what the client still sends.
    ///
    /// Closing with unread bytes would reset the connection, and the client might never see the
    /// answer (RFC 9112, section 9.6). The watch sees to it that this has an end.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        let closing = if let Some(closing) = self.closing {
            closing
        } else {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.watch.enter(Phase::Closing);
            *self.closing.insert(Instant::now())
        };
        let mut scratch = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut self.stream).poll_read(cx, buffer.unfilled()))?;
            if buffer.filled().is_empty() || closing.elapsed() > LINGER_AT_MOST {
                return Poll::Ready(Ok(()));
            }
            self.watch.enter(Phase::Closing);
        }
    }
}

impl Drop for Socket {
    /// A connection on which an upgrade or a tunnel was ever asked for ends without a shutdown:
    /// hyper leaves the socket to whoever grants such a wish, and nobody here does. So the last
    /// answers go out now, as far as the kernel takes them at once, which it does unless the client
    /// has left many others where they are.
    fn drop(&mut self) {
        // An error says that nobody is there any more.
        let _ = self.stream.inner().try_write(&self.unsent);
    }
}
