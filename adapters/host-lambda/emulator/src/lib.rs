//! AWS Lambda on the loopback interface: what a function talks to, and what sends it events.
//!
//! An [`Emulator`] is the Runtime API and the Extensions API of one function. An [`Edge`] is what
//! stands between a client and the function: it makes an event of a request and a response of what
//! the function returns. Both follow AWS's documentation, and live events where that is silent. This
//! does not check permissions, sizes or time limits. Tests of `accountservice-host-lambda` and
//! `cargo xtask invoke` call it.

mod api;
mod edge;

pub use api::{Emulator, Outcome};
pub use edge::{Edge, Kind};
