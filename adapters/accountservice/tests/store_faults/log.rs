//! The log of this test binary, kept in memory: the workers' threads write it too.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

fn lines() -> MutexGuard<'static, Vec<u8>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Writer;

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lines().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps the log from now on.
pub(crate) fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing_subscriber::fmt().with_ansi(false).with_writer(|| Writer).init());
}

/// The lines so far that contain `text`.
pub(crate) fn with(text: &str) -> Vec<String> {
    let log = String::from_utf8_lossy(&lines()).into_owned();
    log.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}
