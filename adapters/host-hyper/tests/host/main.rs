//! The library over real sockets: HTTP/1.1, limits, timeouts, overload, blocked handlers, shutdown.

mod closing;
mod connection;
mod contract;
mod events;
mod example;
mod handlers;
mod health_check;
mod log;
mod overload;
mod panics;
mod pipelining;
mod server;
mod shutdown;
mod size;
mod slow_clients;
mod stall;
mod syntax;
mod timeout;
