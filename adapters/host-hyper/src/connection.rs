//! One connection: its own hyper, its own parser, from the first byte to the last.
//!
//! Nothing here outlives the connection, so no byte of one client can reach another. The server or
//! the overload lane starts it.

use std::error::Error;
use std::future::poll_fn;
use std::net::TcpStream;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use accountservice_host::Handler;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, sleep};
use tracing::debug;

use crate::context::ConnectionContext;
use crate::deadline::ConnectionState;
use crate::request;
use crate::socket::Socket;

/// How long an idle connection stays open when the server closes. A request that was on its way is
/// still served.
const IDLE_WHILE_CLOSING: Duration = Duration::from_millis(250);

/// Serves a connection until it ends or its time is over.
pub(crate) async fn serve<H: Handler>(context: Arc<ConnectionContext<H>>, stream: TcpStream) {
    if let Err(error) = drive(&context, stream).await {
        debug!(peer = %context.peer, "Connection ended: {error}");
    }
}

async fn drive<H: Handler>(
    context: &Arc<ConnectionContext<H>>,
    stream: TcpStream,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    // Responses are small and whole: waiting for more to send would only delay them.
    stream.set_nodelay(true)?;
    let stream = tokio::net::TcpStream::from_std(stream)?;
    let socket = TokioIo::new(Socket::new(stream, Arc::clone(context)));
    let for_requests = Arc::clone(context);
    let service = service_fn(move |request| request::respond(Arc::clone(&for_requests), request));
    let ConnectionContext { server, deadline, .. } = &**context;
    // hyper takes no less.
    let max_head = server.config.max_head.max(8 << 10);
    let mut http = pin!(
        http1::Builder::new()
            .max_buf_size(max_head)
            .max_header_size(max_head)
            // One flat write of head and body is cheaper than gathering two small ones.
            .writev(false)
            // A client that has ended its sending side still gets its responses.
            .half_close(true)
            .header_read_timeout(None)
            .serve_connection(socket, service)
    );
    let mut timer = pin!(sleep(server.config.header_timeout));
    let mut closing = pin!(server.closing_started.notified());
    // Each is polled once to wake this task: every further poll has its cost.
    let (mut is_timer_set, mut waits_for_closing) = (false, false);
    let mut idle_until = None;
    poll_fn(|cx| {
        match http.as_mut().poll(cx) {
            // hyper leaves the socket to a client that asked for an upgrade. None is granted,
            // so the second poll closes the connection like any other.
            Poll::Ready(Ok(())) if deadline.state() != ConnectionState::Closing => {
                return http.as_mut().poll(cx).map_err(Into::into);
            }
            Poll::Ready(result) => return Poll::Ready(result.map_err(Into::into)),
            Poll::Pending => {}
        }
        if idle_until.is_none() {
            waits_for_closing = waits_for_closing || closing.as_mut().poll(cx).is_pending();
            idle_until = server.is_closing().then(|| Instant::now() + IDLE_WHILE_CLOSING);
        }
        loop {
            let mut due = deadline.due(&server.config);
            if deadline.state() == ConnectionState::Idle {
                due = due.min(idle_until.or(due));
            }
            let Some(due) = due else { return Poll::Pending };
            // A timer that fires too early costs a look; setting it for each request costs more.
            if due < timer.deadline() {
                timer.as_mut().reset(due);
                is_timer_set = false;
            }
            if !is_timer_set || timer.is_elapsed() {
                is_timer_set = timer.as_mut().poll(cx).is_pending();
            }
            if is_timer_set {
                return Poll::Pending;
            }
            if due <= Instant::now() {
                return Poll::Ready(Ok(()));
            }
            timer.as_mut().reset(due);
        }
    })
    .await
}
