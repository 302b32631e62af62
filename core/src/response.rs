//! Responses with the right type and length, and the two extensions a host reads from them.
//!
//! The routes build every response here. Hosts use [`problem`] and [`overloaded`] for what they
//! detect themselves.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use serde::Serialize;

/// What the host's log says about a response: a response extension. A client never sees it.
///
/// A host logs it as an error if the status is 5xx, otherwise as information.
#[derive(Clone, Debug)]
pub struct Cause(pub Arc<dyn Error + Send + Sync>);

/// The route that a response came from, such as `/accounts/{id}`: a response extension.
///
/// Metrics use it as a label. A response of no route, such as a 404 for an unknown path, has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteName(pub &'static str);

/// A response without a body.
pub fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

/// A response whose body is already JSON.
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    json_in(HeaderMap::new(), status, body.into())
}

/// As [`json`], in the memory of a header map that is no longer needed.
pub(crate) fn json_in(mut headers: HeaderMap, status: StatusCode, body: Bytes) -> Response<Bytes> {
    headers.clear();
    with_body(headers, status, "application/json", body)
}

/// An error as problem details (RFC 9457). `detail` is for the client: it says what to change in the
/// request and reveals nothing of the inside.
pub fn problem(status: StatusCode, detail: &str) -> Response<Bytes> {
    #[derive(Serialize)]
    struct Problem<'a> {
        r#type: &'a str,
        title: &'a str,
        status: u16,
        detail: &'a str,
    }
    let problem = Problem {
        // RFC 9457, section 4.2.1: no meaning beyond that of the status code.
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        detail,
    };
    with_body(HeaderMap::new(), status, "application/problem+json", to_json(&problem, 128))
}

/// 404: no route has this path.
pub fn not_found() -> Response<Bytes> {
    problem(StatusCode::NOT_FOUND, "There is nothing at this path.")
}

/// 405 for a known path. `allow` lists the methods that the path takes, such as `GET, HEAD`.
pub fn method_not_allowed(allow: &'static str) -> Response<Bytes> {
    let mut response =
        problem(StatusCode::METHOD_NOT_ALLOWED, &format!("This path answers {allow} only."));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// 503 from a host at its connection limit. The client is asked to come back in a second.
pub fn overloaded() -> Response<Bytes> {
    retry_in_a_second(problem(
        StatusCode::SERVICE_UNAVAILABLE,
        "There are too many clients at the moment.",
    ))
}

/// 301 to the path of `uri` without its trailing slash. The query is kept.
pub(crate) fn without_trailing_slash(uri: &Uri) -> Response<Bytes> {
    let path = uri.path();
    let mut location = ascii_uri(path.strip_suffix('/').unwrap_or(path));
    if let Some(query) = uri.query() {
        location.push('?');
        location.push_str(&ascii_uri(query));
    }
    match HeaderValue::try_from(location) {
        Ok(location) => {
            let mut response = empty(StatusCode::MOVED_PERMANENTLY);
            response.headers_mut().insert(LOCATION, location);
            response
        }
        Err(_) => not_found(),
    }
}

/// Adds `Retry-After: 1`.
pub(crate) fn retry_in_a_second(mut response: Response<Bytes>) -> Response<Bytes> {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Adds a [`Cause`].
pub(crate) fn with_cause(
    mut response: Response<Bytes>,
    cause: impl Into<Box<dyn Error + Send + Sync>>,
) -> Response<Bytes> {
    response.extensions_mut().insert(Cause(Arc::from(cause.into())));
    response
}

/// Completes a response: adds the name of its route, if it has one, and drops the body of a response
/// to HEAD, whose headers stay those of a GET (RFC 9110, section 9.3.2).
pub(crate) fn complete(response: &mut Response<Bytes>, route: Option<RouteName>, method: &Method) {
    if let Some(name) = route {
        response.extensions_mut().insert(name);
    }
    if method == Method::HEAD {
        *response.body_mut() = Bytes::new();
    }
}

/// JSON of a value that consists of strings and numbers, which cannot fail. A `length` that is right
/// saves an allocation.
pub(crate) fn to_json(value: &impl Serialize, length: usize) -> Bytes {
    let mut json = Vec::with_capacity(length);
    match serde_json::to_writer(&mut json, value) {
        Ok(()) => json.into(),
        Err(error) => unreachable!("strings and numbers are JSON: {error}"),
    }
}

fn with_body(
    mut headers: HeaderMap,
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
) -> Response<Bytes> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// `http` accepts raw UTF-8 in a URI. A header field needs the ASCII form of RFC 3986.
fn ascii_uri(part: &str) -> String {
    let mut uri = String::with_capacity(part.len());
    for byte in part.bytes() {
        if byte.is_ascii_graphic() {
            uri.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}
