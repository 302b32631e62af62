//! Kinds of values that settings have. A kind that only one binary needs is defined in that binary.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

/// What the value of a setting can be.
pub struct Kind<P> {
    /// As `--help` names it.
    pub name: &'static str,
    /// As an error describes it.
    pub expected: String,
    /// From a text to a value.
    pub parse: P,
}

/// Makes a kind. `expected` completes the error "not ...".
pub fn new<P>(name: &'static str, expected: impl Into<String>, parse: P) -> Kind<P> {
    Kind { name, expected: expected.into(), parse }
}

/// Such a value, or none: a setting that may be left out or empty.
pub fn optional<T>(
    Kind { name, expected, parse }: Kind<impl Fn(&str) -> Option<T>>,
) -> Kind<impl Fn(&str) -> Option<Option<T>>> {
    new(name, expected, move |text: &str| match text {
        "" => Some(None),
        text => parse(text).map(Some),
    })
}

/// Any text.
pub fn text(name: &'static str) -> Kind<impl Fn(&str) -> Option<String>> {
    new(name, "text", |text: &str| Some(text.to_owned()))
}

/// `true` or `false`. The flag alone is `true`.
pub fn boolean() -> Kind<impl Fn(&str) -> Option<bool>> {
    new(BOOLEAN, "true or false", |text: &str| text.parse().ok())
}

pub(crate) const BOOLEAN: &str = "BOOL";

/// The least important log entries that are written.
pub fn log_level() -> Kind<impl Fn(&str) -> Option<LevelFilter>> {
    new("LEVEL", "error, warn, info, debug or trace", |text: &str| {
        let is_level = ["error", "warn", "info", "debug", "trace"].contains(&text);
        text.parse().ok().filter(|_| is_level)
    })
}

/// A number from `min` to `max`, or to the end of its type.
pub fn number<N: FromStr + PartialOrd + Display>(
    name: &'static str,
    min: N,
    max: Option<N>,
) -> Kind<impl Fn(&str) -> Option<N>> {
    let end = max.as_ref().map_or("on".into(), |max| format!("to {max}"));
    new(name, format!("a number from {min} {end}"), move |text: &str| {
        // The standard parser accepts a plus.
        let number = text.parse().ok().filter(|_| !text.starts_with('+'));
        number.filter(|number| *number >= min && max.as_ref().is_none_or(|max| number <= max))
    })
}

/// A number with a unit, from `min` to a day.
pub fn time(min: Duration) -> Kind<impl Fn(&str) -> Option<Duration>> {
    let start = humantime::format_duration(min);
    let range = min..=Duration::from_hours(24);
    let expected = format!("a time from {start} to 1day, such as 500ms or 10s");
    new("TIME", expected, move |text: &str| {
        humantime::parse_duration(text).ok().filter(|time| range.contains(time))
    })
}
