//! A command as a value: an argument vector that can be shown, run, or read from. There is no shell
//! in between, so nothing needs quoting except what a person is shown.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// A program with its arguments and the environment it adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cmd {
    program: String,
    args: Vec<String>,
    envs: Vec<(String, String)>,
    unset: Vec<&'static str>,
}

impl Cmd {
    pub(crate) fn new<I>(program: &str, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self {
            program: program.to_owned(),
            args: args.into_iter().map(Into::into).collect(),
            envs: Vec::new(),
            unset: Vec::new(),
        }
    }

    /// The same command with more arguments.
    pub(crate) fn args<I>(mut self, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.envs.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn env_remove(mut self, name: &'static str) -> Self {
        self.unset.push(name);
        self
    }

    /// Runs it in the root of the workspace, its output going where ours goes.
    pub(crate) fn run(&self) -> Result<()> {
        let status = self.command().status().with_context(|| format!("cannot start `{self}`"))?;
        if !status.success() {
            bail!("`{self}` ended with {status}");
        }
        Ok(())
    }

    /// Runs it and hands back all of its output, whatever its exit status.
    pub(crate) fn output(&self) -> Result<Output> {
        self.command()
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot start `{self}`"))
    }

    /// Runs it and reads its standard output; what it says on standard error is the error.
    pub(crate) fn read(&self) -> Result<String> {
        let output = self.output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`{self}` ended with {}: {}", output.status, said.trim());
        }
        String::from_utf8(output.stdout).with_context(|| format!("`{self}` did not print UTF-8"))
    }

    /// Whether it succeeds; what it says is nobody's business.
    pub(crate) fn succeeds(&self) -> Result<bool> {
        Ok(self.output()?.status.success())
    }

    /// Program and arguments as a shell needs them.
    pub(crate) fn words(&self) -> impl Iterator<Item = String> {
        [&self.program].into_iter().chain(&self.args).map(|word| quote(word))
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .envs(self.envs.iter().map(|(name, value)| (name, value)))
            .current_dir(root());
        for name in &self.unset {
            command.env_remove(name);
        }
        command
    }
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.envs {
            write!(f, "{name}={} ", quote(value))?;
        }
        let words: Vec<_> = self.words().collect();
        write!(f, "{}", words.join(" "))
    }
}

/// The root of the workspace, wherever the command was typed.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

/// Where Cargo builds.
pub(crate) fn target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Stands for a shell variable in an argument, where a script is rendered. A control character
/// marks it, which no setting can contain.
pub(crate) fn variable(name: &str) -> String {
    format!("\u{1}{name}\u{1}")
}

/// Quotes an argument as a POSIX shell would need it.
fn quote(arg: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%".contains(c);
    let parts = arg.split('\u{1}').enumerate().map(|(index, part)| match part {
        name if index % 2 == 1 => format!("\"${name}\""),
        text if text.chars().all(plain) => text.to_owned(),
        text => format!("'{}'", text.replace('\'', r"'\''")),
    });
    let quoted: String = parts.collect();
    if quoted.is_empty() { "''".to_owned() } else { quoted }
}
