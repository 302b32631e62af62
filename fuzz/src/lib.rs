//! What is fuzzed, one function for each target: bytes in, and a panic if what must hold does not.
//!
//! The targets in `fuzz_targets` give these functions to libFuzzer; `tests/corpus.rs` calls them
//! with the committed corpus on a stable toolchain.

#![forbid(unsafe_code)]

mod answer;
mod handle;

pub use answer::answer;
pub use handle::handle;
