//! The socket of a connection, as hyper sees it: it reports bytes to the deadline, and closes without
//! losing the last response.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::context::ConnectionContext;

/// How long the client's remaining bytes are read and discarded after the last response. The
/// deadline ends a silent client sooner.
const LINGER_LIMIT: Duration = Duration::from_secs(2);

pub(crate) struct Socket<H> {
    stream: TcpStream,
    context: Arc<ConnectionContext<H>>,
    /// When the last response was sent.
    closing_since: Option<Instant>,
}

impl<H> Socket<H> {
    pub(crate) fn new(stream: TcpStream, context: Arc<ConnectionContext<H>>) -> Self {
        Self { stream, context, closing_since: None }
    }
}

impl<H> AsyncRead for Socket<H> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let start = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let bytes = &buffer.filled()[start..];
        if !bytes.is_empty() {
            self.context.deadline.received(bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl<H> AsyncWrite for Socket<H> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nothing is buffered here.
        self.context.deadline.flushed();
        Poll::Ready(Ok(()))
    }

    /// Ends the sending side, then reads and discards what the client still sends.
    ///
    /// Closing with unread bytes would reset the connection, and the client might never see the
    /// response (RFC 9112, section 9.6).
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let since = if let Some(since) = self.closing_since {
            since
        } else {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.context.deadline.closing();
            *self.closing_since.insert(Instant::now())
        };
        let mut scratch = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() || since.elapsed() > LINGER_LIMIT {
                return Poll::Ready(Ok(()));
            }
            self.context.deadline.received(buffer.filled());
        }
    }
}
