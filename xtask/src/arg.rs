//! One argument of a command. It is text; where a script is rendered, it can also hold shell variables.

use std::fmt;
use std::ops::Add;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arg(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The value of a variable, as one word.
    Variable(String),
    /// The value of a variable, split into words.
    Words(String),
}

impl Arg {
    /// Stands for a shell variable where a script is rendered. A command with one cannot be run.
    pub(crate) fn variable(name: impl Into<String>) -> Self {
        Self(vec![Part::Variable(name.into())])
    }

    /// The same, for a variable that holds several arguments.
    pub(crate) fn words(name: impl Into<String>) -> Self {
        Self(vec![Part::Words(name.into())])
    }

    /// Both in one argument; the same text is the same argument however it was put together.
    fn joined(mut self, other: Self) -> Self {
        for part in other.0 {
            match (self.0.last_mut(), part) {
                (Some(Part::Text(text)), Part::Text(more)) => text.push_str(&more),
                (_, part) => self.0.push(part),
            }
        }
        self
    }

    /// The text of an argument without variables.
    pub(crate) fn text(&self) -> Option<String> {
        let texts = self.0.iter().map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Variable(_) | Part::Words(_) => None,
        });
        texts.collect()
    }
}

impl<T: Into<String>> From<T> for Arg {
    fn from(text: T) -> Self {
        Self(vec![Part::Text(text.into())])
    }
}

impl Add<&Arg> for &str {
    type Output = Arg;

    fn add(self, arg: &Arg) -> Arg {
        Arg(Vec::new()).joined(Arg::from(self)).joined(arg.clone())
    }
}

impl Add<&str> for Arg {
    type Output = Arg;

    fn add(self, text: &str) -> Arg {
        self.joined(Arg::from(text))
    }
}

/// As a POSIX shell needs it.
impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%".contains(c);
        for part in &self.0 {
            match part {
                Part::Variable(name) => write!(f, "\"${name}\"")?,
                Part::Words(name) => write!(f, "${name}")?,
                Part::Text(text) if text.chars().all(plain) => write!(f, "{text}")?,
                Part::Text(text) => write!(f, "'{}'", text.replace('\'', r"'\''"))?,
            }
        }
        let is_empty = self.text().is_some_and(|text| text.is_empty());
        if is_empty { write!(f, "''") } else { Ok(()) }
    }
}
