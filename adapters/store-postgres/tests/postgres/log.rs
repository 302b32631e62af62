//! What a store logs, line by line.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Collects what the current thread logs from `info` on, for as long as the guard lives.
    pub(crate) fn collect(&self) -> DefaultGuard {
        let subscriber = tracing_subscriber::fmt().with_writer(self.clone()).without_time();
        tracing::subscriber::set_default(subscriber.with_target(false).with_ansi(false).finish())
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let text = self.0.lock().expect("no panic").clone();
        String::from_utf8(text).expect("text").lines().map(|line| line.trim().to_owned()).collect()
    }

    /// The first line that contains this text, once it is there.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let start = Instant::now();
        loop {
            if let Some(line) = self.lines().into_iter().find(|line| line.contains(text)) {
                return line;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "{:?}", self.lines());
            thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        self.lines().into_iter().filter(|line| !line.starts_with("INFO")).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
