//! What the socket and the requests of one connection share, in one allocation: with 512 connections,
//! two of them cost 3 %. A connection counts as open as long as this exists.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::deadline::Deadline;
use crate::state::ServerState;
use crate::worker::Worker;

/// The context of one connection, which counts as open until this is dropped.
pub(crate) struct ConnectionContext<H> {
    pub(crate) server: Arc<ServerState<H>>,
    /// The thread that serves it.
    pub(crate) worker: Arc<Worker>,
    pub(crate) deadline: Deadline,
    pub(crate) peer: SocketAddr,
    /// It is above the connection limit, or no worker can serve it: it gets one response.
    pub(crate) is_overload: bool,
}

impl<H> ConnectionContext<H> {
    /// The context of a connection that begins now.
    pub(crate) fn new(
        server: &Arc<ServerState<H>>,
        worker: &Arc<Worker>,
        peer: SocketAddr,
        is_overload: bool,
    ) -> Self {
        worker.open.fetch_add(1, Ordering::AcqRel);
        server.exchanges.observer().connection_opened();
        Self {
            server: Arc::clone(server),
            worker: Arc::clone(worker),
            deadline: Deadline::new(),
            peer,
            is_overload,
        }
    }
}

impl<H> Drop for ConnectionContext<H> {
    fn drop(&mut self) {
        self.worker.open.fetch_sub(1, Ordering::AcqRel);
        self.server.exchanges.observer().connection_closed();
        self.server.connection_closed.notify_one();
    }
}
