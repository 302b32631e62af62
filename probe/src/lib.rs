//! The health probe that an orchestrator runs inside the container.
//!
//! It asks the service on loopback one question, under one deadline, and turns the answer into an
//! exit status and, if the service is unhealthy, one line for `docker inspect`.
//!
//! It is deliberately not an HTTP client: one request over one connection, no redirects, no
//! proxies, no names to resolve, no TLS, and nothing but the standard library.
//!
//! | module | what it holds | does I/O |
//! |---|---|---|
//! | [`settings`] | the flags, parsed and checked | no |
//! | [`check`] | one check, or checks until healthy | yes, loopback only |
//! | [`answer`] | the reader of the server's answer | no |
//! | [`report`] | the one line that says why | no |

pub mod answer;
pub mod check;
pub mod report;
pub mod settings;
