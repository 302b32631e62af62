//! `memcpy` and `memmove`.

use accountservice_musl_memory::{memcpy, memmove};

use crate::guarded::Guarded;
use crate::{LENGTHS, pattern, same};

type Copy = unsafe extern "C" fn(*mut u8, *const u8, usize) -> *mut u8;

/// Copies from one area to another, and looks at the bytes around as well.
fn check(copy: Copy, to: &mut Guarded, at: usize, from: &[u8], n: usize) {
    let around = at.saturating_sub(64)..(at + n + 64).min(to.len());
    to[around.clone()].fill(0xff);
    let target = to[at..at + n].as_mut_ptr();
    // SAFETY: both areas have `n` bytes and do not overlap.
    assert_eq!(unsafe { copy(target, from[..n].as_ptr(), n) }, target, "the result");
    let untouched = |bytes: &[u8]| bytes.iter().fold(0xff, |all, byte| all & byte) == 0xff;
    assert!(same(&to[at..at + n], &from[..n]), "{n} bytes to {target:?} from {from:p}");
    assert!(untouched(&to[around.start..at]), "before {n} bytes to {target:?} from {from:p}");
    assert!(untouched(&to[at + n..around.end]), "behind {n} bytes to {target:?} from {from:p}");
}

#[test]
fn every_length_is_copied_at_every_alignment() {
    let (mut to, from) = (Guarded::new(), pattern());
    for n in LENGTHS {
        for (at, start) in (0..256).map(|pair| (64 + pair / 16, pair % 16)) {
            check(memcpy, &mut to, at, &from[start..], n);
            check(memmove, &mut to, at, &from[start..], n);
        }
    }
}

#[test]
fn no_byte_outside_the_areas_is_touched() {
    let (mut to, mut from) = (Guarded::new(), Guarded::new());
    from.copy_from_slice(&pattern());
    for n in LENGTHS {
        let ends = [0, Guarded::LENGTH - n];
        for (at, start) in ends.into_iter().flat_map(|at| ends.map(|start| (at, start))) {
            check(memcpy, &mut to, at, &from[start..], n);
            check(memmove, &mut to, at, &from[start..], n);
        }
    }
}

/// Moves within one area whose every byte is known.
fn check_overlap(area: &mut Guarded, pattern: &[u8], at: usize, start: usize, n: usize) {
    let around = at.min(start).saturating_sub(64)..(at.max(start) + n + 64).min(area.len());
    area[around.clone()].copy_from_slice(&pattern[around.clone()]);
    let base = area.as_mut_ptr();
    // SAFETY: both areas have `n` bytes.
    unsafe { memmove(base.add(at), base.add(start), n) };
    assert!(same(&area[at..at + n], &pattern[start..start + n]), "{n} bytes {start} -> {at}");
    let [before, behind] = [around.start..at, at + n..around.end];
    assert!(same(&area[before.clone()], &pattern[before]), "before {n} bytes {start} -> {at}");
    assert!(same(&area[behind.clone()], &pattern[behind]), "behind {n} bytes {start} -> {at}");
}

#[test]
fn short_areas_may_overlap_at_every_distance_and_alignment() {
    let (mut area, pattern) = (Guarded::new(), pattern());
    for n in 0..=260 {
        for (start, at) in
            (512..528).flat_map(|start| (start - n..=start + n).map(move |at| (start, at)))
        {
            check_overlap(&mut area, &pattern, at, start, n);
        }
    }
}

#[test]
fn long_areas_may_overlap() {
    let (mut area, pattern) = (Guarded::new(), pattern());
    for n in LENGTHS {
        let far = [127, 128, 129, 255, 256, 257, n / 2, n.saturating_sub(1), n, n + 1];
        for distance in (0..=80).chain(far) {
            check_overlap(&mut area, &pattern, distance, 0, n);
            check_overlap(&mut area, &pattern, 0, distance, n);
            let (last, other) = (Guarded::LENGTH - n, Guarded::LENGTH - n - distance);
            check_overlap(&mut area, &pattern, last, other, n);
            check_overlap(&mut area, &pattern, other, last, n);
        }
    }
}
