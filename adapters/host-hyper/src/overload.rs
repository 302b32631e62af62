//! The overload lane: one response for each connection that no worker can take.
//!
//! A health check must get through when all connections are in use or all workers are blocked, or an
//! orchestrator would replace a process that is merely busy. So such a connection gets one response
//! on the accepting thread, and is closed. The server decides which connections come here.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Weak};
use std::time::Duration;

use accountservice_host::Handler;
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, yield_now};
use tokio::time::{Instant, timeout_at};

use crate::connection;
use crate::context::ConnectionContext;
use crate::deadline::ConnectionState;
use crate::state::ServerState;
use crate::worker::Worker;

/// How long a connection keeps its slot while others wait. A request usually comes with the
/// connection. Silent connections in front of a probe are through in a fraction of a second.
const SLOT_TIMEOUT: Duration = Duration::from_millis(50);

struct Slot<H> {
    since: Instant,
    context: Weak<ConnectionContext<H>>,
    task: AbortHandle,
}

pub(crate) struct Overload<H> {
    server: Arc<ServerState<H>>,
    /// The accepting thread.
    pub(crate) worker: Arc<Worker>,
    /// The oldest first.
    slots: VecDeque<Slot<H>>,
}

impl<H: Handler> Overload<H> {
    pub(crate) fn new(server: &Arc<ServerState<H>>) -> Self {
        let worker = Arc::new(Worker::new(Handle::current()));
        Self { server: Arc::clone(server), worker, slots: VecDeque::new() }
    }

    /// Serves one request of the connection, as soon as there is a slot.
    pub(crate) async fn serve(&mut self, stream: TcpStream, peer: SocketAddr) {
        self.free_slot().await;
        self.server.exchanges.observer().connection_rejected();
        let context = Arc::new(ConnectionContext::new(&self.server, &self.worker, peer, true));
        let weak = Arc::downgrade(&context);
        let task = tokio::spawn(connection::serve(context, stream)).abort_handle();
        self.slots.push_back(Slot { since: Instant::now(), context: weak, task });
    }

    /// Waits for a free slot. If necessary, the oldest connection is closed, but only after it has
    /// had the time to be served: under constant arrival none would be otherwise.
    async fn free_slot(&mut self) {
        // Earlier connections run first, and once more before one is closed: on a busy machine time
        // passes in which this thread does not run.
        yield_now().await;
        while self.is_full() {
            let Some(oldest) = self.slots.front() else { return };
            let closed = self.server.connection_closed.notified();
            if timeout_at(oldest.since + SLOT_TIMEOUT, closed).await.is_ok() {
                continue;
            }
            yield_now().await;
            if self.is_full()
                && let Some(oldest) = self.slots.pop_front()
            {
                oldest.task.abort();
            }
        }
    }

    /// A connection that has its response and stays open does not keep its slot.
    fn is_full(&mut self) -> bool {
        let slots = self.server.config.overload_slots.max(1);
        self.slots.retain(|slot| !slot.task.is_finished());
        if self.slots.len() >= slots {
            self.slots.retain(|slot| {
                let state = slot.context.upgrade().map(|context| context.deadline.state());
                let is_served = state.is_none_or(|state| state == ConnectionState::Closing);
                if is_served {
                    slot.task.abort();
                }
                !is_served
            });
        }
        self.slots.len() >= slots
    }
}
