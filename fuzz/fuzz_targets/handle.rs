//! `cargo +nightly fuzz run handle`; what it does stands in the library.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| accountservice_fuzz::handle(data));

#[cfg(not(fuzzing))]
fn main() {}
