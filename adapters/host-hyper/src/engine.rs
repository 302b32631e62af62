//! hyper, lent to one connection after the other.
//!
//! For each connection hyper keeps two buffers of 8 KiB and a dozen small pieces of memory. With some
//! hundred clients these are more than the processor's caches hold, and each request has to fetch
//! them anew. But between two requests hyper keeps nothing of a client's, so a thread can do with one
//! for all of them: a connection borrows it when there is something to read, and gives it back with
//! the answer. Only one whose request is incomplete, or has a body, keeps what it has borrowed.
//!
//! What one client has sent must never be read as another's. hyper goes on to the next connection
//! only if all of this holds, and is taken apart otherwise:
//!
//! - It has asked for more, which it does when it has written all of the last answer, and can make
//!   nothing more of what it has read.
//! - What it has read last ends with an empty line, as a head does. So there is nothing that it could
//!   make nothing of: that would be a head that has not come to its end.
//! - No request had a body, which may end as a head does, before or after what hyper takes for its end,
//!   asked for an upgrade, for which hyper keeps a place, or was of HTTP/1.0, in which it would go on.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::Service;

use crate::Limits;
use crate::exchange::{Exchange, exchange};
use crate::socket::Socket;
use crate::watch::Watch;

/// How much is read at once, in bytes: as much as hyper's own buffer has to begin with.
const READ: usize = 8 << 10;

/// Why there is a socket.
const BORROWED: &str = "only who has borrowed hyper polls it";

/// The engines of one thread.
pub(crate) struct Engines {
    http: http1::Builder,
    /// One that nobody has borrowed. More would be needed for slow requests alone.
    spare: Mutex<Option<Box<Engine>>>,
}

impl Engines {
    pub(crate) fn new(limits: &Limits) -> Self {
        let mut http = http1::Builder::new();
        http.max_buf_size(limits.head_bytes)
            .max_header_size(limits.head_bytes)
            // One flat write of head and body is cheaper than gathering two small ones.
            .writev(false)
            // A client that has said all it will say still gets its answers.
            .half_close(true)
            .header_read_timeout(None);
        Self { http, spare: Mutex::default() }
    }

    fn spare(&self) -> MutexGuard<'_, Option<Box<Engine>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lend(&self, socket: Box<Socket>) -> Box<Engine> {
        let spare = self.spare().take();
        let engine = spare.unwrap_or_else(|| Box::new(Engine::new(&self.http)));
        engine.seat.lock().socket = Some(socket);
        engine
    }

    /// Gives back the socket that the engine was lent to.
    #[expect(clippy::unnecessary_box_returns, reason = "it goes from hand to hand, in one place")]
    pub(crate) fn take_back(&self, engine: Box<Engine>) -> Box<Socket> {
        let mut taken = engine.seat.lock();
        let (socket, is_clear) = (taken.socket.take(), taken.is_clear && !taken.is_spoiled);
        drop(taken);
        let mut socket = socket.expect(BORROWED);
        if is_clear {
            *self.spare() = Some(engine);
        } else {
            socket.rest(&engine.http.into_parts().read_buf);
        }
        socket
    }
}

/// hyper's state machine, and who has borrowed it.
pub(crate) struct Engine {
    http: http1::Connection<Port, Exchanges>,
    seat: Arc<Seat>,
}

impl Engine {
    fn new(http: &http1::Builder) -> Self {
        let seat =
            Arc::new(Seat(Mutex::new(Taken { socket: None, is_clear: true, is_spoiled: false })));
        let port = Port { seat: Arc::clone(&seat), buffer: [0; READ].into() };
        let http = http.serve_connection(port, Exchanges(Arc::clone(&seat)));
        Self { http, seat }
    }

    /// Goes on until the connection rests, with which nothing is returned, or has come to its end.
    pub(crate) fn poll(
        &mut self,
        watch: &Watch,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<()>>> {
        match Pin::new(&mut self.http).poll(cx) {
            // A client has asked for an upgrade, and hyper leaves the socket to whoever grants it. It
            // has done so now, and closes it as any other.
            Poll::Ready(Ok(())) if !watch.closes() => Pin::new(&mut self.http).poll(cx).map(Some),
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if watch.waits() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Where a connection's socket is while hyper reads and writes. Nobody ever waits for the lock.
struct Seat(Mutex<Taken>);

struct Taken {
    socket: Option<Box<Socket>>,
    /// What has been read last ends where a request does: if hyper asks for more, it has nothing.
    is_clear: bool,
    /// hyper may keep something of a request that it was called for.
    is_spoiled: bool,
}

impl Seat {
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn socket(&mut self) -> &mut Socket {
        self.socket.as_mut().expect(BORROWED)
    }
}

/// What hyper takes for the socket.
struct Port {
    seat: Arc<Seat>,
    buffer: Box<[u8]>,
}

impl Read for Port {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut room: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { seat, buffer } = self.get_mut();
        let most = room.remaining().min(buffer.len());
        let mut taken = seat.lock();
        let length = ready!(taken.socket().poll_read(cx, &mut buffer[..most]))?;
        let bytes = &buffer[..length];
        taken.is_clear = ends_a_head(bytes);
        room.put_slice(bytes);
        Poll::Ready(Ok(()))
    }
}

/// Whether there is an empty line at the end and something before it. Empty lines alone would not be
/// a request, and hyper may keep them.
fn ends_a_head(bytes: &[u8]) -> bool {
    bytes.strip_suffix(b"\r\n\r\n").and_then(<[u8]>::last).is_some_and(|last| *last != b'\n')
}

impl Write for Port {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut taken = self.seat.lock();
        // The buffer that it stands in would be kept as large.
        taken.is_spoiled |= bytes.len() > READ;
        taken.socket().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.seat.lock().socket().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.seat.lock().socket().poll_shutdown(cx)
    }
}

/// What hyper takes for the service.
struct Exchanges(Arc<Seat>);

impl Service<Request<Incoming>> for Exchanges {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Exchange;

    fn call(&self, request: Request<Incoming>) -> Exchange {
        let mut taken = self.0.lock();
        // hyper has a place for an upgrade among the extensions, if one was asked for.
        taken.is_spoiled |= !request.body().is_end_stream()
            || !request.extensions().is_empty()
            || request.version() != Version::HTTP_11;
        exchange(taken.socket().connection(), request)
    }
}
