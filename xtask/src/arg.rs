//! One argument of a command. Where a script is rendered it can hold shell variables; such a
//! command is shown and never run. `command` and the plan use it.

use std::fmt;
use std::ops::Add;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arg {
    Text(String),
    /// A piece of script with variables in it, quoted as it has to be.
    Script(String),
}

impl Arg {
    /// The value of a variable, as one word.
    pub(crate) fn variable(name: &str) -> Self {
        Self::Script(format!("\"${name}\""))
    }

    /// The value of a variable that holds several arguments.
    pub(crate) fn words(name: &str) -> Self {
        Self::Script(format!("${name}"))
    }

    /// The text of an argument without variables.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Script(_) => None,
        }
    }
}

impl<T: Into<String>> From<T> for Arg {
    fn from(text: T) -> Self {
        Self::Text(text.into())
    }
}

impl Add for Arg {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => Self::Text(one + &other),
            (one, other) => Self::Script(format!("{one}{other}")),
        }
    }
}

impl Add<&Arg> for &str {
    type Output = Arg;

    fn add(self, arg: &Arg) -> Arg {
        Arg::from(self) + arg.clone()
    }
}

/// As a POSIX shell needs it.
impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%".contains(c);
        match self {
            Self::Script(script) => write!(f, "{script}"),
            Self::Text(text) if !text.is_empty() && text.chars().all(plain) => write!(f, "{text}"),
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', r"'\''")),
        }
    }
}
