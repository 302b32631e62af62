//! What a connection is waiting for, and until when.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::Limits;

/// How long a client may be silent after the last answer.
const LINGER: Duration = Duration::from_millis(500);

/// A request is being answered: its body has a deadline of its own, and a handler runs in place. So
/// this one is never due.
const NO_DEADLINE: Duration = Duration::from_hours(24);

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// It has been accepted and has sent nothing.
    New,
    /// A request has begun: its first bytes have come, and nobody has looked at them yet.
    Begun,
    /// The head of a request is not complete.
    Head,
    /// A request is being answered.
    Busy,
    /// The answer is known, and the client has not taken all of it.
    Answering,
    /// The last answer is known, and nothing after it matters.
    Ending,
    /// The answer is out.
    Idle,
    /// And there is nothing to read: it rests between two requests.
    Waiting,
    /// The last answer is out.
    Closing,
}

/// The phase of a connection, and since when. The connection's own task is the only one to touch
/// it; what is atomic here is so for the compiler's peace.
#[derive(Debug)]
pub(crate) struct Watch {
    /// When the server was born: all its clocks count from there.
    origin: Instant,
    /// Milliseconds since then, and the phase in the lowest byte.
    state: AtomicU64,
}

impl Watch {
    pub(crate) fn new(origin: Instant) -> Self {
        let watch = Self { origin, state: AtomicU64::default() };
        watch.enter(Phase::New);
        watch
    }

    /// Says when it was entered, counted from the origin.
    pub(crate) fn enter(&self, phase: Phase) -> Duration {
        let now = self.now();
        // After two million years this would be cut off.
        self.state.store(millis(now) << 8 | phase as u64, Ordering::Relaxed);
        now
    }

    pub(crate) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Enters a phase in the very moment in which the one before was entered: reading the clock
    /// is not free.
    pub(crate) fn pass_on(&self, phase: Phase) {
        let since = self.state.load(Ordering::Relaxed) & !0xff;
        self.state.store(since | phase as u64, Ordering::Relaxed);
    }

    /// No request has begun, as far as is known: hyper may have read the begin of one together with
    /// the request before it.
    pub(crate) fn rests(&self) -> bool {
        self.is(Phase::New) || self.is(Phase::Idle) || self.is(Phase::Waiting)
    }

    /// The answer is out.
    pub(crate) fn is_idle(&self) -> bool {
        self.is(Phase::Idle)
    }

    /// It rests between two requests.
    pub(crate) fn waits(&self) -> bool {
        self.is(Phase::Waiting)
    }

    /// A request has begun, and more of its head is waited for.
    pub(crate) fn is_begun(&self) -> bool {
        self.is(Phase::Begun)
    }

    /// A request has begun, and its head is not complete.
    pub(crate) fn reads_head(&self) -> bool {
        self.is_begun() || self.is(Phase::Head)
    }

    /// An answer is on its way.
    pub(crate) fn answers(&self) -> bool {
        self.is(Phase::Answering)
    }

    /// The last answer is out.
    pub(crate) fn closes(&self) -> bool {
        self.is(Phase::Closing)
    }

    /// Since when it has been at that.
    pub(crate) fn since(&self) -> Instant {
        self.origin + Duration::from_millis(self.state.load(Ordering::Relaxed) >> 8)
    }

    /// When the patience with what the connection is at ends.
    pub(crate) fn deadline(&self, limits: &Limits) -> Instant {
        let patience = if self.is(Phase::New) || self.is(Phase::Begun) || self.is(Phase::Head) {
            limits.head_time
        } else if self.rests() || self.answers() || self.is(Phase::Ending) {
            limits.idle_time
        } else if self.closes() {
            LINGER
        } else {
            NO_DEADLINE
        };
        self.since() + patience
    }

    fn is(&self, phase: Phase) -> bool {
        self.state.load(Ordering::Relaxed) & 0xff == phase as u64
    }
}

/// Cheaper than `as_millis`, which has 128 bits.
pub(crate) fn millis(time: Duration) -> u64 {
    time.as_secs() * 1_000 + u64::from(time.subsec_millis())
}
