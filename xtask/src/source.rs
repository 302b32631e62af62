//! Where the content of a secret or a config comes from: a file or an environment variable of the
//! machine that deploys. The content is read when it is handed to Docker and never shown; settings
//! and scripts hold the source alone.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::arg::Arg;
use crate::workspace::root;

/// The largest content that Swarm takes.
const MOST_BYTES: usize = 500 << 10;

/// `file:PATH`, relative to the root of the workspace, or `env:NAME`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub(crate) enum Source {
    File(PathBuf),
    Variable(String),
}

impl Source {
    pub(crate) fn read(&self) -> Result<Vec<u8>> {
        let content = match self {
            Self::File(path) => std::fs::read(root()?.join(path))
                .with_context(|| format!("cannot read {}", path.display()))?,
            Self::Variable(name) => {
                let value = std::env::var(name);
                value.with_context(|| format!("cannot read the variable {name}"))?.into_bytes()
            }
        };
        if content.is_empty() || content.len() > MOST_BYTES {
            bail!("{self} holds {} bytes; Swarm takes 1 to {MOST_BYTES}", content.len());
        }
        Ok(content)
    }

    /// What a shell writes in front of the command that gets the content, and behind it.
    pub(crate) fn in_shell(&self) -> (String, String) {
        match self {
            Self::File(path) => {
                (String::new(), format!(" <{}", Arg::from(path.display().to_string())))
            }
            Self::Variable(name) => (format!("printf %s \"${name}\" | "), String::new()),
        }
    }
}

impl TryFrom<String> for Source {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("env", variable))
                if variable.chars().all(name)
                    && variable.starts_with(|c: char| !c.is_ascii_digit()) =>
            {
                Ok(Self::Variable(variable.to_owned()))
            }
            _ => Err("not \"file:PATH\" or \"env:NAME\"".to_owned()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Variable(name) => write!(f, "env:{name}"),
        }
    }
}
