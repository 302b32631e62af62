//! One request of a connection: the rules of HTTP/1.1, the body, and the exchange with the handler.
//!
//! hyper calls it for each head that it could parse, and responds itself to those that it could not.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use accountservice_core::HealthRoute;
use accountservice_core::response::{overloaded, problem};
use accountservice_host::{Exchange, Handler};
use bytes::Bytes;
use http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use crate::ServerConfig;
use crate::context::ConnectionContext;

/// Why a request does not reach the handler: a status, and the detail of the problem.
type Rejection = (StatusCode, &'static str);

const TOO_LARGE: Rejection =
    (StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than this service takes.");

/// Responds to one request. Every connection has room for this future, so it is kept small.
pub(crate) async fn respond<H: Handler>(
    context: Arc<ConnectionContext<H>>,
    mut request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let server = &*context.server;
    let has_body = !request.body().is_end_stream();
    context.deadline.request_started(has_body);
    let exchange = Exchange::new(&server.exchanges, &request, Some(context.peer));
    // RFC 9112, section 6.1: a proxy in front may see another end of a chunked body.
    let mut is_last = has_body && request.headers().contains_key(TRANSFER_ENCODING);
    let rejected = |(status, detail)| problem(status, detail);
    let body = match validate_head(&request, has_body) {
        Ok(()) if context.is_overload && !asks_for_health(request.uri()) => Err(overloaded()),
        Ok(()) if has_body => {
            // A body is rare: its future has a box of its own.
            Box::pin(collect(request.body_mut(), &server.config)).await.map_err(rejected)
        }
        Ok(()) => Ok(Bytes::new()),
        Err(rejection) => Err(rejected(rejection)),
    };
    let mut response = match body {
        Ok(body) => {
            if let Some(state) = server.host_state() {
                request.extensions_mut().insert(state);
            }
            let request = request.map(|_| body);
            context.worker.watch(pin!(exchange.respond(&*server.handler, request))).await
        }
        Err(rejection) => {
            // The rest of the request would be taken for the next one.
            is_last = true;
            exchange.reject(rejection)
        }
    };
    context.deadline.response_ready();
    if is_last || context.is_overload || server.is_closing() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(Full::new))
}

fn asks_for_health(uri: &Uri) -> bool {
    HealthRoute::of(uri.path()).is_some_and(HealthRoute::is_check)
}

async fn collect(body: &mut Incoming, config: &ServerConfig) -> Result<Bytes, Rejection> {
    if body.size_hint().lower() > config.max_body as u64 {
        return Err(TOO_LARGE);
    }
    match timeout(config.body_timeout, Limited::new(body, config.max_body).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(TOO_LARGE),
        Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, "The body is malformed or incomplete.")),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "The body took too long.")),
    }
}

fn validate_head(request: &Request<Incoming>, has_body: bool) -> Result<(), Rejection> {
    let uri = request.uri();
    // RFC 9112, section 3.2.3: the authority form is for CONNECT alone.
    let is_authority_form = uri.scheme().is_none() && uri.authority().is_some();
    let detail = if !has_valid_host(request) {
        "A request has exactly one valid Host."
    } else if is_authority_form && request.method() != Method::CONNECT {
        "A request target begins with a slash."
    } else if !has_valid_target(uri) {
        "The request target is not a URI of RFC 3986."
    } else if has_body && !has_known_coding(request) {
        "The only transfer coding here is chunked, once."
    } else {
        return Ok(());
    };
    Err((StatusCode::BAD_REQUEST, detail))
}

/// `http::Uri` accepts user information, backslashes and non-ASCII bytes, which other servers and
/// filters read differently (RFC 3986, section 3; RFC 9110, section 4.2.4).
fn has_valid_target(uri: &Uri) -> bool {
    let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    uri.authority()
        .is_none_or(|authority| !authority.as_str().contains('@') && is_plain(authority.as_str()))
        && uri.path_and_query().is_none_or(|target| is_plain(target.as_str()))
}

/// RFC 9112, section 3.2: exactly one `Host`, which only HTTP/1.0 may lack, with a host in it or
/// nothing.
fn has_valid_host(request: &Request<Incoming>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) => {
            let host = host.as_bytes();
            host.is_empty()
                || is_name_and_port(host)
                || !host.contains(&b'@')
                    && Authority::try_from(host).is_ok_and(|authority| has_valid_port(&authority))
        }
        (Some(_), Some(_)) => false,
    }
}

/// The usual form of a host, recognised without parsing it as an `Authority`.
fn is_name_and_port(host: &[u8]) -> bool {
    let end = host.iter().position(|byte| *byte == b':').unwrap_or(host.len());
    let (name, port) = host.split_at(end);
    !name.is_empty()
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        && port.iter().skip(1).all(u8::is_ascii_digit)
}

/// `http` accepts any text as a port. RFC 3986, section 3.2.3: digits, or none.
fn has_valid_port(authority: &Authority) -> bool {
    let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    port.strip_prefix(':').unwrap_or(port).bytes().all(|byte| byte.is_ascii_digit())
}

/// RFC 9112, section 6.1: `chunked`, once. hyper checks only that it comes last, and takes other
/// codings for part of the body.
fn has_known_coding(request: &Request<Incoming>) -> bool {
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
        && codings.next().is_none()
}
