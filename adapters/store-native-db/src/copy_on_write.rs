//! A file that is only read: pages that are written to it are kept in memory, and never saved.
//!
//! `verify` gives it to redb in place of the file.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

const PAGE: usize = 4096;

/// Clones share the file and the pages.
#[derive(Clone, Debug)]
pub(crate) struct CopyOnWriteFile {
    file: Arc<File>,
    length: u64,
    written: Arc<Mutex<Written>>,
}

#[derive(Debug)]
struct Written {
    writes_fail: bool,
    length: u64,
    pages: HashMap<u64, Vec<u8>>,
}

impl CopyOnWriteFile {
    pub(crate) fn new(file: &File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let written = Written { writes_fail: false, length, pages: HashMap::new() };
        let (file, written) = (Arc::new(file.try_clone()?), Arc::new(Mutex::new(written)));
        Ok(Self { file, length, written })
    }

    pub(crate) fn fail_writes(&self) {
        self.written().writes_fail = true;
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page of the file itself; zeros stand for what is behind its end.
    fn read_page(&self, number: u64) -> io::Result<Vec<u8>> {
        let start = number * PAGE as u64;
        let in_file = self.length.saturating_sub(start);
        let in_file = usize::try_from(in_file).map_or(PAGE, |length| length.min(PAGE));
        let mut page = vec![0; PAGE];
        self.file.read_exact_at(&mut page[..in_file], start)?;
        Ok(page)
    }
}

impl StorageBackend for CopyOnWriteFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.written().length)
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let written = self.written();
        if offset.saturating_add(len as u64) > written.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = Vec::new();
        for number in pages(offset, len) {
            match written.pages.get(&number) {
                Some(page) => bytes.extend_from_slice(page),
                None => bytes.extend_from_slice(&self.read_page(number)?),
            }
        }
        bytes.truncate(len);
        Ok(bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.written().length = len;
        Ok(())
    }

    fn sync_data(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.written();
        if written.writes_fail {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        for (number, data) in pages(offset, data.len()).zip(data.chunks(PAGE)) {
            let page = match written.pages.entry(number) {
                Entry::Occupied(page) => page.into_mut(),
                Entry::Vacant(place) => place.insert(self.read_page(number)?),
            };
            page[..data.len()].copy_from_slice(data);
        }
        Ok(())
    }
}

/// The numbers of the pages of `len` bytes. redb reads and writes from the start of a page on.
fn pages(offset: u64, len: usize) -> Range<u64> {
    let first = offset / PAGE as u64;
    first..first + len.div_ceil(PAGE) as u64
}
