//! What a host tells whoever counts.

use std::time::Duration;

use http::StatusCode;

/// Hears of connections and answers, from all threads at once, and must be quick about it.
pub trait Observer: Send + Sync + 'static {
    /// A connection has been accepted.
    fn opened(&self) {}

    /// A connection is gone.
    fn closed(&self) {}

    /// A connection was one too many: it gets a single answer.
    fn turned_away(&self) {}

    /// A request for `path` was answered, `time` after its head was complete.
    fn answered(&self, path: &str, status: StatusCode, time: Duration) {
        let _ = (path, status, time);
    }

    /// An answer had a [`Cause`](accountservice_core::response::Cause).
    fn failed(&self) {}
}

/// Nobody counts.
impl Observer for () {}
