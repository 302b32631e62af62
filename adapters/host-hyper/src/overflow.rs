//! A way through for whoever asks for health while all connections are taken.
//!
//! Replacing a container that is merely busy is the worst that a health check can do. So what comes
//! in above the limit does not wait behind the crowd: it is accepted, gets one answer and is closed.
//! The handler is told by [`HostState::overloaded`](accountservice_core::HostState) and spares
//! itself the work. This runs on the accepting thread, so that no worker is in the way.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio::task::AbortHandle;

use crate::Limits;
use crate::connection::{Common, Connections};
use crate::worker::{Load, Shared};

/// How long a request head may take here.
const HEAD_TIME: Duration = Duration::from_secs(1);

pub(crate) struct Overflow<H> {
    connections: Connections<H>,
    load: Arc<Load>,
    shared: Arc<Shared>,
    tasks: VecDeque<AbortHandle>,
    most: usize,
}

impl<H> Overflow<H>
where
    H: Fn(Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
{
    pub(crate) fn new(handler: &Arc<H>, limits: &Limits, shared: &Arc<Shared>) -> Self {
        let limits = Limits { head_time: limits.head_time.min(HEAD_TIME), ..limits.clone() };
        let most = limits.overflow.max(1);
        let load = Arc::<Load>::default();
        let connections = Connections::new(Common {
            handler: Arc::clone(handler),
            limits,
            shared: Arc::clone(shared),
            load: Arc::clone(&load),
            overloaded: true,
        });
        Self { connections, load, shared: Arc::clone(shared), tasks: VecDeque::new(), most }
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.load.open()
    }

    pub(crate) fn turn_away(&mut self, stream: TcpStream, peer: SocketAddr) {
        self.shared.observer().turned_away();
        self.tasks.retain(|task| !task.is_finished());
        if self.tasks.len() >= self.most
            && let Some(oldest) = self.tasks.pop_front()
        {
            oldest.abort();
        }
        let slot = Load::slot(&self.load, &self.shared);
        self.tasks.extend(self.connections.spawn(stream, peer, slot));
    }
}
