//! Each function against a naive version, at every length up to a page. On musl the functions under test
//! are those that the whole test binary uses:
//! `cargo test --target x86_64-unknown-linux-musl -p accountservice-musl-memory`.

#![cfg(target_arch = "x86_64")]

mod compare;
mod copy;
mod fill;
mod guarded;

/// Lengths from nothing to a page.
const LENGTHS: std::ops::RangeInclusive<usize> = 0..=4096;

/// Bytes without a period of a power of two, so that a byte from a wrong place is a wrong byte.
fn pattern() -> Vec<u8> {
    (0_u8..251).cycle().take(guarded::Guarded::LENGTH).collect()
}

/// Looks at each byte by itself: `==` would call the function under test.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// musl's `memcmp` returns the difference of the bytes, -2. One object file defines all the functions,
/// and the linker refuses a second definition: if this one is ours, all are.
#[cfg(target_env = "musl")]
#[test]
fn the_linker_takes_these_functions_and_not_musls() {
    // LLVM would compute a comparison of a known length itself.
    let (a, c, n) = std::hint::black_box((b'a', b'c', 1));
    // SAFETY: one byte each.
    assert_eq!(unsafe { accountservice_musl_memory::memcmp(&raw const a, &raw const c, n) }, -1);
}
