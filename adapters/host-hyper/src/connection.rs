//! One connection: hyper's state machine, and a watch over how long it takes for what.
//!
//! hyper's own timeout cannot tell a slow request from a connection that rests between two, and it
//! sets a timer for each request. Here one timer is set for a connection, and what it waits for is
//! looked at again when it runs out.
//!
//! hyper has two buffers of 8 KiB for each connection. One that rests needs neither, so hyper is let
//! in when there is something to read, and sent away when nothing has come for a while.

use std::future::poll_fn;
use std::io;
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::Duration;

use accountservice_core::HostState;
use bytes::Bytes;
use http::{Request, Response};
use hyper::server::conn::http1;
use tokio::net;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use crate::Limits;
use crate::exchange::{Exchanges, Handler};
use crate::observer::Observer;
use crate::outbox::Outbox;
use crate::request_id::RequestIds;
use crate::socket::Socket;
use crate::watch::{Phase, Watch};
use crate::worker::{Load, Shared, Slot};

/// How long a connection that rests may go on resting when the server drains. A request that was
/// on its way at that moment is still answered.
const REST_WHILE_DRAINING: Duration = Duration::from_millis(250);

/// How soon the next request has to come for the buffers to be kept for it.
const SOON: Duration = Duration::from_millis(500);

/// Serves the connections of one thread.
pub(crate) struct Connections<H> {
    common: Arc<Common<H>>,
}

/// What the connections of a thread have in common.
pub(crate) struct Common<H> {
    pub(crate) handler: Arc<H>,
    pub(crate) limits: Limits,
    pub(crate) shared: Arc<Shared>,
    pub(crate) load: Arc<Load>,
    /// These are connections that there are too many of.
    pub(crate) overloaded: bool,
    http: http1::Builder,
}

impl<H> Common<H> {
    pub(crate) fn new(
        handler: &Arc<H>,
        limits: Limits,
        shared: &Arc<Shared>,
        load: &Arc<Load>,
        overloaded: bool,
    ) -> Self {
        let mut http = http1::Builder::new();
        http.max_buf_size(limits.head_bytes)
            .max_header_size(limits.head_bytes)
            // One flat write of head and body is cheaper than gathering two small ones.
            .writev(false)
            // A client that has said all it will say still gets its answers.
            .half_close(true)
            .header_read_timeout(None);
        Self {
            handler: Arc::clone(handler),
            limits,
            shared: Arc::clone(shared),
            load: Arc::clone(load),
            overloaded,
            http,
        }
    }
}

/// What a request needs to know of the connection that it came by.
pub(crate) struct Connection<H> {
    common: Arc<Common<H>>,
    pub(crate) peer: SocketAddr,
    pub(crate) watch: Arc<Watch>,
}

impl<H> Connection<H> {
    pub(crate) fn limits(&self) -> &Limits {
        &self.common.limits
    }

    /// What a handler should know, if anything.
    pub(crate) fn host_state(&self) -> Option<HostState> {
        let state =
            HostState { overloaded: self.common.overloaded, stalled: self.common.shared.stalled() };
        (state != HostState::default()).then_some(state)
    }

    pub(crate) fn observer(&self) -> &dyn Observer {
        self.common.shared.observer()
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.common.load.outbox
    }

    pub(crate) fn request_ids(&self) -> &RequestIds {
        &self.common.load.request_ids
    }

    /// Whether the answer to this request is the last one.
    pub(crate) fn ends(&self) -> bool {
        self.common.overloaded || self.common.shared.draining()
    }

    /// Calls the handler and notes that it is at work. A panic ends here: it costs one request, and
    /// not the connection or the process.
    pub(crate) fn handle(
        &self,
        request: Request<Bytes>,
        now: Duration,
    ) -> thread::Result<Response<Bytes>>
    where
        H: Handler,
    {
        let Common { handler, load, shared, .. } = &*self.common;
        load.handling(now);
        let result = catch_unwind(AssertUnwindSafe(|| handler(request)));
        load.handled();
        if shared.stalled() {
            shared.returned(self.watch.now().saturating_sub(now));
        }
        result
    }
}

impl<H: Handler> Connections<H> {
    pub(crate) fn new(common: Common<H>) -> Self {
        Self { common: Arc::new(common) }
    }

    /// Serves one connection on the runtime of the current thread; the watch tells what it is at.
    pub(crate) fn spawn(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        slot: Slot,
    ) -> Option<(AbortHandle, Arc<Watch>)> {
        let prepared = prepare(stream);
        let stream =
            prepared.inspect_err(|error| debug!(%peer, "Lost a connection: {error}")).ok()?;
        let watch = Arc::new(Watch::new(self.common.shared.born()));
        let socket = Socket::new(stream, Arc::clone(&watch), Arc::clone(&self.common.load));
        let connection =
            Connection { common: Arc::clone(&self.common), peer, watch: Arc::clone(&watch) };
        let serving = Serving {
            connection: Arc::new(connection),
            state: State::Resting(socket),
            busy: false,
        };
        let task = tokio::spawn(async move {
            if let Err(error) = serving.watched().await {
                debug!(%peer, "Connection ended: {error}");
            }
            drop(slot);
        });
        Some((task.abort_handle(), watch))
    }
}

fn prepare(stream: TcpStream) -> io::Result<net::TcpStream> {
    // Answers are small and whole: waiting for more to send would only delay them.
    stream.set_nodelay(true)?;
    net::TcpStream::from_std(stream)
}

/// A connection as it is served.
struct Serving<H: Handler> {
    connection: Arc<Connection<H>>,
    state: State<H>,
    /// The last request came soon after the answer to the one before it.
    busy: bool,
}

enum State<H: Handler> {
    /// Until there is something to read.
    Resting(Socket),
    Working(Box<http1::Connection<Socket, Exchanges<H>>>),
    /// For as long as it takes to go from one to the other.
    Changing,
}

impl<H: Handler> Serving<H> {
    /// Goes on until the connection ends or its time is over.
    async fn watched(mut self) -> hyper::Result<()> {
        let connection = Arc::clone(&self.connection);
        let Common { limits, shared, .. } = &*connection.common;
        let watch = &connection.watch;
        let mut timer = pin!(sleep_until(watch.deadline(limits)));
        let mut drain = pin!(shared.drain());
        // Both have to be polled to wake this task, and only then: each poll has its price.
        let (mut is_set, mut waits_for_drain) = (false, false);
        let mut rest_until = None;
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(result) = self.go_on(cx) {
                    return Poll::Ready(result);
                }
                if rest_until.is_none() && (shared.draining() || !waits_for_drain) {
                    waits_for_drain = drain.as_mut().poll(cx).is_pending();
                    rest_until = (!waits_for_drain).then(|| Instant::now() + REST_WHILE_DRAINING);
                }
                // Whether a head has begun is known when it rests.
                if rest_until.is_some() && mem::take(&mut self.busy) {
                    continue;
                }
                let mut deadline = watch.deadline(limits);
                if let Some(rest_until) = rest_until
                    && watch.rests()
                {
                    deadline = deadline.min(rest_until);
                }
                let look = self.gives_back_at().map_or(deadline, |at| deadline.min(at));
                // A timer that runs out too early costs a look; one set anew each time costs more.
                if look < timer.deadline() {
                    timer.as_mut().reset(look);
                    is_set = false;
                }
                if is_set && !timer.is_elapsed() {
                    return Poll::Pending;
                }
                is_set = timer.as_mut().poll(cx).is_pending();
                if is_set {
                    return Poll::Pending;
                }
                let now = Instant::now();
                if deadline <= now {
                    return Poll::Ready(Ok(()));
                }
                if look <= now {
                    self.rest();
                } else {
                    timer.as_mut().reset(look);
                }
            }
        })
        .await
    }

    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        loop {
            match &mut self.state {
                State::Resting(socket) => {
                    ready!(socket.poll_readable(cx));
                    self.work();
                }
                State::Working(working) => {
                    let watch = &self.connection.watch;
                    if let Poll::Ready(result) = Pin::new(&mut *working).poll(cx) {
                        if result.is_ok() && !watch.closes() {
                            // A client has asked for an upgrade, and hyper leaves the socket to
                            // whoever grants it. It has done so now, and closes it as any other.
                            return Pin::new(working).poll(cx);
                        }
                        return Poll::Ready(result);
                    }
                    if self.busy || !watch.waits() {
                        return Poll::Pending;
                    }
                    self.rest();
                }
                State::Changing => unreachable!("no change waits for anything"),
            }
        }
    }

    /// When a connection that works, and has nothing to do, gives back its buffers.
    fn gives_back_at(&self) -> Option<Instant> {
        let watch = &self.connection.watch;
        let idle = matches!(self.state, State::Working(_)) && watch.waits();
        idle.then(|| watch.since() + SOON)
    }

    fn work(&mut self) {
        let Self { connection, state, busy } = self;
        *state = match mem::replace(state, State::Changing) {
            State::Resting(socket) => {
                let Common { shared, .. } = &*connection.common;
                let watch = &connection.watch;
                *busy = !shared.draining() && watch.waits() && watch.since().elapsed() < SOON;
                let exchanges = Exchanges(Arc::clone(connection));
                State::Working(Box::new(connection.common.http.serve_connection(socket, exchanges)))
            }
            other => other,
        };
    }

    fn rest(&mut self) {
        self.state = match mem::replace(&mut self.state, State::Changing) {
            State::Working(working) => {
                let parts = working.into_parts();
                let unread = without_empty_lines(&parts.read_buf);
                if !unread.is_empty() {
                    // It came together with the request before it.
                    self.connection.watch.pass_on(Phase::Head);
                }
                let mut socket = parts.io;
                socket.rest(unread);
                State::Resting(socket)
            }
            other => other,
        };
    }
}

/// Some clients send one after a body, and it is no request (RFC 9112, section 2.2).
fn without_empty_lines(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b"\r\n").or_else(|| bytes.strip_prefix(b"\n")) {
        bytes = rest;
    }
    bytes
}
