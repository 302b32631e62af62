//! A command as a value: an argument vector that is shown, run or read from. No shell takes part,
//! so that an argument needs quoting only where a script is rendered. All commands of xtask use it
//! but those that hand over to `verify`.

use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, Result, bail};

use crate::arg::Arg;
use crate::source::Source;
use crate::workspace::root;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cmd {
    program: String,
    args: Vec<Arg>,
    envs: Vec<(String, String)>,
    /// The only variables of this process that the program sees, if not all.
    inherited: Option<Vec<String>>,
    removed: Vec<&'static str>,
    folder: Option<PathBuf>,
    input: Option<Source>,
}

impl Cmd {
    pub(crate) fn new<I>(program: &str, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Arg>,
    {
        Self {
            program: program.to_owned(),
            args: args.into_iter().map(Into::into).collect(),
            envs: Vec::new(),
            inherited: None,
            removed: Vec::new(),
            folder: None,
            input: None,
        }
    }

    pub(crate) fn args<I>(mut self, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Arg>,
    {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.envs.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn env_remove(mut self, names: &[&'static str]) -> Self {
        self.removed.extend(names);
        self
    }

    /// Passes on these variables of this process and no others.
    pub(crate) fn env_only(mut self, names: Vec<String>) -> Self {
        self.inherited = Some(names);
        self
    }

    /// Runs it in this folder instead of the root of the workspace.
    pub(crate) fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Hands it this content on its standard input. The content is never shown.
    pub(crate) fn input(mut self, source: Source) -> Self {
        self.input = Some(source);
        self
    }

    /// Runs it in the root of the workspace, its output going where that of this process goes.
    pub(crate) fn run(&self) -> Result<()> {
        let status = self.command()?.status().with_context(|| format!("cannot start `{self}`"))?;
        if !status.success() {
            bail!("`{self}` ended with {status}");
        }
        Ok(())
    }

    /// Starts it, with this for its standard output.
    pub(crate) fn spawn(&self, output: Stdio) -> Result<Running> {
        let child = self.command()?.stdout(output).spawn();
        Ok(Running(child.with_context(|| format!("cannot start `{self}`"))?))
    }

    /// Runs it and returns all of its output, whatever its exit status.
    pub(crate) fn output(&self) -> Result<Output> {
        let mut command = self.command()?;
        let cannot_start = || format!("cannot start `{self}`");
        let Some(source) = &self.input else {
            return command.stdin(Stdio::null()).output().with_context(cannot_start);
        };
        let content = source.read()?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(cannot_start)?;
        let written = child.stdin.take().map(|mut stdin| stdin.write_all(&content));
        let output = child.wait_with_output()?;
        if output.status.success() {
            written.transpose().with_context(|| format!("`{self}` did not read its input"))?;
        }
        Ok(output)
    }

    /// Runs it and reads its standard output. What it prints on standard error is the error.
    pub(crate) fn read(&self) -> Result<String> {
        let output = self.output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`{self}` ended with {}: {}", output.status, said.trim());
        }
        String::from_utf8(output.stdout).with_context(|| format!("`{self}` did not print UTF-8"))
    }

    /// Whether it succeeds; its output is dropped.
    pub(crate) fn succeeds(&self) -> Result<bool> {
        Ok(self.output()?.status.success())
    }

    /// As a shell needs it, with this between its words.
    fn script(&self, separator: &str) -> String {
        let args: Vec<_> = self.args.iter().map(Arg::to_string).collect();
        let flags = args.iter().position(|arg| arg.starts_with('-')).unwrap_or(args.len());
        let (before, behind) = match &self.input {
            Some(source) => source.in_shell(),
            None => (String::new(), String::new()),
        };
        let envs =
            self.envs.iter().map(|(name, value)| format!("{name}={}", Arg::from(value.as_str())));
        let program = Arg::from(self.program.as_str()).to_string();
        let name: Vec<_> = envs.chain([program]).chain(args[..flags].iter().cloned()).collect();
        let lines = [&[name.join(" ")][..], &args[flags..]].concat();
        format!("{before}{}{behind}", lines.join(separator))
    }

    /// The command with each flag on a line of its own.
    pub(crate) fn lines(&self, indent: &str) -> String {
        self.script(&format!(" \\\n{indent}  "))
    }

    fn command(&self) -> Result<Command> {
        let args: Option<Vec<_>> = self.args.iter().map(Arg::text).collect();
        let args = args.with_context(|| format!("`{self}` holds a shell variable"))?;
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(self.folder.clone().map_or_else(root, Ok)?);
        if let Some(names) = &self.inherited {
            let kept = names.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
            command.env_clear().envs(kept);
        }
        for name in &self.removed {
            command.env_remove(name);
        }
        command.envs(self.envs.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.script(" "))
    }
}

/// A child process that ends with this value.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
