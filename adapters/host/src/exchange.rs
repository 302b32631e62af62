//! One request and its response: the wrapper around every handler.
//!
//! The transport makes an [`Exchange`] when the head of a request is complete. It does not look at
//! HTTP syntax; a transport that finds a request malformed calls [`Exchange::reject`].

use std::error::Error;
use std::fmt::{self, Write as _};
use std::mem;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use accountservice_core::response::{Cause, RouteName, problem};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use tracing::{Level, debug, enabled, error, info};

use crate::request_id::{RequestIds, X_REQUEST_ID};
use crate::{Handler, Observer, panic};

/// The state that all exchanges of a host share.
pub struct Exchanges {
    max_body: usize,
    observer: Arc<dyn Observer>,
    request_ids: RequestIds,
}

impl Exchanges {
    /// A request whose body is longer than `max_body` bytes gets a 413.
    pub fn new(max_body: usize, observer: Arc<dyn Observer>) -> Self {
        Self { max_body, observer, request_ids: RequestIds::new() }
    }

    /// The longest request body, in bytes.
    pub fn max_body(&self) -> usize {
        self.max_body
    }

    /// The observer of all exchanges.
    pub fn observer(&self) -> &dyn Observer {
        &*self.observer
    }
}

/// A request on its way through a handler.
pub struct Exchange<'a> {
    exchanges: &'a Exchanges,
    method: Method,
    uri: Uri,
    id: HeaderValue,
    peer: Option<SocketAddr>,
    prefix: &'a str,
    started_at: Instant,
}

impl<'a> Exchange<'a> {
    /// Starts with a complete head; the body may follow. `peer` is for the access log.
    pub fn new<B>(
        exchanges: &'a Exchanges,
        request: &Request<B>,
        peer: Option<SocketAddr>,
    ) -> Self {
        Self {
            exchanges,
            method: request.method().clone(),
            uri: request.uri().clone(),
            id: exchanges.request_ids.of(request.headers()),
            peer,
            prefix: "",
            started_at: Instant::now(),
        }
    }

    /// The client's path has this prefix, such as `/prod`, which the handler does not see. A
    /// `Location` that is a path gets it back.
    #[must_use]
    pub fn mounted_at(self, prefix: &'a str) -> Self {
        Self { prefix, ..self }
    }

    /// When the head of the request was complete.
    pub fn started_at(&self) -> Instant {
        self.started_at
    }

    /// Lets the handler respond. `request` is the request that the exchange was made for.
    #[expect(clippy::manual_async_fn, reason = "an `async fn` has room for its arguments twice")]
    pub fn respond<H: Handler>(
        mut self,
        handler: &H,
        request: Request<Bytes>,
    ) -> impl Future<Output = Response<Bytes>> + Send {
        async move {
            if request.body().len() > self.exchanges.max_body {
                return self.reject_too_large();
            }
            let call = pin!(async { handler.respond(request).await });
            let mut response = match panic::catch(call).await {
                Ok(response) => response,
                Err(reason) => self.panicked(&reason),
            };
            self.finish(&mut response);
            response
        }
    }

    fn panicked(&self, reason: &str) -> Response<Bytes> {
        error!("{self} 500: the handler panicked: {}", on_one_line(reason));
        let detail = "The request could not be answered.";
        problem(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// Rejects a request that never reaches the handler. It is logged and counted like any other.
    pub fn reject(mut self, mut response: Response<Bytes>) -> Response<Bytes> {
        // The request may be one for health.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.finish(&mut response);
        response
    }

    /// Rejects a request whose body is longer than the limit: 413.
    pub fn reject_too_large(self) -> Response<Bytes> {
        self.reject(problem(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body is larger than this service takes.",
        ))
    }

    /// Reports the response and completes it. Neither is moved: each has 150 to 220 bytes.
    fn finish(&mut self, response: &mut Response<Bytes>) {
        let status = response.status();
        let observer = self.exchanges.observer();
        if let Some(Cause(cause)) = response.extensions().get() {
            let cause = on_one_line(&with_sources(cause.as_ref()));
            if status.is_server_error() {
                error!("{self} {}: {cause}", status.as_u16());
                observer.store_failed();
            } else {
                info!("{self} {}: {cause}", status.as_u16());
            }
        }
        let route = response.extensions().get::<RouteName>().copied();
        observer.responded(route, status, self.started_at);
        if enabled!(Level::DEBUG) {
            let (status, bytes) = (status.as_u16(), response.body().len());
            let peer = self.peer.map(tracing::field::display);
            // A number of 128 bits would be a string in JSON.
            let micros = u64::try_from(self.started_at.elapsed().as_micros()).unwrap_or(u64::MAX);
            debug!(peer, status, bytes, micros, "{self}");
        }
        if self.method == Method::HEAD {
            *response.body_mut() = Bytes::new();
        }
        if !self.prefix.is_empty()
            && let Some(location) = response.headers_mut().get_mut(LOCATION)
            && let Some(prefixed) = with_prefix(self.prefix, location)
        {
            *location = prefixed;
        }
        let id = mem::replace(&mut self.id, HeaderValue::from_static(""));
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
}

/// As log entries name it: `GET /accounts/10000 [0123456789abcdef]`.
impl fmt::Display for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, uri, id, .. } = self;
        let uri = on_one_line(&uri.to_string());
        write!(f, "{method} {uri} [{}]", id.to_str().unwrap_or_default())
    }
}

/// `None` if `location` is not a path: RFC 3986, section 4.2, `//` begins a host.
fn with_prefix(prefix: &str, location: &HeaderValue) -> Option<HeaderValue> {
    let path = location.to_str().ok().filter(|it| it.starts_with('/') && !it.starts_with("//"))?;
    HeaderValue::try_from(format!("{prefix}{path}")).ok()
}

/// A URI or a cause may contain any character that a client has sent. A client must not write log
/// entries.
fn on_one_line(text: &str) -> String {
    text.replace(|char: char| char.is_control() || matches!(char, '\u{2028}' | '\u{2029}'), " ")
}

/// An error with all its sources.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}
