//! The log, on standard output: text for people, JSON lines for machines.
//!
//! A thread of its own writes it. Whoever reads it, such as a container engine, may be slow or not
//! there at all; no request waits for that, nor does the end of the process.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tracing::level_filters::LevelFilter;
use tracing::warn;
use tracing_subscriber::fmt;

use crate::settings::LogFormat;

/// How many lines may wait to be written. Further ones are lost, and counted.
const MOST: usize = 4096;

/// How many bytes are written at once, and a line more.
const BATCH: usize = 32 << 10;

/// How long the end of the process waits for the last lines to be written.
const PATIENCE: Duration = Duration::from_millis(500);

/// Starts the log. Panics go there too, on one line. It is complete when what comes back is dropped.
pub(crate) fn start(format: LogFormat, level: LevelFilter) -> io::Result<Log> {
    let (queue, lines) = mpsc::channel();
    let counts = Arc::<Counts>::default();
    let log = Log(Arc::clone(&counts));
    let queue = Queue { queue, counts: Arc::clone(&counts) };
    thread::Builder::new().name("log".to_owned()).spawn(move || write(&lines, &counts))?;

    let log_lines = fmt().with_max_level(level).with_target(false);
    let log_lines = log_lines.with_writer(move || queue.clone());
    match format {
        LogFormat::Text => log_lines.init(),
        LogFormat::Json => log_lines.json().flatten_event(true).init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.to_string();
        let text: Vec<_> = text.split_whitespace().collect();
        tracing::error!("{}", text.join(" "));
    }));
    Ok(log)
}

/// How many lines wait, and how many have been lost since that was last said.
#[derive(Default)]
struct Counts {
    waiting: AtomicUsize,
    lost: AtomicUsize,
}

/// Takes one line with each write, and never waits.
#[derive(Clone)]
struct Queue {
    queue: mpsc::Sender<Vec<u8>>,
    counts: Arc<Counts>,
}

impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let Counts { waiting, lost } = &*self.counts;
        if waiting.fetch_add(1, Ordering::AcqRel) < MOST {
            // Whoever takes it out lives as long as the process.
            let _ = self.queue.send(line.to_vec());
        } else {
            waiting.fetch_sub(1, Ordering::AcqRel);
            lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(queue: &mpsc::Receiver<Vec<u8>>, counts: &Counts) {
    while let Ok(mut lines) = queue.recv() {
        let mut count = 1;
        while lines.len() < BATCH
            && let Ok(line) = queue.try_recv()
        {
            lines.extend(line);
            count += 1;
        }
        // A log that nobody reads any more, as after `| head`, is no reason to complain elsewhere.
        let _ = io::stdout().write_all(&lines);
        counts.waiting.fetch_sub(count, Ordering::AcqRel);
        let lost = counts.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            warn!("Lost {lost} lines of the log: nobody has read them in time");
        }
    }
}

/// The log of this process.
pub(crate) struct Log(Arc<Counts>);

impl Drop for Log {
    fn drop(&mut self) {
        let start = Instant::now();
        while self.0.waiting.load(Ordering::Acquire) > 0 && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
    }
}
