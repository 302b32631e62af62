//! Accepting connections, handing them out, and stopping.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{debug, error, info, warn};

use crate::Limits;
use crate::exchange::Handler;
use crate::observer::Observer;
use crate::overflow::Overflow;
use crate::worker::{Shared, Workers};

/// How long accepting pauses when the machine has no file descriptor or no memory left for one more
/// connection: long enough not to spin, short enough not to be noticed.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a crowd is old news: at the limit, each connection that goes lets one in.
const WARN_AGAIN: Duration = Duration::from_secs(10);

/// Serves `handler` on `listener` until `shutdown` is over; then stops accepting, answers what is in
/// flight, closes what is idle and returns, at the latest after `limits.drain_time`.
///
/// The handler is called from several threads at once. One that panics costs its client a 500 and
/// nobody else anything. Runs on a runtime with I/O and time.
///
/// Where the host knows something that the handler cannot, the request has a
/// [`HostState`](accountservice_core::HostState) as an extension.
///
/// # Errors
///
/// If a worker's thread or runtime cannot be made: never because of a client.
pub async fn serve<H>(
    listener: TcpListener,
    handler: H,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()>
where
    H: Fn(Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
{
    serve_observed(listener, handler, limits, Arc::new(()), shutdown).await
}

/// As [`serve`], and tells `observer` what happens.
///
/// # Errors
///
/// As [`serve`].
pub async fn serve_observed<H>(
    listener: TcpListener,
    handler: H,
    limits: Limits,
    observer: Arc<dyn Observer>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()>
where
    H: Fn(Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
{
    let limits = limits.bounded();
    let shared = Arc::new(Shared::new(observer));
    let handler: Arc<Handler> = Arc::new(handler);
    let mut door = Door {
        workers: Workers::start(&handler, &limits, &shared)?,
        overflow: Overflow::new(&handler, &limits, &shared),
        limit: limits.connections,
        warned: None,
    };
    // The workers let go of it one by one when they end.
    drop(handler);

    {
        let mut shutdown = pin!(shutdown);
        let mut accepting = pin!(door.accept_all(&listener));
        poll_fn(|cx| {
            let _never = accepting.as_mut().poll(cx);
            shutdown.as_mut().poll(cx)
        })
        .await;
    }

    let deadline = Instant::now() + limits.drain_time;
    // The last ones to come are told, like all others, that there will be no further request.
    shared.start_to_drain();
    door.let_in_the_backlog(listener)?;
    let Door { workers, overflow, .. } = door;
    let drained = async {
        while workers.open() + overflow.open() > 0 {
            shared.closed().await;
        }
        drop(overflow);
        workers.end().await;
    };
    if timeout_at(deadline, drained).await.is_err() {
        warn!("Gave up on requests that were still in flight after {:?}", limits.drain_time);
    }
    Ok(())
}

/// Where connections come in.
struct Door {
    workers: Workers,
    overflow: Overflow,
    limit: usize,
    warned: Option<Instant>,
}

impl Door {
    async fn accept_all(&mut self, listener: &TcpListener) {
        let mut blocked = false;
        loop {
            if self.is_full() {
                self.overflow.place().await;
            }
            match accept(listener).await {
                Ok((stream, peer)) => {
                    if blocked {
                        blocked = false;
                        info!("Accepting connections again");
                    }
                    self.let_in(stream, peer);
                }
                Err(error) if concerns_one_connection(&error) => {
                    debug!("Lost a connection: {error}");
                }
                Err(error) => {
                    if !blocked {
                        blocked = true;
                        error!("Cannot accept connections: {error}");
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn is_full(&self) -> bool {
        self.workers.open() >= self.limit
    }

    fn let_in(&mut self, stream: TcpStream, peer: SocketAddr) {
        // Now is the time, for this may be a probe.
        self.workers.look();
        if self.is_full() {
            if self.warned.is_none_or(|warned| warned.elapsed() > WARN_AGAIN) {
                warn!(
                    "{} connections are open, which is the limit: others are turned away",
                    self.limit
                );
                self.warned = Some(Instant::now());
            }
            self.overflow.turn_away(stream, peer);
        } else {
            self.workers.hand_out(stream, peer);
        }
    }

    /// The kernel has accepted these on our behalf: closing the listener would reset them.
    fn let_in_the_backlog(&mut self, listener: TcpListener) -> io::Result<()> {
        let listener = listener.into_std()?;
        loop {
            match listener.accept() {
                Ok((stream, peer)) => {
                    if stream.set_nonblocking(true).is_ok() {
                        self.let_in(stream, peer);
                    }
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(_) => return Ok(()),
            }
        }
    }
}

async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    // A worker watches it from its own thread.
    Ok((stream.into_std()?, peer))
}

/// Errors of accept(2) that say nothing about the next call.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
