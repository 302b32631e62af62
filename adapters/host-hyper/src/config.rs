//! The limits and timeouts of a server, with their defaults. The files beside this one apply them.

use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

/// Limits and timeouts of a server. A timeout may be as long as `Duration::MAX`.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Threads that serve connections. Default: one per core.
    pub workers: NonZeroUsize,
    /// Open connections. A connection above the limit gets one response: a health check is
    /// answered, everything else is a 503. Default: 10,000.
    pub max_connections: usize,
    /// Connections above that limit that are served at the same time, at least 1. Default: 128.
    pub overload_slots: usize,
    /// The longest request head, in bytes, at least 8,192; a longer one is a 431. Default: 65,536.
    pub max_head: usize,
    /// The longest request body, in bytes; a longer one is a 413. Default: 65,536.
    pub max_body: usize,
    /// From the first byte of a request head, or from the start of a connection, to the end of the
    /// head. Default: 10 s.
    pub header_timeout: Duration,
    /// From the end of the head to the end of the body; a slower body is a 408. Default: 10 s.
    pub body_timeout: Duration,
    /// Between two requests of a connection, and for a client to take a response. Default: 75 s.
    pub keep_alive_timeout: Duration,
    /// From the start of the shutdown to the closing of the listener. Default: 0.
    pub drain_delay: Duration,
    /// From the closing of the listener to the end of the last connection. Default: 4 s.
    pub shutdown_timeout: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            // More threads than cores only take turns.
            workers: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            max_connections: 10_000,
            overload_slots: 128,
            // More than common proxies pass on.
            max_head: 64 << 10,
            max_body: 64 << 10,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            // Longer than the 60 s after which common proxies close an idle connection themselves,
            // so that they seldom send a request into one that is being closed.
            keep_alive_timeout: Duration::from_secs(75),
            drain_delay: Duration::ZERO,
            // Docker kills after 10 s; the whole shutdown takes at most 5 s.
            shutdown_timeout: Duration::from_secs(4),
        }
    }
}
