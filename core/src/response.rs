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
    let body = to_json(
        128,
        &Problem {
            // RFC 9457, section 4.2.1: nothing beyond what the status code says.
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail,
        },
    );
    build(status, Some("application/problem+json"), body)
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

/// Serializes what consists of strings and numbers only, which cannot fail, into a buffer of `size`
/// bytes: the right size saves an allocation.
pub(crate) fn to_json(size: usize, value: &impl Serialize) -> Bytes {
    let mut body = Vec::with_capacity(size);
    match serde_json::to_writer(&mut body, value) {
        Ok(()) => body.into(),
        Err(error) => unreachable!("strings and numbers are JSON: {error}"),
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

/// One allocation, where `HeaderValue::from` makes two.
fn decimal(number: usize) -> HeaderValue {
    HeaderValue::try_from(number.to_string()).unwrap_or_else(|_| HeaderValue::from(number))
}
