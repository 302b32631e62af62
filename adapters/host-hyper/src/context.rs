//! What the requests of one connection share.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::deadline::Deadline;
use crate::state::{ServerState, WorkerStats};

/// The context of one connection.
pub(crate) struct ConnectionContext<H> {
    pub(crate) server: Arc<ServerState>,
    pub(crate) handler: Arc<H>,
    /// The thread that serves it.
    pub(crate) stats: Arc<WorkerStats>,
    pub(crate) deadline: Arc<Deadline>,
    pub(crate) peer: SocketAddr,
    /// It is above the connection limit, or no worker can serve it: it gets one response.
    pub(crate) is_overload: bool,
}

impl<H> ConnectionContext<H> {
    /// The context of a connection that begins now.
    pub(crate) fn new(
        server: &Arc<ServerState>,
        handler: &Arc<H>,
        stats: &Arc<WorkerStats>,
        peer: SocketAddr,
        is_overload: bool,
    ) -> Self {
        Self {
            server: Arc::clone(server),
            handler: Arc::clone(handler),
            stats: Arc::clone(stats),
            deadline: Arc::new(Deadline::new(server.started_at())),
            peer,
            is_overload,
        }
    }
}
