//! `cargo +nightly fuzz run response`; the target is a function of the library.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| accountservice_fuzz::response(data));

#[cfg(not(fuzzing))]
fn main() {}
