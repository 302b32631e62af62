//! What a command ends with, for those who script it.

use std::process::ExitCode;

/// How a command ended, other than by an error (1) or bad usage (2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exit {
    Done,
    RolledBack,
    Unknown,
    Preflight,
    OverBudget,
    Interrupted,
}

pub(crate) const HELP: &str = "\
Exit statuses:
  0    done: converged, or nothing to change
  1    an error before anything was changed
  2    bad usage
  3    rolled back: the new version failed, the old one serves
  4    the deadline passed, or the engine was lost: the state is unknown
  5    preflight failed: no engine, no swarm, port taken...
  7    heal: over the budget
  130  interrupted: Swarm goes on by itself";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::RolledBack => 3,
            Exit::Unknown => 4,
            Exit::Preflight => 5,
            Exit::OverBudget => 7,
            Exit::Interrupted => 130,
        })
    }
}
