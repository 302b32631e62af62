//! The log, on standard output: text for people, JSON lines for machines.
//!
//! A thread of its own writes it. A reader, such as a container engine, may be slow or absent; no
//! request waits for it. Lines that find the queue full are lost and counted.

use std::io;
use std::panic;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing::{error, warn};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt;

use crate::settings::LogFormat;

/// How many lines may wait to be written.
const QUEUE: usize = 4096;

/// How often lost lines are reported.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The log of the process. Dropping it writes the lines that wait, within about a second.
pub(crate) struct Log {
    lost: ErrorCounter,
    _writer: WorkerGuard,
}

/// Starts the log. Panics are logged too, on one line.
pub(crate) fn start(format: LogFormat, level: LevelFilter) -> Log {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(QUEUE)
        .thread_name("log")
        .finish(io::stdout());
    let log = Log { lost: writer.error_counter(), _writer: guard };
    let lines = fmt().with_max_level(level).with_target(false).with_writer(writer);
    match format {
        LogFormat::Text => lines.with_ansi(false).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    panic::set_hook(Box::new(|panic| {
        let text = panic.to_string();
        let words: Vec<_> = text.split_whitespace().collect();
        error!("{}", words.join(" "));
    }));
    log
}

impl Log {
    /// Reports lost lines, as long as it is polled.
    pub(crate) async fn report_lost_lines(&self) {
        let mut reported = 0;
        loop {
            tokio::time::sleep(REPORT_INTERVAL).await;
            let lost = self.lost.dropped_lines();
            if lost > reported {
                warn!("Lost {} lines of the log: they were not read in time", lost - reported);
                reported = lost;
            }
        }
    }
}
