//! `Observer`, which receives a host's events. `accountservice-metrics` implements it.

use std::time::Instant;

use accountservice_core::response::RouteName;
use http::StatusCode;

/// Receives events, from several threads at once. A method that takes long holds up requests.
pub trait Observer: Send + Sync + 'static {
    /// A connection has been accepted.
    fn connection_opened(&self) {}

    /// A connection has been closed.
    fn connection_closed(&self) {}

    /// A connection was accepted above the limit: it gets one response.
    fn connection_rejected(&self) {}

    /// A request whose head was complete at `started_at` gets its response now. A rejected request
    /// and one with an unknown path have no route.
    fn responded(&self, route: Option<RouteName>, status: StatusCode, started_at: Instant) {
        let _ = (route, status, started_at);
    }

    /// The store failed: a response with a 5xx status had a
    /// [`Cause`](accountservice_core::response::Cause).
    fn store_failed(&self) {}
}

/// Ignores all events.
impl Observer for () {}
