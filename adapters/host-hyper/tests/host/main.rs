//! The library over real sockets: what RFC 9112 asks, limits, many clients, and how it ends.

mod client;
mod connection;
mod contract;
mod crowd;
mod drain;
mod outbox;
mod patience;
mod server;
mod size;
