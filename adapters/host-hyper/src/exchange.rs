//! One request through the handler: what it may bring, what becomes of a panic, what is logged.

use std::any::Any;
use std::error::Error;
use std::fmt::{self, Write as _};

use accountservice_core::response::{Cause, problem};
use bytes::Bytes;
use http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, request};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use tokio::time::timeout;
use tracing::{Level, debug, enabled, error};

use crate::Limits;
use crate::connection::Connection;
use crate::request_id::X_REQUEST_ID;
use crate::watch::Phase;

/// Answers one request.
pub(crate) async fn exchange<H>(
    request: Request<Incoming>,
    connection: &Connection<H>,
) -> Response<Full<Bytes>>
where
    H: Fn(Request<Bytes>) -> Response<Bytes>,
{
    let started = connection.watch.enter(Phase::Busy);
    let (head, body) = request.into_parts();
    let line = Line {
        method: head.method.clone(),
        uri: head.uri.clone(),
        id: connection.request_ids().of(&head.headers),
    };
    // Nobody needs a chunked body here, and what a proxy in front makes of one may differ.
    let mut last = head.headers.contains_key(TRANSFER_ENCODING);

    let mut response = match admit(&head, body, connection.limits()).await {
        Ok(body) => {
            let mut request = Request::from_parts(head, body);
            if let Some(state) = connection.host_state() {
                request.extensions_mut().insert(state);
            }
            connection.handle(request).unwrap_or_else(|panic| {
                error!(
                    "{line} answered 500: the handler panicked: {}",
                    on_one_line(text_of(&*panic))
                );
                problem(StatusCode::INTERNAL_SERVER_ERROR, "The request could not be answered.")
            })
        }
        Err((status, detail)) => {
            // What is left of this request would be taken for the next one.
            last = true;
            problem(status, detail)
        }
    };
    let status = response.status();
    if let Some(Cause(cause)) = response.extensions().get() {
        error!("{line} answered {}: {}", status.as_u16(), on_one_line(&chain(cause.as_ref())));
        connection.observer().failed();
    }
    let now = connection.watch.enter(Phase::Answering);
    connection.observer().answered(line.uri.path(), status, now - started);
    if enabled!(Level::DEBUG) {
        let (peer, status, bytes) = (connection.peer, status.as_u16(), response.body().len());
        debug!(%peer, status, bytes, micros = (now - started).as_micros(), "{line}");
    }
    if last || connection.ends() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response.headers_mut().insert(X_REQUEST_ID, line.id);
    response.map(Full::new)
}

/// What the log says of a request.
struct Line {
    method: Method,
    uri: Uri,
    id: HeaderValue,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, uri, id } = self;
        write!(f, "{method} {uri} [{}]", id.to_str().unwrap_or_default())
    }
}

/// Reads the body of a request that may come in, or says why it may not.
async fn admit(
    head: &request::Parts,
    body: Incoming,
    limits: &Limits,
) -> Result<Bytes, (StatusCode, &'static str)> {
    if !has_good_host(head) {
        return Err((StatusCode::BAD_REQUEST, "A request has exactly one valid Host."));
    }
    // RFC 9112, section 3.2.3: such a target is for CONNECT alone.
    let is_authority = head.uri.scheme().is_none() && head.uri.authority().is_some();
    if is_authority && head.method != Method::CONNECT {
        return Err((StatusCode::BAD_REQUEST, "A request target begins with a slash."));
    }
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    if !has_known_coding(head) {
        return Err((StatusCode::BAD_REQUEST, "The only transfer coding here is chunked, once."));
    }
    let too_large = (StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than this service takes.");
    if body.size_hint().lower() > limits.body_bytes as u64 {
        return Err(too_large);
    }
    match timeout(limits.body_time, Limited::new(body, limits.body_bytes).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large),
        Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, "The body is malformed or incomplete.")),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "The body took too long.")),
    }
}

/// RFC 9112, section 3.2: exactly one `Host`, which only HTTP/1.0 may lack, and a host in it or
/// nothing.
fn has_good_host(head: &request::Parts) -> bool {
    let mut hosts = head.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => head.version < Version::HTTP_11,
        (Some(host), None) => {
            let host = host.as_bytes();
            host.is_empty()
                || !host.contains(&b'@') && Authority::try_from(host).is_ok_and(has_good_port)
        }
        (Some(_), Some(_)) => false,
    }
}

/// `http` takes anything for a port. RFC 3986, section 3.2.3: digits, or none.
#[expect(clippy::needless_pass_by_value, reason = "it is what `is_ok_and` gives")]
fn has_good_port(authority: Authority) -> bool {
    let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    port.strip_prefix(':').unwrap_or(port).bytes().all(|byte| byte.is_ascii_digit())
}

/// RFC 9112, section 6.1: `chunked`, once. hyper is content if it comes last, and takes the others
/// for part of the body.
fn has_known_coding(head: &request::Parts) -> bool {
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref().copied()).unwrap_or("no reason given")
}

/// A cause may quote what a client has sent, decoded: nobody out there writes lines of this log.
fn on_one_line(text: &str) -> String {
    text.replace(|char: char| char.is_control() || matches!(char, '\u{2028}' | '\u{2029}'), " ")
}

/// An error with all its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
