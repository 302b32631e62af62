//! Whether this process should go on living: up, forced unhealthy for a test, or draining.
//!
//! This is liveness, not monitoring: whoever reads 503 here may replace the process. So nothing
//! belongs in it that a restart of this process cannot mend.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::StoreError;

/// The health state of one process. All changes are visible to all threads at once.
#[derive(Debug, Default)]
pub struct Health {
    forced_unhealthy: AtomicBool,
    draining: AtomicBool,
}

/// What a host knows of itself and the core cannot: an extension of the requests that it affects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostState {
    /// There are more connections than the host serves. Whoever asks for health is told; all others
    /// are asked to come back.
    pub overloaded: bool,
    /// A call of the handler has not returned for so long that it never may.
    pub stalled: bool,
}

/// What `/health` says, in the order in which the first that holds decides.
pub(crate) enum Verdict {
    ShuttingDown,
    ForcedUnhealthy,
    DatabaseUnaccessible(StoreError),
    Up,
}

impl Health {
    /// Says from now on that the process is shutting down. There is no way back.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Forces the process to call itself unhealthy (`false`), or lets the store decide again.
    pub fn force(&self, healthy: bool) {
        self.forced_unhealthy.store(!healthy, Ordering::Release);
    }

    /// The store is asked only if nothing else has decided before.
    pub(crate) fn verdict(&self, check: impl FnOnce() -> Result<(), StoreError>) -> Verdict {
        if self.draining.load(Ordering::Acquire) {
            Verdict::ShuttingDown
        } else if self.forced_unhealthy.load(Ordering::Acquire) {
            Verdict::ForcedUnhealthy
        } else {
            match check() {
                Ok(()) => Verdict::Up,
                Err(error) => Verdict::DatabaseUnaccessible(error),
            }
        }
    }
}
