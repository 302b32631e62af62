//! One step of the plan: it is printed as a piece of shell script, or run.

use std::fmt;

use anyhow::Result;

use crate::command::Cmd;

/// If `test` succeeds, `then`, else `otherwise`.
pub(crate) struct Step {
    pub(crate) why: &'static str,
    pub(crate) test: Option<Cmd>,
    pub(crate) then: Option<Cmd>,
    pub(crate) otherwise: Cmd,
}

impl Step {
    /// Runs a command unless the test succeeds.
    pub(crate) fn unless(test: Cmd, why: &'static str, otherwise: Cmd) -> Self {
        Self { why, test: Some(test), then: None, otherwise }
    }

    /// Runs it, and shows the command that changes something.
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
        let otherwise = |indent| self.otherwise.lines(indent);
        match (&self.test, &self.then) {
            (None, _) => writeln!(f, "{}", otherwise("")),
            (Some(test), None) => writeln!(f, "{test} >/dev/null 2>&1 ||\n  {}", otherwise("  ")),
            (Some(test), Some(then)) => {
                writeln!(f, "if {test} >/dev/null 2>&1; then\n  {}", then.lines("  "))?;
                writeln!(f, "else\n  {}\nfi", otherwise("  "))
            }
        }
    }
}
