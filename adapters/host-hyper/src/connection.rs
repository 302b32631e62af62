//! One connection: hyper's state machine, and a watch over how long it takes for what.
//!
//! hyper's own timeout cannot tell a slow request from a connection that rests between two, and it
//! sets a timer for each request. Here one timer is set for a connection, and what it waits for is
//! looked at again when it runs out.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::thread;
use std::time::Duration;

use accountservice_core::HostState;
use bytes::Bytes;
use http::{Request, Response};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::net;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use crate::Limits;
use crate::exchange::exchange;
use crate::observer::Observer;
use crate::request_id::RequestIds;
use crate::socket::Socket;
use crate::watch::Watch;
use crate::worker::{Load, Shared, Slot};

/// How long a connection that rests may go on resting when the server drains. A request that was
/// on its way at that moment is still answered.
const REST_WHILE_DRAINING: Duration = Duration::from_millis(250);

/// Serves the connections of one thread.
pub(crate) struct Connections<H> {
    common: Arc<Common<H>>,
    http: http1::Builder,
}

/// What the connections of a thread have in common.
pub(crate) struct Common<H> {
    pub(crate) handler: Arc<H>,
    pub(crate) limits: Limits,
    pub(crate) shared: Arc<Shared>,
    pub(crate) load: Arc<Load>,
    /// These are connections that there are too many of.
    pub(crate) overloaded: bool,
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

    pub(crate) fn request_ids(&self) -> &RequestIds {
        &self.common.load.request_ids
    }

    /// Whether the answer to this request is the last one.
    pub(crate) fn ends(&self) -> bool {
        self.common.overloaded || self.common.shared.draining()
    }

    /// Calls the handler and notes that it is at work. A panic ends here: it costs one request, and
    /// not the connection or the process.
    pub(crate) fn handle(&self, request: Request<Bytes>) -> thread::Result<Response<Bytes>>
    where
        H: Fn(Request<Bytes>) -> Response<Bytes>,
    {
        let Common { handler, shared, load, .. } = &*self.common;
        load.handling(shared, Instant::now());
        let result = catch_unwind(AssertUnwindSafe(|| handler(request)));
        load.handled();
        result
    }
}

impl<H> Connections<H>
where
    H: Fn(Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
{
    pub(crate) fn new(common: Common<H>) -> Self {
        let mut http = http1::Builder::new();
        http.max_buf_size(common.limits.head_bytes)
            .max_header_size(common.limits.head_bytes)
            // One flat write of head and body is cheaper than gathering two small ones.
            .writev(false)
            // A client that has said all it will say still gets its answers.
            .half_close(true)
            .header_read_timeout(None);
        Self { common: Arc::new(common), http }
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
        let watch = Arc::new(Watch::new());
        let io = Socket::new(stream, Arc::clone(&watch));
        let connection =
            Connection { common: Arc::clone(&self.common), peer, watch: Arc::clone(&watch) };
        let connection = Arc::new(connection);
        let service = {
            let connection = Arc::clone(&connection);
            service_fn(move |request| {
                let connection = Arc::clone(&connection);
                async move { Ok::<_, Infallible>(exchange(request, &connection).await) }
            })
        };
        let serving = self.http.serve_connection(io, service);
        let task = tokio::spawn(async move {
            if let Err(error) = watched(serving, &connection).await {
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

/// Drives a connection until it ends or its time is over.
async fn watched<H, F>(serving: F, connection: &Connection<H>) -> hyper::Result<()>
where
    F: Future<Output = hyper::Result<()>>,
{
    let limits = connection.limits();
    let mut serving = pin!(serving);
    let mut timer = pin!(sleep_until(connection.watch.deadline(limits)));
    let mut drain = pin!(connection.common.shared.drain());
    let mut rest_until = None;
    poll_fn(|cx| {
        if let Poll::Ready(result) = serving.as_mut().poll(cx) {
            return Poll::Ready(result);
        }
        if rest_until.is_none() && drain.as_mut().poll(cx).is_ready() {
            rest_until = Some(Instant::now() + REST_WHILE_DRAINING);
        }
        loop {
            let mut deadline = connection.watch.deadline(limits);
            if let Some(rest_until) = rest_until
                && connection.watch.rests()
            {
                deadline = deadline.min(rest_until);
            }
            // A timer that runs out too early costs a look; one set anew each time costs more.
            if deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(cx));
            if deadline <= Instant::now() {
                return Poll::Ready(Ok(()));
            }
            timer.as_mut().reset(deadline);
        }
    })
    .await
}
