//! Request ids: what ties an answer to the lines that the log has on it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The field that carries it, in and out.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A longer id is replaced: it would stand in the log for every request.
const MAX_LEN: usize = 128;

/// Makes ids that no other maker makes, in this process or another, but for bad luck.
pub(crate) struct RequestIds {
    seed: u64,
    made: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        // The one source of randomness in the standard library.
        Self { seed: RandomState::new().hash_one(0), made: AtomicU64::new(0) }
    }
}

impl RequestIds {
    /// The id that the request came with, or a new one: 16 hexadecimal digits.
    pub(crate) fn of(&self, headers: &HeaderMap) -> HeaderValue {
        let given = headers.get(X_REQUEST_ID);
        given.filter(|id| is_good(id)).cloned().unwrap_or_else(|| self.make())
    }

    fn make(&self) -> HeaderValue {
        let number = self.seed.wrapping_add(self.made.fetch_add(1, Ordering::Relaxed));
        let digits = number.to_be_bytes().map(|byte| [byte >> 4, byte & 15].map(hex_digit));
        HeaderValue::from_bytes(digits.as_flattened())
            .unwrap_or_else(|_| HeaderValue::from_static("-"))
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
