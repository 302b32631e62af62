//! The size of a binary against its ceiling. The size of the last one below it is kept in the
//! target folder, so that an error says how much it grew since when. `dist` calls it.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::revision::revision;
use crate::workspace::target;

/// Refuses a binary above its ceiling, which stands in this table of `infra/deploy.toml`.
pub(crate) fn check(name: &str, arch: &str, bytes: usize, ceiling: u64, table: &str) -> Result<()> {
    let folder = target()?.join("xtask");
    let path = folder.join(format!("{name}-{arch}.json"));
    if bytes as u64 <= ceiling {
        let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
        let record = serde_json::to_vec(&(bytes, now, revision()))?;
        return fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, record))
            .with_context(|| format!("cannot write {}", path.display()));
    }
    let record = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let grown = record.map(|(before, date, revision): (usize, String, String)| {
        let revision = revision.trim_end_matches("-dirty");
        format!(
            "It had {before} bytes when it was last below, on {date} at {revision}: since then +{}. \
             `git diff {revision} -- Cargo.lock` shows new crates.",
            bytes.saturating_sub(before)
        )
    });
    bail!(
        "{name} has {bytes} bytes, over its ceiling of {ceiling}, which is max_bytes in {table} in \
         infra/deploy.toml. {}",
        grown.as_deref().unwrap_or("This target folder has no record of an earlier size.")
    )
}
