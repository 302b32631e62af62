//! The one line that says why, for `docker inspect` and for people.
//!
//! A line is printable ASCII, ends with a newline and stays below 256 bytes: what comes from
//! outside is shortened, the reason and the address are not. It deliberately has no markup and no
//! time stamp, because Docker keeps the time of each probe next to its output. Lines are put
//! together from pieces, because the formatting machinery would add kilobytes to the binary.

use std::time::Duration;

use crate::answer::Fault;
use crate::check::{Down, Reason};
use crate::settings::{BadUsage, Settings};

/// The most bytes of a line, its newline included.
pub const LINE_LIMIT: usize = 255;

const PATH_LIMIT: usize = 80;
const FLAG_LIMIT: usize = 40;
const VALUE_LIMIT: usize = 80;
const ERROR_LIMIT: usize = 80;

/// Says why the service is down: the reason, what the server said, the address.
pub fn down(down: &Down, settings: &Settings) -> String {
    let mut tail = String::new();
    if let Reason::Status { took, .. } = down.reason {
        tail.push(' ');
        push_measured(&mut tail, took);
    }
    tail.push(' ');
    tail.push_str(down.asked.host());
    tail.push(':');
    push_number(&mut tail, settings.port().into());
    push_shortened(&mut tail, settings.path().as_bytes(), PATH_LIMIT);
    if let Reason::RefusedByBoth = down.reason {
        tail.push_str(" and [::1]:");
        push_number(&mut tail, settings.port().into());
    }
    if let Some(wait) = settings.wait() {
        tail.push_str(" after waiting ");
        push_set(&mut tail, wait);
    }
    tail.push('\n');

    let mut line = String::from("DOWN ");
    let said = push_reason(&mut line, &down.reason).trim_ascii();
    if !said.is_empty() {
        line.push(' ');
        let room = LINE_LIMIT.saturating_sub(line.len() + tail.len());
        push_shortened(&mut line, said, room);
    }
    line.push_str(&tail);
    line
}

/// Says which argument is wrong, and why.
pub fn bad_usage(bad: &BadUsage) -> String {
    let mut line = String::from("healthchecker: ");
    push_shortened(&mut line, bad.argument.as_bytes(), FLAG_LIMIT);
    if let Some(value) = &bad.value {
        line.push_str(" \"");
        push_shortened(&mut line, value.as_bytes(), VALUE_LIMIT);
        line.push('"');
    }
    line.push_str(": ");
    line.push_str(bad.why);
    line.push('\n');
    line
}

/// Adds the reason in the probe's words, and returns what the server said in its own.
fn push_reason<'a>(line: &mut String, reason: &'a Reason) -> &'a [u8] {
    match reason {
        Reason::Status { status, body, .. } => {
            push_number(line, (*status).into());
            return body;
        }
        Reason::Refused | Reason::RefusedByBoth => line.push_str("connection refused"),
        Reason::NotAccepted(limit) => {
            line.push_str("no answer in ");
            push_set(line, *limit);
            line.push_str(", not even connected");
        }
        Reason::Silent(limit) => {
            line.push_str("no answer in ");
            push_set(line, *limit);
        }
        Reason::Unfinished { limit, status } => {
            line.push_str("no complete answer in ");
            push_set(line, *limit);
            push_status(line, *status);
        }
        Reason::Reset => line.push_str("connection reset"),
        Reason::Faulty { fault, status, excerpt } => match fault {
            Fault::Malformed(why) => {
                line.push_str("malformed answer: ");
                line.push_str(why);
                // Without a status, what came instead tells which kind of server this is.
                if status.is_none() && !excerpt.is_empty() {
                    line.push(':');
                    return excerpt;
                }
            }
            Fault::Empty => line.push_str("connection closed without an answer"),
            Fault::HeadTooLarge | Fault::AnswerTooLarge | Fault::CutShort => {
                line.push_str(match fault {
                    Fault::HeadTooLarge => "answer head over 16 KiB",
                    Fault::AnswerTooLarge => "answer over 1 MiB",
                    _ => "answer cut short",
                });
                push_status(line, *status);
            }
        },
        Reason::System(error) => {
            line.push_str("cannot ask: ");
            push_shortened(line, error.to_string().as_bytes(), ERROR_LIMIT);
        }
    }
    &[]
}

fn push_status(line: &mut String, status: Option<u16>) {
    if let Some(status) = status {
        line.push_str(", status ");
        push_number(line, status.into());
    }
}

/// Control characters could rewrite the terminal of whoever reads the line, and bytes beyond
/// ASCII could be cut in the middle: each becomes `?`.
fn push_shortened(line: &mut String, bytes: &[u8], limit: usize) {
    let (shown, rest) = match bytes.get(..limit.saturating_sub(3)) {
        Some(beginning) if bytes.len() > limit => (beginning, "..."),
        _ => (bytes, ""),
    };
    for &byte in shown {
        line.push(if matches!(byte, b' '..=b'~') { char::from(byte) } else { '?' });
    }
    line.push_str(rest);
}

fn push_number(line: &mut String, number: u64) {
    line.push_str(&number.to_string());
}

/// A measured time, to one decimal: `0.4ms`, `1.9ms`, `1.5s`.
fn push_measured(line: &mut String, took: Duration) {
    let seconds = took.as_secs();
    let (whole, tenth, unit) = if seconds > 0 {
        (seconds, took.subsec_millis() / 100, "s")
    } else {
        (took.subsec_millis().into(), took.subsec_micros() / 100 % 10, "ms")
    };
    push_number(line, whole);
    line.push('.');
    push_number(line, tenth.into());
    line.push_str(unit);
}

/// A length of time that was set: `500ms`, `2s`, `1.5s`. Rounded up, so it is never `0ms`.
fn push_set(line: &mut String, duration: Duration) {
    let up = duration.saturating_add(Duration::from_nanos(999_999));
    let mut millis = up.subsec_millis();
    if up.as_secs() == 0 {
        push_number(line, millis.into());
        line.push_str("ms");
        return;
    }
    push_number(line, up.as_secs());
    if millis > 0 {
        line.push('.');
    }
    let mut place = 100;
    while millis > 0 {
        push_number(line, (millis / place).into());
        millis %= place;
        place /= 10;
    }
    line.push('s');
}
