//! Request ids: what ties an answer to the lines that the log has on it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The field that carries it, in and out.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A longer id is replaced: it would stand in the log for every request.
const MAX_LEN: usize = 128;

/// How many bytes an id of ours has, and how many ids are written at once: they share an allocation.
const LEN: usize = 16;
const BATCH: usize = 64;

/// Makes ids that no other maker makes, in this process or another, but for bad luck.
pub(crate) struct RequestIds(Mutex<Batch>);

struct Batch {
    next: u64,
    written: Bytes,
}

impl Default for RequestIds {
    fn default() -> Self {
        // The one source of randomness in the standard library.
        let next = RandomState::new().hash_one(0);
        Self(Mutex::new(Batch { next, written: Bytes::new() }))
    }
}

impl RequestIds {
    /// The id that the request came with, or a new one: 16 hexadecimal digits.
    pub(crate) fn of(&self, headers: &HeaderMap) -> HeaderValue {
        let given = headers.get(X_REQUEST_ID);
        given.filter(|id| is_good(id)).cloned().unwrap_or_else(|| self.make())
    }

    fn make(&self) -> HeaderValue {
        let mut batch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if batch.written.is_empty() {
            batch.write();
        }
        HeaderValue::from_maybe_shared(batch.written.split_to(LEN))
            .unwrap_or_else(|_| HeaderValue::from_static("-"))
    }
}

impl Batch {
    fn write(&mut self) {
        let mut written = Vec::with_capacity(BATCH * LEN);
        for _ in 0..BATCH {
            let digits = self.next.to_be_bytes().map(|byte| [byte >> 4, byte & 15].map(hex_digit));
            written.extend_from_slice(digits.as_flattened());
            self.next = self.next.wrapping_add(1);
        }
        self.written = written.into();
    }
}

/// It goes to the log as it is, so it must not look like anything else there.
fn is_good(id: &HeaderValue) -> bool {
    let id = id.as_bytes();
    (1..=MAX_LEN).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

fn hex_digit(number: u8) -> u8 {
    b"0123456789abcdef"[usize::from(number & 15)]
}
