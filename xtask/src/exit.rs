//! The exit statuses of all commands, for scripts that call xtask, and the help that lists them.

use std::process::ExitCode;

/// How a command ended, other than by an error (1) or bad usage (2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exit {
    Done = 0,
    RolledBack = 3,
    Unknown = 4,
    Preflight = 5,
    Left = 6,
    OverBudget = 7,
    Interrupted = 130,
}

pub(crate) const HELP: &str = "\
Exit statuses:
  0    done: converged, or nothing to change
  1    an error; deploy: before anything was changed
  2    bad usage
  3    rolled back: the new version failed, the old one serves
  4    the deadline passed, another deployment replaced this one, or the engine was lost
  5    preflight failed: no engine, no swarm, port taken...
  6    destroy: something is left; it was named with the reason
  7    heal: over the budget
  130  interrupted: Swarm continues by itself";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
