//! `memset`.

use accountservice_musl_memory::memset;

use crate::LENGTHS;
use crate::guarded::Guarded;

/// Fills a part of an area, and looks at the bytes around as well.
fn check(area: &mut Guarded, at: usize, n: usize, value: i32) {
    let [byte, ..] = value.to_le_bytes();
    let around = at.saturating_sub(64)..(at + n + 64).min(area.len());
    area[around.clone()].iter_mut().for_each(|other| *other = !byte);
    let target = area[at..at + n].as_mut_ptr();
    // SAFETY: the area has `n` bytes.
    assert_eq!(unsafe { memset(target, value, n) }, target, "the result");
    let all = |bytes: &[u8], value| bytes.iter().fold(0, |sum, byte| sum | (byte ^ value)) == 0;
    assert!(all(&area[at..at + n], byte), "{n} bytes {value} at {at}");
    assert!(all(&area[around.start..at], !byte), "before {n} bytes {value} at {at}");
    assert!(all(&area[at + n..around.end], !byte), "behind {n} bytes {value} at {at}");
}

#[test]
fn every_length_is_filled_at_every_alignment() {
    let mut area = Guarded::new();
    for n in LENGTHS {
        for at in 64..80 {
            check(&mut area, at, n, 0);
            check(&mut area, at, n, 0xa5);
        }
    }
}

#[test]
fn no_byte_outside_the_area_is_touched() {
    let mut area = Guarded::new();
    for n in LENGTHS {
        check(&mut area, 0, n, 1);
        check(&mut area, Guarded::LENGTH - n, n, 1);
    }
}

#[test]
fn only_the_lowest_byte_of_the_value_counts() {
    let mut area = Guarded::new();
    for n in 0..=200 {
        check(&mut area, 64, n, 0x7654_32fe);
        check(&mut area, 64, n, -2);
    }
}
