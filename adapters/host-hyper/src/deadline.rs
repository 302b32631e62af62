//! The state of a connection, and how long it may last.
//!
//! hyper's `header_read_timeout` cannot tell a slow request from an idle connection. Here the socket
//! and the request report events, this file alone changes the state, and the connection asks for
//! the deadline when hyper waits. The clock is read then, and not at each event.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::ServerConfig;

/// How long a client may be silent after the last response, before the connection is closed.
const LINGER_TIMEOUT: Duration = Duration::from_millis(500);

/// Clocks have an end: a deadline cannot be `Duration::MAX` away.
const A_YEAR: Duration = Duration::from_hours(365 * 24);

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ConnectionState {
    /// No request has begun.
    Idle,
    /// A request has begun, and its head is not complete.
    ReadingHead,
    /// A request is being answered, or the client has not taken all of the response.
    InFlight,
    /// The last response has been sent.
    Closing,
}

/// The state and deadline of one connection.
///
/// Only the task of the connection changes it. The fields are atomic because that task may be
/// started from another thread.
pub(crate) struct Deadline {
    state: AtomicU8,
    /// Milliseconds from `origin`; 0 if the deadline of the state has not been set yet.
    due: AtomicU64,
    origin: Instant,
    /// No request has been served yet.
    is_new: AtomicBool,
    /// The handler has responded; the response may still have to be written.
    has_response: AtomicBool,
    /// The bytes read last may contain the start of a further request.
    may_have_more: AtomicBool,
}

impl Deadline {
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU8::new(ConnectionState::Idle as u8),
            due: AtomicU64::new(0),
            origin: Instant::now(),
            is_new: AtomicBool::new(true),
            has_response: AtomicBool::new(false),
            may_have_more: AtomicBool::new(false),
        }
    }

    pub(crate) fn state(&self) -> ConnectionState {
        use ConnectionState::{Closing, Idle, InFlight, ReadingHead};
        [Idle, ReadingHead, InFlight, Closing][usize::from(self.state.load(Ordering::Relaxed))]
    }

    fn enter(&self, state: ConnectionState) {
        self.state.store(state as u8, Ordering::Relaxed);
        self.due.store(0, Ordering::Relaxed);
    }

    /// Bytes have come.
    pub(crate) fn received(&self, bytes: &[u8]) {
        match self.state() {
            ConnectionState::Idle => self.enter(ConnectionState::ReadingHead),
            // The client is not silent.
            ConnectionState::Closing => self.due.store(0, Ordering::Relaxed),
            ConnectionState::ReadingHead | ConnectionState::InFlight => {}
        }
        let ends_a_head = bytes.ends_with(b"\n\r\n") || bytes.ends_with(b"\n\n");
        self.may_have_more.store(!ends_a_head, Ordering::Relaxed);
    }

    /// A head is complete.
    pub(crate) fn request_started(&self, has_body: bool) {
        self.is_new.store(false, Ordering::Relaxed);
        self.has_response.store(false, Ordering::Relaxed);
        if has_body {
            // The bytes read last may end with the body. The start of a further head behind it is
            // then under the keep-alive timeout until more of it comes.
            self.may_have_more.store(false, Ordering::Relaxed);
        }
        self.enter(ConnectionState::InFlight);
    }

    /// The handler has responded.
    pub(crate) fn response_ready(&self) {
        self.has_response.store(true, Ordering::Relaxed);
        self.due.store(0, Ordering::Relaxed);
    }

    /// The kernel has taken all that was written.
    pub(crate) fn flushed(&self) {
        if self.state() == ConnectionState::InFlight && self.has_response.load(Ordering::Relaxed) {
            self.enter(if self.may_have_more.load(Ordering::Relaxed) {
                ConnectionState::ReadingHead
            } else {
                ConnectionState::Idle
            });
        }
    }

    /// The last response has been sent.
    pub(crate) fn closing(&self) {
        self.enter(ConnectionState::Closing);
    }

    /// When the state must have changed; `None` while the handler runs. The first call in a state
    /// sets it.
    pub(crate) fn due(&self, config: &ServerConfig) -> Option<Instant> {
        let timeout = match self.state() {
            ConnectionState::Idle if !self.is_new.load(Ordering::Relaxed) => {
                config.keep_alive_timeout
            }
            ConnectionState::Idle | ConnectionState::ReadingHead => config.header_timeout,
            ConnectionState::InFlight if self.has_response.load(Ordering::Relaxed) => {
                config.keep_alive_timeout
            }
            ConnectionState::InFlight => return None,
            ConnectionState::Closing => LINGER_TIMEOUT,
        };
        let due = match self.due.load(Ordering::Relaxed) {
            0 => {
                let due = millis(self.origin.elapsed() + timeout.min(A_YEAR)).max(1);
                self.due.store(due, Ordering::Relaxed);
                due
            }
            due => due,
        };
        Some(self.origin + Duration::from_millis(due))
    }
}

/// Whole milliseconds. Cheaper than `as_millis`, which has 128 bits.
pub(crate) fn millis(time: Duration) -> u64 {
    time.as_secs() * 1_000 + u64::from(time.subsec_millis())
}
