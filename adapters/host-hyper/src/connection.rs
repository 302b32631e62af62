//! One connection, from the first byte to the last, and a watch over how long it takes for what.
//!
//! hyper's own timeout cannot tell a slow request from a connection that rests between two, and it
//! sets a timer for each request. Here one timer is set for a connection, and what it waits for is
//! looked at again when it runs out.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use accountservice_core::HostState;
use bytes::Bytes;
use http::{Request, Response};
use tokio::net;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use crate::Limits;
use crate::engine::Engines;
use crate::exchange::Handler;
use crate::observer::Observer;
use crate::outbox::Outbox;
use crate::request_id::RequestIds;
use crate::socket::Socket;
use crate::watch::Watch;
use crate::worker::{Load, Shared, Slot};

/// How long a connection that rests may go on resting when the server drains. A request that was
/// on its way at that moment is still answered.
const REST_WHILE_DRAINING: Duration = Duration::from_millis(250);

/// Serves the connections of one thread.
pub(crate) struct Connections {
    common: Arc<Common>,
}

/// What the connections of a thread have in common.
pub(crate) struct Common {
    pub(crate) handler: Arc<Handler>,
    pub(crate) limits: Limits,
    pub(crate) shared: Arc<Shared>,
    pub(crate) load: Arc<Load>,
    /// These are connections that there are too many of.
    pub(crate) overloaded: bool,
    engines: Engines,
}

impl Common {
    pub(crate) fn new(
        handler: &Arc<Handler>,
        limits: Limits,
        shared: &Arc<Shared>,
        load: &Arc<Load>,
        overloaded: bool,
    ) -> Self {
        Self {
            handler: Arc::clone(handler),
            engines: Engines::new(&limits),
            limits,
            shared: Arc::clone(shared),
            load: Arc::clone(load),
            overloaded,
        }
    }
}

/// What a request needs to know of the connection that it came by.
pub(crate) struct Connection {
    common: Arc<Common>,
    pub(crate) peer: SocketAddr,
    pub(crate) watch: Watch,
}

impl Connection {
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
    ) -> thread::Result<Response<Bytes>> {
        let Common { handler, load, shared, .. } = &*self.common;
        load.handling(now);
        let result = catch_unwind(AssertUnwindSafe(|| handler(request)));
        load.handled();
        if shared.stalled() {
            shared.returned(self.watch.now().saturating_sub(now));
        }
        result
    }

    /// Goes on until the connection ends or its time is over.
    async fn serve(&self, socket: Box<Socket>) -> hyper::Result<()> {
        let Common { limits, shared, .. } = &*self.common;
        let mut answering = pin!(self.answer_all(socket));
        let mut timer = pin!(sleep_until(self.watch.deadline(limits)));
        let mut drain = pin!(shared.drain());
        // Both have to be polled to wake this task, and only then: each poll has its price.
        let (mut is_set, mut waits_for_drain) = (false, false);
        let mut rest_until = None;
        poll_fn(|cx| {
            if let Poll::Ready(result) = answering.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            if rest_until.is_none() && (shared.draining() || !waits_for_drain) {
                waits_for_drain = drain.as_mut().poll(cx).is_pending();
                rest_until = (!waits_for_drain).then(|| Instant::now() + REST_WHILE_DRAINING);
            }
            loop {
                let mut deadline = self.watch.deadline(limits);
                if let Some(rest_until) = rest_until
                    && self.watch.rests()
                {
                    deadline = deadline.min(rest_until);
                }
                // A timer that runs out too early costs a look; one set anew each time costs more.
                if deadline < timer.deadline() {
                    timer.as_mut().reset(deadline);
                    is_set = false;
                }
                if is_set && !timer.is_elapsed() {
                    return Poll::Pending;
                }
                is_set = timer.as_mut().poll(cx).is_pending();
                if is_set {
                    return Poll::Pending;
                }
                if deadline <= Instant::now() {
                    return Poll::Ready(Ok(()));
                }
                timer.as_mut().reset(deadline);
            }
        })
        .await
    }

    /// Borrows hyper whenever there is something to read.
    async fn answer_all(&self, mut socket: Box<Socket>) -> hyper::Result<()> {
        let engines = &self.common.engines;
        loop {
            poll_fn(|cx| socket.poll_readable(cx)).await;
            let mut engine = engines.lend(socket);
            let ended = poll_fn(|cx| engine.poll(&self.watch, cx)).await;
            if let Some(result) = ended {
                return result;
            }
            socket = engines.take_back(engine);
        }
    }
}

impl Connections {
    pub(crate) fn new(common: Common) -> Self {
        Self { common: Arc::new(common) }
    }

    /// Serves one connection on the runtime of the current thread; its watch tells what it is at.
    pub(crate) fn spawn(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        slot: Slot,
    ) -> Option<(AbortHandle, Arc<Connection>)> {
        let prepared = prepare(stream);
        let stream =
            prepared.inspect_err(|error| debug!(%peer, "Lost a connection: {error}")).ok()?;
        let watch = Watch::new(self.common.shared.born());
        let connection = Arc::new(Connection { common: Arc::clone(&self.common), peer, watch });
        let socket = Box::new(Socket::new(stream, Arc::clone(&connection)));
        let served = Arc::clone(&connection);
        let task = tokio::spawn(async move {
            if let Err(error) = served.serve(socket).await {
                debug!(%peer, "Connection ended: {error}");
            }
            drop(slot);
        });
        Some((task.abort_handle(), connection))
    }
}

fn prepare(stream: TcpStream) -> io::Result<net::TcpStream> {
    // Answers are small and whole: waiting for more to send would only delay them.
    stream.set_nodelay(true)?;
    net::TcpStream::from_std(stream)
}
