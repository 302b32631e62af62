//! Hosts a handler as a [`tower_service::Service`], inside an application that has a server already.
//!
//! Request ids, the body bound, panics, logging and metrics are those of every host, by
//! `accountservice-host`. Connections, timeouts and shutdown are the application's: this is not a
//! server. A layer of the application may insert a [`HostState`](accountservice_core::HostState)
//! into the extensions of a request, for instance while the application drains.
//!
//! ```
//! use std::sync::Arc;
//!
//! use accountservice_host::Exchanges;
//! use accountservice_host_tower::TowerHost;
//! use axum::Router;
//! use bytes::Bytes;
//! use http::{Request, Response};
//!
//! let handler = |request: Request<Bytes>| async { Response::new(request.into_body()) };
//! let host = TowerHost::new(handler, Exchanges::new(64 << 10, Arc::new(())));
//!
//! let at_the_root: Router = Router::new().fallback_service(host.clone());
//! let nested: Router = Router::new().nest_service("/bank", host.mounted_at("/bank"));
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use accountservice_core::response::problem;
use accountservice_host::{Exchange, Exchanges, Handler};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use tower_service::Service;

/// A handler as a tower service. Clones share the handler.
pub struct TowerHost<H> {
    handler: Arc<H>,
    exchanges: Arc<Exchanges>,
    prefix: Arc<str>,
}

impl<H: Handler> TowerHost<H> {
    /// Hosts `handler`. `exchanges` has the longest request body and the observer.
    pub fn new(handler: H, exchanges: Exchanges) -> Self {
        Self { handler: Arc::new(handler), exchanges: Arc::new(exchanges), prefix: "".into() }
    }

    /// The same for a router that removes `prefix` from the path, such as `/bank`. Redirects get the
    /// prefix back.
    #[must_use]
    pub fn mounted_at(self, prefix: impl Into<Arc<str>>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    async fn respond<B>(self, request: Request<B>) -> Response<Bytes>
    where
        B: http_body::Body<Error: Into<Box<dyn Error + Send + Sync>>>,
    {
        let exchange = Exchange::new(&self.exchanges, &request, None).mounted_at(&self.prefix);
        let (head, body) = request.into_parts();
        match Limited::new(body, self.exchanges.max_body()).collect().await {
            Ok(body) => {
                exchange.respond(&*self.handler, Request::from_parts(head, body.to_bytes())).await
            }
            Err(error) if error.is::<LengthLimitError>() => exchange.reject_too_large(),
            Err(_) => exchange
                .reject(problem(StatusCode::BAD_REQUEST, "The body is malformed or incomplete.")),
        }
    }
}

impl<H> Clone for TowerHost<H> {
    fn clone(&self) -> Self {
        Self {
            handler: Arc::clone(&self.handler),
            exchanges: Arc::clone(&self.exchanges),
            prefix: Arc::clone(&self.prefix),
        }
    }
}

impl<H, B> Service<Request<B>> for TowerHost<H>
where
    H: Handler,
    B: http_body::Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let host = self.clone();
        Box::pin(async { Ok(host.respond(request).await.map(Full::new)) })
    }
}
