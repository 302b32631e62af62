//! Hosts a handler on hyper: any `Fn(Request<Bytes>) -> impl Future<Output = Response<Bytes>>`.
//!
//! A [`Server`] accepts connections on one thread and dispatches each to the worker with the fewest.
//! Each connection has a hyper of its own. HTTP/1.1 syntax, timeouts, connection limits, overload
//! and shutdown are handled here; request ids, panics and logging in `accountservice-host`. Nothing
//! here knows accounts, stores or settings.

mod config;
mod connection;
mod context;
mod deadline;
mod health_check;
mod overload;
mod request;
mod server;
mod socket;
mod state;
mod worker;

pub use accountservice_host::{Handler, Observer};
pub use config::ServerConfig;
pub use health_check::HealthCheck;
pub use server::Server;
