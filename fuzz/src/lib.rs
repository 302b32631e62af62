//! What is fuzzed, one function for each target: bytes in, and a panic if what must hold does not.
//!
//! The targets in `fuzz_targets` give these functions to libFuzzer; `tests/corpus.rs` calls them
//! with the committed corpus on a stable toolchain.

#![forbid(unsafe_code)]

mod deploy;
mod handle;
mod response;
// The probe and xtask are binaries: the modules under test are compiled into this library.
#[path = "../../probe/src/response.rs"]
mod probe_response;
#[expect(dead_code, reason = "the commands use it")]
#[path = "../../xtask/src/settings.rs"]
mod settings;
#[path = "../../xtask/src/units.rs"]
mod units;

pub use deploy::deploy;
pub use handle::handle;
pub use response::response;
