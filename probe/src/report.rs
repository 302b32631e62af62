//! The line that says why the service is unhealthy, or what is wrong with the command line.
//!
//! Called by `main`. A line is printable ASCII, ends with a newline and is shorter than 256 bytes:
//! text from outside is shortened, the cause and the address are not. It has no time stamp, because
//! Docker stores the time of each probe beside its output.

use std::io::ErrorKind;
use std::time::Duration;

use crate::check::{Cause, Unhealthy};
use crate::response::ResponseError;
use crate::settings::{BadUsage, Settings};

/// The longest line in bytes, its newline included.
const LINE_LIMIT: usize = 255;
/// The longest path, flag, value or system error in bytes.
const QUOTE_LIMIT: usize = 70;

/// The cause, what the server sent, and the address.
pub(crate) fn unhealthy(unhealthy: &Unhealthy, settings: &Settings) -> String {
    let (separator, time) = match unhealthy.cause {
        Cause::Status(_) => (" ", format!(" {}", in_tenths_of_ms(unhealthy.elapsed))),
        _ => (": ", String::new()),
    };
    let path = printable(&settings.path, QUOTE_LIMIT);
    let waited = settings.wait.map(|wait| format!(" after waiting {:?}", in_whole_ms(wait)));
    let waited = waited.unwrap_or_default();
    let start = format!("DOWN {}", describe(unhealthy));
    let end = format!("{time} {}{path}{waited}\n", unhealthy.address);
    let sent = unhealthy.response.excerpt().trim_ascii();
    match unhealthy.cause {
        Cause::Status(_) | Cause::Response(ResponseError::Malformed(_)) if !sent.is_empty() => {
            let room = LINE_LIMIT - start.len() - separator.len() - end.len();
            start + separator + &printable(sent, room) + &end
        }
        _ => start + &end,
    }
}

/// The wrong argument, and why it is wrong.
pub(crate) fn bad_usage(bad: &BadUsage) -> String {
    let flag = printable(&bad.argument, QUOTE_LIMIT);
    let value = bad.value.as_ref().map(|value| format!(" \"{}\"", printable(value, QUOTE_LIMIT)));
    let value = value.unwrap_or_default();
    format!("healthchecker: {flag}{value}: {}\n", bad.why)
}

fn describe(Unhealthy { cause, response, limit, .. }: &Unhealthy) -> String {
    let limit = in_whole_ms(*limit);
    let is_empty = response.received.is_empty();
    let status = response.status().map(|status| format!(", status {status}")).unwrap_or_default();
    // Many TLS servers reset or close without a TLS record when they receive plain HTTP.
    let hint = "(is it a TLS server?)";
    match cause {
        Cause::Status(status) => status.to_string(),
        Cause::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            ErrorKind::ConnectionReset if is_empty => format!("connection reset {hint}"),
            ErrorKind::ConnectionReset => format!("connection reset{status}"),
            ErrorKind::TimedOut if is_empty => format!("no answer in {limit:?}"),
            ErrorKind::TimedOut => format!("no complete response in {limit:?}{status}"),
            _ => format!("system error: {}", printable(error.to_string(), QUOTE_LIMIT)),
        },
        Cause::Response(error) => match error {
            ResponseError::Malformed(why) => format!("malformed response: {why}{status}"),
            ResponseError::Tls => "the server speaks TLS, not plain HTTP".to_owned(),
            ResponseError::Http2 => "the server speaks HTTP/2, not HTTP/1".to_owned(),
            ResponseError::HeadTooLarge => format!("response head over 16 KiB{status}"),
            ResponseError::BodyTooLarge => format!("response body over 1 MiB{status}"),
            ResponseError::Empty => format!("connection closed without a response {hint}"),
            ResponseError::CutShort => format!("response cut short{status}"),
        },
    }
}

/// At most `limit` bytes. Control characters could rewrite a terminal, and bytes beyond ASCII could
/// be cut in the middle of a character: each becomes `?`.
fn printable(text: impl AsRef<[u8]>, limit: usize) -> String {
    let text = text.as_ref();
    let (shown, ellipsis) = match text.get(..limit.saturating_sub(3)) {
        Some(start) if text.len() > limit => (start, "..."),
        _ => (text, ""),
    };
    let shown =
        shown.iter().map(|byte| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '?' });
    shown.chain(ellipsis.chars()).collect()
}

/// A measured time. The `Debug` format of a short duration contains `µ`, which is not ASCII.
fn in_tenths_of_ms(duration: Duration) -> String {
    let tenths = duration.as_secs() * 10_000 + u64::from(duration.subsec_micros() / 100);
    format!("{}.{}ms", tenths / 10, tenths % 10)
}

/// A time that was set, rounded up so that it is never 0. Its `Debug` format is that of the flags:
/// `500ms`, `2s`, `1.5s`.
fn in_whole_ms(duration: Duration) -> Duration {
    let up = duration.saturating_add(Duration::from_nanos(999_999));
    Duration::new(up.as_secs(), up.subsec_millis() * 1_000_000)
}
