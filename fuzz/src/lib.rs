//! One function per fuzz target: it takes bytes, and panics if an invariant does not hold.
//!
//! The targets in `fuzz_targets` give these functions to libFuzzer; `tests/corpus.rs` calls them
//! with the committed corpus on a stable toolchain.

#![forbid(unsafe_code)]

mod handle;
mod response;
// The probe is a binary: the module under test is compiled into this library.
#[path = "../../probe/src/response.rs"]
mod probe_response;

pub use handle::handle;
pub use response::response;
