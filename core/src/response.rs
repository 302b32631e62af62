//! Answers, built so that type and length are never forgotten.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

/// Why an answer is a 503, for the host to log: an extension of the response.
///
/// A client never sees it.
#[derive(Clone, Debug)]
pub struct Cause(pub Arc<dyn Error + Send + Sync>);

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response<Bytes> {
    build(status, None, Bytes::new())
}

/// An answer whose body is already JSON.
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    build(status, Some("application/json"), body.into())
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
    build(status, Some("application/problem+json"), body.into())
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

fn build(status: StatusCode, content_type: Option<&'static str>, body: Bytes) -> Response<Bytes> {
    let length = decimal(body.len());
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    headers.insert(CONTENT_LENGTH, length);
    response
}

/// The numbers from 10 to 999, one after the other: nearly all lengths there are.
static TWO_DIGITS: [u8; 2 * 90] = numbers(10);
static THREE_DIGITS: [u8; 3 * 900] = numbers(100);

const fn numbers<const SIZE: usize>(first: usize) -> [u8; SIZE] {
    let mut digits = [0; SIZE];
    let (mut number, mut end) = (first, 0);
    while end < SIZE {
        let mut rest = number;
        let mut place = 1;
        while place * 10 <= number {
            place *= 10;
        }
        while place > 0 {
            digits[end] = DIGITS[rest / place];
            rest %= place;
            place /= 10;
            end += 1;
        }
        number += 1;
    }
    digits
}

const DIGITS: [u8; 10] = *b"0123456789";

/// Without an allocation, where `HeaderValue::from` makes two.
fn decimal(number: usize) -> HeaderValue {
    let digits = match number {
        10..100 => &TWO_DIGITS[2 * (number - 10)..][..2],
        100..1000 => &THREE_DIGITS[3 * (number - 100)..][..3],
        _ => return HeaderValue::from(number),
    };
    str::from_utf8(digits).map_or_else(|_| HeaderValue::from(number), HeaderValue::from_static)
}
