//! `memcmp` and `bcmp`.

use accountservice_musl_memory::{bcmp, memcmp};

use crate::guarded::Guarded;
use crate::{LENGTHS, pattern};

/// Both functions, in both orders of their areas.
fn compare(a: &[u8], b: &[u8]) -> [i32; 2] {
    assert_eq!(a.len(), b.len(), "two areas of one length");
    let (a, b, n) = (a.as_ptr(), b.as_ptr(), a.len());
    // SAFETY: both areas have `n` bytes.
    let (ordered, swapped) = unsafe { (memcmp(a, b, n), memcmp(b, a, n)) };
    // SAFETY: as above.
    let differ = unsafe { [bcmp(a, b, n), bcmp(b, a, n)] };
    assert_eq!(differ.map(|result| result != 0), [ordered != 0; 2], "bcmp of {n} bytes");
    [ordered, swapped]
}

#[test]
fn the_same_bytes_are_equal_at_every_length_and_alignment() {
    let bytes = &pattern()[..4097];
    for (left, right) in (0..256).map(|pair| (1 + pair / 16, 1 + pair % 16)) {
        let (mut a, mut b) = (vec![0; left], vec![0xff; right]);
        a.extend(bytes);
        b.extend(bytes);
        for n in LENGTHS {
            // The bytes before the areas differ, and so do those behind them.
            b[right + n] ^= 0xff;
            let result = compare(&a[left..left + n], &b[right..right + n]);
            assert_eq!(result, [0, 0], "{n} bytes at {left} and {right}");
            b[right + n] ^= 0xff;
        }
    }
}

#[test]
fn the_first_bytes_that_differ_decide_as_unsigned_numbers() {
    for (left, right) in (0..16).map(|left| (left, left * 7 % 16)) {
        let (mut a, mut b) = (vec![1; left + 4096], vec![1; right + 4096]);
        let (a, b) = (&mut a[left..], &mut b[right..]);
        for n in LENGTHS {
            for at in (0..n).filter(|at| n <= 150 || n - *at <= 20) {
                // The bytes behind it say the opposite.
                let behind = at + 1..n.min(at + 20);
                (a[at], b[at]) = (0x7f, 0x80);
                a[behind.clone()].fill(0xff);
                let result = compare(&a[..n], &b[..n]);
                assert_eq!(result, [-1, 1], "byte {at} of {n} at {left} and {right}");
                (a[at], b[at]) = (1, 1);
                a[behind].fill(1);
            }
        }
    }
}

#[test]
fn no_byte_outside_the_areas_is_read() {
    let (a, b) = (Guarded::new(), Guarded::new());
    for n in LENGTHS {
        let ends = [0, Guarded::LENGTH - n];
        for (left, right) in ends.into_iter().flat_map(|left| ends.map(|right| (left, right))) {
            assert_eq!(compare(&a[left..left + n], &b[right..right + n]), [0, 0], "{n} bytes");
        }
    }
}
