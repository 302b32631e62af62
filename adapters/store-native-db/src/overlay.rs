//! A file that is only read, with what would be written to it kept in memory.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

const PAGE: usize = 4096;

/// A file that is only read, with what has been "written" to it laid over it.
#[derive(Clone, Debug)]
pub(crate) struct Overlay {
    file: Arc<File>,
    written: Arc<Mutex<Written>>,
}

#[derive(Debug)]
struct Written {
    /// Nothing can be written any more.
    ended: bool,
    /// How long the file would be by now.
    length: u64,
    /// Up to where the file itself still counts: it would have been cut there and have grown again.
    unchanged: u64,
    pages: HashMap<u64, Vec<u8>>,
}

impl Overlay {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let written = Written { ended: false, length, unchanged: length, pages: HashMap::new() };
        Ok(Self { file: Arc::new(file.try_clone()?), written: Arc::new(Mutex::new(written)) })
    }

    /// From now on each write fails.
    pub(crate) fn end(&self) {
        self.written().ended = true;
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_over(&self, written: &Written, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        let from_file = written.unchanged.saturating_sub(offset);
        let from_file = usize::try_from(from_file).map_or(len, |most| most.min(len));
        self.file.read_exact_at(&mut bytes[..from_file], offset)?;
        for (number, in_page, in_bytes) in pages(offset, len) {
            if let Some(page) = written.pages.get(&number) {
                bytes[in_bytes].copy_from_slice(&page[in_page]);
            }
        }
        Ok(bytes)
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.written().length)
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let written = self.written();
        if offset.saturating_add(len as u64) > written.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_over(&written, offset, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut written = self.written();
        written.length = len;
        written.unchanged = written.unchanged.min(len);
        written.pages.retain(|number, _| number * (PAGE as u64) < len);
        Ok(())
    }

    fn sync_data(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.written();
        if written.ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        for (number, in_page, in_data) in pages(offset, data.len()) {
            if !written.pages.contains_key(&number) {
                let page = self.read_over(&written, number * PAGE as u64, PAGE)?;
                written.pages.insert(number, page);
            }
            if let Some(page) = written.pages.get_mut(&number) {
                page[in_page].copy_from_slice(&data[in_data]);
            }
        }
        Ok(())
    }
}

/// The pages that `len` bytes from `offset` on touch: number, part of the page, part of the bytes.
fn pages(offset: u64, len: usize) -> impl Iterator<Item = (u64, Range<usize>, Range<usize>)> {
    let first = offset / PAGE as u64;
    let skipped = usize::try_from(offset % PAGE as u64).unwrap_or(0);
    let end = skipped + len;
    (0..end.div_ceil(PAGE)).map(move |i| {
        let page = i * PAGE;
        let from = skipped.max(page);
        let to = end.min(page + PAGE);
        (first + i as u64, from - page..to - page, from - skipped..to - skipped)
    })
}
