//! The duties of every host, once: the only way from a transport to a handler.
//!
//! A host receives requests by some transport and returns responses. For each request it makes an
//! [`Exchange`] and either lets a [`Handler`] respond or rejects the request itself. The exchange
//! gives the request its id, bounds its body, turns a panic into a 500, logs, and tells the
//! [`Observer`]. Connections, timeouts and HTTP syntax belong to the transports in
//! `adapters/host-*`; this package knows neither hyper nor tokio.
//!
//! ```
//! use std::sync::Arc;
//!
//! use accountservice_host::{Exchange, Exchanges};
//! use bytes::Bytes;
//! use http::{Request, Response};
//!
//! # async fn host(request: Request<Bytes>) -> Response<Bytes> {
//! let handler = |request: Request<Bytes>| async { Response::new(request.into_body()) };
//! let exchanges = Exchanges::new(64 << 10, Arc::new(()));
//!
//! Exchange::new(&exchanges, &request, None).respond(&handler, request).await
//! # }
//! ```

mod exchange;
mod handler;
mod observer;
mod panic;
mod request_id;
#[cfg(feature = "testing")]
pub mod testing;

pub use exchange::{Exchange, Exchanges};
pub use handler::Handler;
pub use observer::Observer;
