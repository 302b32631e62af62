//! What a host grants its clients.

use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

/// As good as never. Clocks end somewhere: a deadline cannot be `Duration::MAX` away.
const NEVER: Duration = Duration::from_hours(365 * 24);

/// Bounds on what clients may take, in bytes, connections and time. No time is longer than a year.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How many threads serve connections.
    pub workers: NonZeroUsize,
    /// How many connections may be open at once. One above that gets a single answer, by which it is
    /// told its health or asked to come back, and is closed.
    pub connections: usize,
    /// How many connections above that may be at their one answer. Before one more is accepted, one of
    /// them has to go: the oldest, if it has been silent.
    pub overflow: usize,
    /// The longest request head, in bytes; a longer one is a 431. At least 8 KiB.
    pub head_bytes: usize,
    /// The longest request body, in bytes; a longer one is a 413.
    pub body_bytes: usize,
    /// How long a request head may take from its first byte, or a new connection to send one.
    pub head_time: Duration,
    /// How long a request body may take once its head is there; a slower one is a 408.
    pub body_time: Duration,
    /// How long a connection may rest between two requests, or a client take to fetch an answer.
    pub idle_time: Duration,
    /// How long requests in flight are waited for after the moment to stop.
    pub drain_time: Duration,
}

impl Limits {
    /// With times that can be waited for.
    pub(crate) fn bounded(self) -> Self {
        let Self { head_time, body_time, idle_time, drain_time, .. } = self;
        let [head_time, body_time, idle_time, drain_time] =
            [head_time, body_time, idle_time, drain_time].map(|time| time.min(NEVER));
        Self { head_time, body_time, idle_time, drain_time, ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // More threads than cores only take turns.
            workers: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            connections: 10_000,
            overflow: 128,
            // What common proxies pass on at the most, and then some.
            head_bytes: 64 << 10,
            body_bytes: 64 << 10,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            // Longer than the 60 s after which common proxies give up a connection themselves, so
            // that they seldom send a request into one that is just being closed.
            idle_time: Duration::from_secs(75),
            // Half of the 10 s that Docker grants before it kills, and a second for all else.
            drain_time: Duration::from_secs(4),
        }
    }
}
