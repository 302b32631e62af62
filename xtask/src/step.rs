//! One step of the plan and its two readers: a step is shown as a piece of shell script, or run.

use std::fmt;

use anyhow::Result;

use crate::command::Cmd;

/// One thing to be done: if `test` succeeds, `then`, else `otherwise`.
pub(crate) struct Step {
    pub(crate) why: &'static str,
    pub(crate) test: Option<Cmd>,
    pub(crate) then: Option<Cmd>,
    pub(crate) otherwise: Cmd,
}

impl Step {
    /// Runs it, showing the command that changes something.
    pub(crate) fn run(&self) -> Result<()> {
        let holds = match &self.test {
            Some(test) => test.succeeds()?,
            None => false,
        };
        let command = if holds { self.then.as_ref() } else { Some(&self.otherwise) };
        let Some(command) = command else {
            return Ok(());
        };
        eprintln!("+ {command}");
        command.read().map(drop)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# {}", self.why)?;
        match (&self.test, &self.then) {
            (None, _) => writeln!(f, "{}", lines(&self.otherwise, "")),
            (Some(test), None) => {
                writeln!(f, "{test} >/dev/null 2>&1 ||\n  {}", lines(&self.otherwise, "  "))
            }
            (Some(test), Some(then)) => {
                writeln!(f, "if {test} >/dev/null 2>&1; then")?;
                writeln!(f, "  {}", lines(then, "  "))?;
                writeln!(f, "else\n  {}\nfi", lines(&self.otherwise, "  "))
            }
        }
    }
}

/// The command with each flag on a line of its own.
fn lines(command: &Cmd, indent: &str) -> String {
    let words: Vec<_> = command.words().collect();
    let flags = words.iter().position(|word| word.starts_with('-')).unwrap_or(words.len());
    let (name, flags) = words.split_at(flags);
    let mut lines = vec![name.join(" ")];
    lines.extend_from_slice(flags);
    lines.join(&format!(" \\\n{indent}  "))
}
