//! One request of the runtime and its response, by any handler that responds at once.
//!
//! `wstd` is not used: it traps, which ends the component and with some runtimes the server, when a
//! response cannot be written to its end. That is so when a client leaves, and at each response to
//! HEAD, whose `Content-Length` is that of a GET.

use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use accountservice_core::response::problem;
use accountservice_host::{Exchange, Exchanges, Handler};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingResponse,
    ResponseOutparam,
};
use wasip2::io::streams::StreamError;

/// The longest request body, in bytes, as on other hosts.
const MAX_BODY: usize = 64 << 10;

/// The longest piece of a body that `wasi:io` writes at once.
const PIECE: usize = 4096;

static EXCHANGES: LazyLock<Exchanges> = LazyLock::new(|| Exchanges::new(MAX_BODY, Arc::new(())));

/// Responds to one request. What cannot be read is a 400, as on other hosts: jco ends when a
/// component returns an error.
pub(crate) fn respond(handler: &impl Handler, incoming: &IncomingRequest, out: ResponseOutparam) {
    let malformed = |detail| problem(StatusCode::BAD_REQUEST, detail);
    let Some(request) = head(incoming) else {
        return send(&malformed("The head of the request is malformed."), out);
    };
    let exchange = Exchange::new(&EXCHANGES, &request, None);
    let response = match body(incoming) {
        Some(body) => at_once(exchange.respond(handler, request.map(|()| body))),
        None => exchange.reject(malformed("The body is malformed or incomplete.")),
    };
    send(&response, out);
}

fn at_once(response: impl Future<Output = Response<Bytes>>) -> Response<Bytes> {
    match pin!(response).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(response) => response,
        Poll::Pending => unreachable!("a handler without a remote store responds at once"),
    }
}

fn head(incoming: &IncomingRequest) -> Option<Request<()>> {
    let other;
    let method = match incoming.method() {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(method) => {
            other = method;
            &other
        }
    };
    let request = Request::builder().method(method).uri(incoming.path_with_query()?).body(());
    let mut request = request.ok()?;
    for (name, value) in incoming.headers().entries() {
        let (name, value) = (HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
        request.headers_mut().append(name, value);
    }
    Some(request)
}

/// Reads the body, up to a piece more than the limit.
fn body(incoming: &IncomingRequest) -> Option<Bytes> {
    let body = incoming.consume().ok()?;
    let mut bytes = Vec::new();
    {
        let stream = body.stream().ok()?;
        while bytes.len() <= MAX_BODY {
            match stream.blocking_read(PIECE as u64) {
                Ok(piece) => bytes.extend(piece),
                Err(StreamError::Closed) => break,
                Err(StreamError::LastOperationFailed(_)) => return None,
            }
        }
    }
    drop(IncomingBody::finish(body));
    Some(bytes.into())
}

/// Sends a response. An error means that the client has gone, or that the response is one to HEAD.
fn send(response: &Response<Bytes>, out: ResponseOutparam) {
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    let fields = match Fields::from_list(&headers.collect::<Vec<_>>()) {
        Ok(fields) => fields,
        Err(error) => {
            let error = ErrorCode::InternalError(Some(format!("a header: {error:?}")));
            return ResponseOutparam::set(out, Err(error));
        }
    };
    let outgoing = OutgoingResponse::new(fields);
    if outgoing.set_status_code(response.status().as_u16()).is_err() {
        return ResponseOutparam::set(out, Err(ErrorCode::HttpProtocolError));
    }
    let body = outgoing.body();
    ResponseOutparam::set(out, Ok(outgoing));
    let Ok(body) = body else { return };
    if let Ok(stream) = body.write() {
        let mut pieces = response.body().chunks(PIECE);
        let _ = pieces.try_for_each(|piece| stream.blocking_write_and_flush(piece));
    }
    let _ = OutgoingBody::finish(body, None);
}
