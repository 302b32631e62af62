//! The log of this test binary, in memory. The threads of all servers write it.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

fn lock() -> MutexGuard<'static, Vec<u8>> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Writer;

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps the log from now on.
pub(crate) fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let entries = tracing_subscriber::fmt().with_ansi(false).with_target(false);
        entries.with_writer(|| Writer).init();
    });
}

/// The entries so far that contain `text`.
pub(crate) fn entries_with(text: &str) -> Vec<String> {
    let log = String::from_utf8_lossy(&lock()).into_owned();
    log.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}
