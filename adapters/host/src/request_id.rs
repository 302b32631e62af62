//! Request ids, which connect a response with the log entries about it: the client's, or a new one.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header field of the id, in requests and responses.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A longer id, in bytes, is replaced: it would be part of every log entry.
const MAX_LEN: usize = 128;

/// Makes ids that are unique in this process and unlikely to be made by another one.
pub(crate) struct RequestIds(AtomicU64);

impl RequestIds {
    pub(crate) fn new() -> Self {
        // The source of randomness in the standard library.
        Self(AtomicU64::new(RandomState::new().hash_one(0)))
    }

    /// The id of the request, or a new one of 16 hexadecimal digits.
    pub(crate) fn of(&self, headers: &HeaderMap) -> HeaderValue {
        let sent = headers.get(X_REQUEST_ID);
        sent.filter(|id| is_valid(id)).cloned().unwrap_or_else(|| self.make())
    }

    fn make(&self) -> HeaderValue {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let digits = number.to_be_bytes().map(|byte| [byte >> 4, byte & 15].map(hex_digit));
        HeaderValue::from_bytes(digits.as_flattened())
            .unwrap_or_else(|_| unreachable!("hexadecimal digits are a header value"))
    }
}

/// The id is written to the log as it is, so it must not look like anything else there.
fn is_valid(id: &HeaderValue) -> bool {
    let id = id.as_bytes();
    (1..=MAX_LEN).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

fn hex_digit(number: u8) -> u8 {
    b"0123456789abcdef"[usize::from(number & 15)]
}
