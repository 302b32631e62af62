//! Hosts a handler function on hyper: any `Fn(Request<Bytes>) -> Response<Bytes>`.
//!
//! [`serve`] takes a listener, a handler, [`Limits`] and the moment to stop; the caller owns all
//! four. It knows nothing of accounts, stores or settings: those meet in `main.rs`.
//!
//! One thread accepts and hands each connection to the worker that has the fewest. Each worker is a
//! thread with a runtime of its own, on which it runs the handler in place: a handler answers in
//! microseconds, and one that blocks holds up the connections of its worker.
//!
//! ```
//! # use std::io;
//! use accountservice_host_hyper::{Limits, serve};
//! use http::Response;
//! use tokio::net::TcpListener;
//!
//! # fn main() -> io::Result<()> {
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let handler = |request: http::Request<bytes::Bytes>| Response::new(request.into_body());
//! # let stop = async {};
//! serve(listener, handler, Limits::default(), stop).await
//! # })
//! # }
//! ```

mod accept;
mod connection;
mod engine;
mod exchange;
mod limits;
mod observer;
mod outbox;
mod overflow;
mod request_id;
mod socket;
mod watch;
mod worker;

pub use accept::{serve, serve_observed};
pub use limits::Limits;
pub use observer::Observer;
