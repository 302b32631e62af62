//! The health probe that an orchestrator runs inside the container.
//!
//! It is deliberately not an HTTP client: one request over one connection, no redirects, no
//! proxies, no names to resolve, no TLS, and nothing but the standard library.

pub mod answer;
