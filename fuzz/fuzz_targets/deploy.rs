//! `cargo +nightly fuzz run deploy`; what it does stands in the library.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| accountservice_fuzz::deploy(data));

#[cfg(not(fuzzing))]
fn main() {}
