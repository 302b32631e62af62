//! One raw HTTP client and one way to build and start a server process, for tests and tools.
//!
//! This is not a load generator and no general HTTP client: it shows what a server sends, to the
//! byte. Tests of hosts, tests of binaries and `xtask` call it. It is behind the feature `testing`
//! and never in a release.
//!
//! Functions whose name begins with `try_` return errors. The others are for tests and panic where
//! the server does not do what the test expects.

#![allow(clippy::missing_panics_doc, reason = "stated once above")]

mod binary;
mod client;
mod process;

use std::thread;
use std::time::{Duration, Instant};

pub use binary::build_binary;
pub use client::{Client, get, is_last};
pub use process::{Process, SERVING, SERVING_METRICS};

/// How long tests wait for an event. A busy machine is slow, but not that slow.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Waits up to [`TIMEOUT`] until `condition` holds, for events that cannot be awaited. `what` says
/// what should have happened.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < TIMEOUT, "not within {TIMEOUT:?}: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
