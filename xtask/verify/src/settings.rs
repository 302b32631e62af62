//! `infra/deploy.toml` with some keys changed. What the keys mean is xtask's business.

use std::fs;

use anyhow::{Context, Result};
use toml::{Table, Value};

use crate::command::root;

/// The file that is committed.
pub(crate) fn committed() -> Result<Table> {
    let path = root().join("infra/deploy.toml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    text.parse().with_context(|| format!("cannot read {}", path.display()))
}

/// The same with these keys set.
pub(crate) fn changed(changes: &str) -> Result<String> {
    let mut settings = committed()?;
    merge(&mut settings, changes.parse()?);
    Ok(settings.to_string())
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}
