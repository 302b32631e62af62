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

use tokio::task::{AbortHandle, yield_now};
use tokio::time::{Instant, timeout_at};

use crate::Limits;
use crate::connection::{Common, Connection, Connections};
use crate::exchange::Handler;
use crate::worker::{Load, Shared};

/// How long a connection may keep its place here from others. Its request usually comes with it. The
/// backlog of silent ones that a probe may find in front of it is let through in a fraction of a
/// second.
const PLACE_TIME: Duration = Duration::from_millis(50);

/// How long a request head may take here.
const HEAD_TIME: Duration = Duration::from_secs(1);

struct Place {
    since: Instant,
    connection: Arc<Connection>,
    task: AbortHandle,
}

pub(crate) struct Overflow {
    connections: Connections,
    load: Arc<Load>,
    shared: Arc<Shared>,
    /// The oldest first.
    places: VecDeque<Place>,
    most: usize,
}

impl Overflow {
    pub(crate) fn new(handler: &Arc<Handler>, limits: &Limits, shared: &Arc<Shared>) -> Self {
        let limits = Limits { head_time: limits.head_time.min(HEAD_TIME), ..limits.clone() };
        let most = limits.overflow.max(1);
        let load = Arc::<Load>::default();
        let connections = Connections::new(Common::new(handler, limits, shared, &load, true));
        let shared = Arc::clone(shared);
        Self { connections, load, shared, places: VecDeque::new(), most }
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.load.open()
    }

    /// Over when there is a place for one more. If need be, the oldest goes, but not before it has
    /// had time to be answered: sent away as fast as others come in, none ever would be.
    pub(crate) async fn place(&mut self) {
        // Those that have just come in are looked at before the next one, and once more before one
        // is sent away: on a busy machine time passes in which this thread does nothing.
        yield_now().await;
        while self.is_full() {
            let Some(oldest) = self.places.front() else { return };
            if timeout_at(oldest.since + PLACE_TIME, self.shared.closed()).await.is_ok() {
                continue;
            }
            yield_now().await;
            if self.is_full()
                && let Some(oldest) = self.places.pop_front()
            {
                oldest.task.abort();
            }
        }
    }

    pub(crate) fn turn_away(&mut self, stream: TcpStream, peer: SocketAddr) {
        self.shared.observer().turned_away();
        let slot = Load::slot(&self.load, &self.shared);
        let spawned = self.connections.spawn(stream, peer, slot);
        self.places.extend(spawned.map(|(task, connection)| Place {
            since: Instant::now(),
            connection,
            task,
        }));
    }

    /// Whoever has got the answer and does not go has no claim to a place.
    fn is_full(&mut self) -> bool {
        self.places.retain(|place| !place.task.is_finished());
        if self.places.len() >= self.most {
            self.places.retain(|place| {
                let answered = place.connection.watch.closes();
                if answered {
                    place.task.abort();
                }
                !answered
            });
        }
        self.places.len() >= self.most
    }
}
