//! Memory between two pages that cannot be touched: an access one byte outside ends the test process.

use std::num::NonZeroUsize;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect};

const PAGE: usize = 4096;

/// It stays mapped until the process ends.
pub(crate) struct Guarded(&'static mut [u8]);

impl Guarded {
    /// As long as four pages.
    pub(crate) const LENGTH: usize = 4 * PAGE;

    pub(crate) fn new() -> Self {
        let length = NonZeroUsize::new(Self::LENGTH + 2 * PAGE).expect("more than nothing");
        let (none, private) = (ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE);
        // SAFETY: a new mapping, whose middle nothing else refers to.
        unsafe {
            let first = mmap_anonymous(None, length, none, private).expect("six pages");
            let middle: NonNull<u8> = first.cast().add(PAGE);
            let read_write = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
            mprotect(middle.cast(), Self::LENGTH, read_write).expect("four pages of six");
            Self(NonNull::slice_from_raw_parts(middle, Self::LENGTH).as_mut())
        }
    }
}

impl Deref for Guarded {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0
    }
}

impl DerefMut for Guarded {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.0
    }
}
