//! Accepting connections, handing them out, and stopping.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{debug, error, info, warn};

use crate::Limits;
use crate::worker::Workers;

/// How long accepting pauses when the machine has no file descriptor or no memory left for one more
/// connection: long enough not to spin, short enough not to be noticed.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a crowd is old news. At the limit, each connection that goes lets one in.
const WARN_AGAIN: Duration = Duration::from_secs(10);

/// Serves `handler` on `listener` until `shutdown` is over; then stops accepting, answers what is in
/// flight, closes what is idle and returns, at the latest after `limits.drain_time`.
///
/// The handler is called from several threads at once. One that panics costs its client a 500 and
/// nobody else anything. Runs on a runtime with I/O and time.
///
/// # Errors
///
/// If a worker's thread or runtime cannot be made: never because
/// of a client.
pub async fn serve<H>(
    listener: TcpListener,
    handler: H,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()>
where
    H: Fn(Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
{
    let workers = Workers::start(handler, &limits)?;

    {
        let mut shutdown = pin!(shutdown);
        let mut accepting = pin!(accept_all(&listener, &workers, limits.connections));
        std::future::poll_fn(|cx| {
            let _never = accepting.as_mut().poll(cx);
            shutdown.as_mut().poll(cx)
        })
        .await;
    }

    let deadline = Instant::now() + limits.drain_time;
    // The last ones to come are told, like all others, that there will be no further request.
    workers.drain();
    accept_the_backlog(listener, &workers, limits.connections)?;
    let open = workers.open();
    debug!("Draining {open} connections");
    if timeout_at(deadline, workers.end()).await.is_err() {
        warn!("Gave up on requests that were still in flight after {:?}", limits.drain_time);
    }
    Ok(())
}

async fn accept_all(listener: &TcpListener, workers: &Workers, limit: usize) -> ! {
    let mut warned: Option<Instant> = None;
    loop {
        if workers.open() >= limit {
            if warned.is_none_or(|warned| warned.elapsed() > WARN_AGAIN) {
                warn!("{limit} connections are open, which is the limit: new ones wait");
                warned = Some(Instant::now());
            }
            workers.below(limit).await;
        }
        match accept(listener).await {
            Ok((stream, peer)) => workers.hand_out(stream, peer),
            Err(error) if concerns_one_connection(&error) => debug!("Lost a connection: {error}"),
            Err(error) => {
                error!("Cannot accept connections: {error}");
                loop {
                    sleep(PAUSE).await;
                    match accept(listener).await {
                        Ok((stream, peer)) => break workers.hand_out(stream, peer),
                        Err(error) if concerns_one_connection(&error) => {}
                        Err(error) => debug!("Still cannot accept connections: {error}"),
                    }
                }
                info!("Accepting connections again");
            }
        }
    }
}

async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    // A worker watches it from its own thread.
    Ok((stream.into_std()?, peer))
}

/// The kernel has accepted these on our behalf: closing the listener would reset them.
fn accept_the_backlog(listener: TcpListener, workers: &Workers, limit: usize) -> io::Result<()> {
    let listener = listener.into_std()?;
    while workers.open() < limit {
        match listener.accept() {
            Ok((stream, peer)) => {
                stream.set_nonblocking(true)?;
                workers.hand_out(stream, peer);
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(_) => break,
        }
    }
    Ok(())
}

/// Errors of accept(2) that say nothing about the next call.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
