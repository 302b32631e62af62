//! The log, on standard output: text for people, JSON lines for machines.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt;

use crate::settings::LogFormat;

/// Starts the log. Panics go there too, on one line.
pub(crate) fn start(format: LogFormat, level: LevelFilter) {
    let log = fmt().with_max_level(level).with_target(false).with_writer(io::stdout);
    // A log that nobody reads any more, as after `| head`, is no reason to complain elsewhere.
    let log = log.log_internal_errors(false);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.to_string();
        let text: Vec<_> = text.split_whitespace().collect();
        tracing::error!("{}", text.join(" "));
    }));
}
