//! The log, on standard output: text for people, JSON lines for machines.
//!
//! A thread of its own writes it. A reader, such as a container engine, may be slow or absent; no
//! request waits for it. Lines that find the queue full are lost and counted.

use std::cell::Cell;
use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use accountservice_process::log_panics;
use tracing::level_filters::LevelFilter;
use tracing::warn;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt;

use crate::settings::LogFormat;

/// How many lines may wait to be written.
const QUEUE: usize = 4096;

/// How often lost lines are reported.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// How long the lines that wait may take to be written at the end. With the other timeouts of a stop,
/// it stays below 5 s.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(400);

/// The log of the process. Dropping it writes the lines that wait.
pub(crate) struct Log {
    lost: ErrorCounter,
    reported: Cell<usize>,
    writer: Option<WorkerGuard>,
}

/// Starts the log. Panics are logged too, on one line.
pub(crate) fn start(format: LogFormat, level: LevelFilter) -> Log {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(QUEUE)
        .thread_name("log")
        .finish(io::stdout());
    let log = Log { lost: writer.error_counter(), reported: Cell::new(0), writer: Some(guard) };
    let lines = fmt().with_max_level(level).with_target(false).with_writer(writer);
    match format {
        LogFormat::Text => lines.with_ansi(false).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    log_panics();
    log
}

impl Log {
    /// Reports lost lines, as long as it is polled.
    pub(crate) async fn report_lost_lines(&self) {
        loop {
            tokio::time::sleep(REPORT_INTERVAL).await;
            self.report();
        }
    }

    /// Reports the total: an earlier report may be among the lost lines.
    fn report(&self) {
        let lost = self.lost.dropped_lines();
        if lost > self.reported.replace(lost) {
            warn!("Lost {lost} lines of the log so far: they were not read in time");
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.report();
        let writer = self.writer.take();
        let (sender, flushed) = mpsc::channel();
        // If the queue is full, the guard prints to standard output and waits for its reader.
        thread::spawn(move || {
            drop(writer);
            sender.send(())
        });
        let _ = flushed.recv_timeout(FLUSH_TIMEOUT);
    }
}
