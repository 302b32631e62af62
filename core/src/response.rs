//! Answers, built so that type and length are never forgotten.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Serialize;

/// Why an answer is a 503, for the host to log: an extension of the response.
///
/// A client never sees it.
#[derive(Clone, Debug)]
pub struct Cause(pub Arc<dyn Error + Send + Sync>);

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response<Bytes> {
    build(HeaderMap::new(), status, None, Bytes::new())
}

/// An answer whose body is already JSON.
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    json_in(HeaderMap::new(), status, body.into())
}

/// As [`json`], with headers that there are already.
pub(crate) fn json_in(headers: HeaderMap, status: StatusCode, body: Bytes) -> Response<Bytes> {
    build(headers, status, Some("application/json"), body)
}

/// An error as problem details, RFC 9457. `detail` is for the one who sent the request: it says
/// what to do differently, and nothing of what is inside.
pub fn problem(status: StatusCode, detail: &str) -> Response<Bytes> {
    #[derive(Serialize)]
    struct Problem<'a> {
        r#type: &'a str,
        title: &'a str,
        status: u16,
        detail: &'a str,
    }
    let mut body = Vec::with_capacity(128);
    push_json(
        &mut body,
        &Problem {
            // RFC 9457, section 4.2.1: nothing beyond what the status code says.
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail,
        },
    );
    build(HeaderMap::new(), status, Some("application/problem+json"), body.into())
}

/// A 503 that asks the client to come back in a second.
pub fn overloaded() -> Response<Bytes> {
    let mut response =
        problem(StatusCode::SERVICE_UNAVAILABLE, "There are too many clients at the moment.");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A 503 whose cause the host logs.
pub(crate) fn with_cause(
    mut response: Response<Bytes>,
    cause: impl Error + Send + Sync + 'static,
) -> Response<Bytes> {
    response.extensions_mut().insert(Cause(Arc::new(cause)));
    response
}

/// Appends what consists of strings and numbers only, which cannot fail.
pub(crate) fn push_json(body: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    if let Err(error) = serde_json::to_writer(body, value) {
        unreachable!("strings and numbers are JSON: {error}");
    }
}

fn build(
    mut headers: HeaderMap,
    status: StatusCode,
    content_type: Option<&'static str>,
    body: Bytes,
) -> Response<Bytes> {
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    headers.insert(CONTENT_LENGTH, decimal(body.len()));
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The numbers from 10 to 999, one after the other: nearly all lengths there are.
static TWO_DIGITS: &str = text(const { &numbers::<{ 2 * 90 }>(10) });
static THREE_DIGITS: &str = text(const { &numbers::<{ 3 * 900 }>(100) });

const fn numbers<const SIZE: usize>(first: usize) -> [u8; SIZE] {
    let mut digits = [0; SIZE];
    let (mut number, mut end) = (first, 0);
    while end < SIZE {
        let mut place = first;
        while place > 0 {
            digits[end] = b"0123456789"[number / place % 10];
            place /= 10;
            end += 1;
        }
        number += 1;
    }
    digits
}

const fn text(digits: &[u8]) -> &str {
    match str::from_utf8(digits) {
        Ok(text) => text,
        Err(_) => panic!("digits are ASCII"),
    }
}

/// Without an allocation, where `HeaderValue::from` makes two.
fn decimal(number: usize) -> HeaderValue {
    match number {
        10..100 => HeaderValue::from_static(&TWO_DIGITS[2 * (number - 10)..][..2]),
        100..1000 => HeaderValue::from_static(&THREE_DIGITS[3 * (number - 100)..][..3]),
        _ => HeaderValue::from(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_told_right() {
        for number in 0..1100 {
            assert_eq!(decimal(number), number.to_string());
        }
    }
}
