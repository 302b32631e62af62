//! One request through the handler: what it may bring, what becomes of a panic, what is logged.

use std::any::Any;
use std::convert::Infallible;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::future::{Ready, ready};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use accountservice_core::response::{Cause, problem};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use tokio::time::timeout;
use tracing::{Level, debug, enabled, error};

use crate::Limits;
use crate::connection::Connection;
use crate::request_id::X_REQUEST_ID;
use crate::watch::Phase;

/// What is hosted.
pub(crate) type Handler = dyn Fn(Request<Bytes>) -> Response<Bytes> + Send + Sync;

/// A request without a body, as nearly all are, is answered here and now.
pub(crate) fn exchange(connection: &Arc<Connection>, request: Request<Incoming>) -> Exchange {
    let started = connection.watch.enter(Phase::Busy);
    let body_is_empty = request.body().is_end_stream();
    let mut line = Line {
        method: request.method().clone(),
        uri: request.uri().clone(),
        id: connection.request_ids().of(request.headers()),
        started,
        // Nobody needs a chunked body here, and what a proxy in front makes of one may differ.
        last: !body_is_empty && request.headers().contains_key(TRANSFER_ENCODING),
    };
    match admit(&request, connection.limits()) {
        Ok(()) if body_is_empty => {
            let request = request.map(|_| Bytes::new());
            Exchange::Over(ready(line.answer(request, started, connection)))
        }
        Ok(()) => {
            let connection = Arc::clone(connection);
            Exchange::Reading(Box::pin(async move {
                let (head, body) = request.into_parts();
                match read(body, connection.limits()).await {
                    Ok(body) => {
                        let request = Request::from_parts(head, body);
                        line.answer(request, connection.watch.now(), &connection)
                    }
                    Err(refusal) => line.refuse(refusal, &connection),
                }
            }))
        }
        Err(refusal) => Exchange::Over(ready(line.refuse(refusal, connection))),
    }
}

/// An answer, or the reading of the body that it waits for.
pub(crate) enum Exchange {
    Over(Ready<Response<Full<Bytes>>>),
    Reading(Pin<Box<dyn Future<Output = Response<Full<Bytes>>> + Send>>),
}

impl Future for Exchange {
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Over(response) => Pin::new(response).poll(cx).map(Ok),
            Self::Reading(reading) => reading.as_mut().poll(cx).map(Ok),
        }
    }
}

/// Why a request may not come in, told to whoever has sent it.
type Refusal = (StatusCode, &'static str);

/// What is kept of a request until it is answered, for the log and the metrics.
struct Line {
    method: Method,
    uri: Uri,
    id: HeaderValue,
    started: Duration,
    /// No further request is read from this connection.
    last: bool,
}

impl Line {
    fn answer(
        &mut self,
        mut request: Request<Bytes>,
        now: Duration,
        connection: &Connection,
    ) -> Response<Full<Bytes>> {
        if let Some(state) = connection.host_state() {
            request.extensions_mut().insert(state);
        }
        let response = connection.handle(request, now).unwrap_or_else(|panic| {
            let reason = on_one_line(text_of(&*panic));
            error!("{self} answered 500: the handler panicked: {reason}");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "The request could not be answered.")
        });
        self.finish(response, connection)
    }

    /// What is left of the request would be taken for the next one.
    fn refuse(
        &mut self,
        (status, detail): Refusal,
        connection: &Connection,
    ) -> Response<Full<Bytes>> {
        self.last = true;
        let mut refusal = problem(status, detail);
        // It may be health that is refused here.
        refusal.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.finish(refusal, connection)
    }

    fn finish(
        &mut self,
        mut response: Response<Bytes>,
        connection: &Connection,
    ) -> Response<Full<Bytes>> {
        let status = response.status();
        if let Some(Cause(cause)) = response.extensions().get() {
            error!("{self} answered {}: {}", status.as_u16(), on_one_line(&chain(cause.as_ref())));
            connection.observer().failed();
        }
        let ends = self.last || connection.ends();
        let phase = if ends { Phase::Ending } else { Phase::Answering };
        let time = connection.watch.enter(phase).saturating_sub(self.started);
        connection.observer().answered(self.uri.path(), status, time);
        connection.outbox().took(time);
        if enabled!(Level::DEBUG) {
            let (peer, status, bytes) = (connection.peer, status.as_u16(), response.body().len());
            // In JSON, a number of 128 bits would be a string.
            let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            debug!(%peer, status, bytes, micros, "{self}");
        }
        if ends {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let id = mem::replace(&mut self.id, HeaderValue::from_static("-"));
        response.headers_mut().insert(X_REQUEST_ID, id);
        response.map(Full::new)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, uri, id, .. } = self;
        write!(f, "{method} {uri} [{}]", id.to_str().unwrap_or_default())
    }
}

/// Looks at what is known before the body comes.
fn admit(request: &Request<Incoming>, limits: &Limits) -> Result<(), Refusal> {
    let body = request.body();
    if !has_good_host(request) {
        return Err((StatusCode::BAD_REQUEST, "A request has exactly one valid Host."));
    }
    // RFC 9112, section 3.2.3: such a target is for CONNECT alone.
    let uri = request.uri();
    let is_authority = uri.scheme().is_none() && uri.authority().is_some();
    if is_authority && request.method() != Method::CONNECT {
        return Err((StatusCode::BAD_REQUEST, "A request target begins with a slash."));
    }
    if body.is_end_stream() {
        return Ok(());
    }
    if !has_known_coding(request) {
        return Err((StatusCode::BAD_REQUEST, "The only transfer coding here is chunked, once."));
    }
    if body.size_hint().lower() > limits.body_bytes as u64 {
        return Err(TOO_LARGE);
    }
    Ok(())
}

const TOO_LARGE: Refusal =
    (StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than this service takes.");

async fn read(body: Incoming, limits: &Limits) -> Result<Bytes, Refusal> {
    match timeout(limits.body_time, Limited::new(body, limits.body_bytes).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(TOO_LARGE),
        Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, "The body is malformed or incomplete.")),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "The body took too long.")),
    }
}

/// RFC 9112, section 3.2: exactly one `Host`, which only HTTP/1.0 may lack, and a host in it or
/// nothing.
fn has_good_host(request: &Request<Incoming>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) => {
            let host = host.as_bytes();
            host.is_empty()
                || is_name_and_port(host)
                || !host.contains(&b'@') && Authority::try_from(host).is_ok_and(has_good_port)
        }
        (Some(_), Some(_)) => false,
    }
}

/// The most common host, told without building an `Authority`.
fn is_name_and_port(host: &[u8]) -> bool {
    let end = host.iter().position(|byte| *byte == b':');
    let (name, port) = host.split_at(end.unwrap_or(host.len()));
    !name.is_empty()
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        && port.iter().skip(1).all(u8::is_ascii_digit)
}

/// `http` takes anything for a port. RFC 3986, section 3.2.3: digits, or none.
#[expect(clippy::needless_pass_by_value, reason = "it is what `is_ok_and` gives")]
fn has_good_port(authority: Authority) -> bool {
    let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    port.strip_prefix(':').unwrap_or(port).bytes().all(|byte| byte.is_ascii_digit())
}

/// RFC 9112, section 6.1: `chunked`, once. hyper is content if it comes last, and takes the others
/// for part of the body.
fn has_known_coding(request: &Request<Incoming>) -> bool {
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
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
