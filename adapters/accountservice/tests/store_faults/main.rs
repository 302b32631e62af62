//! What becomes of requests, of health and of the process when the store is in trouble.
//!
//! `made` has a store made for tests behind the host, `file` the real one on a real file, `start`
//! the whole process.

mod client;
mod file;
mod log;
mod made;
#[path = "../hostile/server.rs"]
mod server;
mod start;
