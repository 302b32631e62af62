//! The probe's reader of responses, given any bytes.

use crate::probe_response::{Response, ResponseError};

/// Prefixes tried per input, so that an input of many kilobytes takes milliseconds.
const PREFIXES: usize = 64;

/// The bytes arrive in pieces, and the connection may end after any of them.
pub fn response(received: &[u8]) {
    let result = complete_status(received, false);
    let at_close = complete_status(received, true);
    assert_ne!(at_close, Ok(None), "undecided after the close");
    if result != Ok(None) {
        assert_eq!(at_close, result, "the close changes a result");
    }
    for length in (0..=received.len()).step_by(received.len() / PREFIXES + 1) {
        let earlier = complete_status(&received[..length], false);
        assert!(earlier == Ok(None) || earlier == result, "{length} bytes: {earlier:?}");
    }
    if let Ok(Some(status)) = at_close {
        assert!(received.starts_with(b"HTTP/1."));
        assert_eq!(received.get(8..12), Some(format!(" {status}").as_bytes()));
    }
}

fn complete_status(received: &[u8], closed: bool) -> Result<Option<u16>, ResponseError> {
    let response = Response { received: received.to_vec() };
    assert!(received.ends_with(response.excerpt()), "the excerpt did not arrive");
    response.complete_status(closed)
}
