//! The size of a binary against its ceiling. The sizes of the last binary below the ceiling are kept in
//! the target folder, so that an error names what has grown since then. `dist` calls it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::elf;
use crate::revision::revision;
use crate::workspace::target;

#[derive(Deserialize, Serialize)]
struct Record {
    revision: String,
    date: String,
    bytes: u64,
    sections: BTreeMap<String, u64>,
}

/// Refuses a binary above its ceiling, which stands in this table of `infra/deploy.toml`.
pub(crate) fn check(name: &str, arch: &str, file: &[u8], ceiling: u64, table: &str) -> Result<()> {
    let path = target()?.join("xtask").join(format!("{name}-{arch}.json"));
    let now = Record {
        revision: revision(),
        date: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
        bytes: file.len() as u64,
        sections: elf::sections(file)?,
    };
    if now.bytes <= ceiling {
        return write(&path, &now);
    }
    let mut message = format!(
        "{name} has {} bytes, over its ceiling of {ceiling}, which is max_bytes in {table} in infra/deploy.toml.",
        now.bytes
    );
    match fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Record>(&text).ok()) {
        Some(before) => {
            let Record { revision, date, bytes, sections } = before;
            let revision = revision.trim_end_matches("-dirty");
            let change = |now: u64, before: u64| i128::from(now) - i128::from(before);
            let _ = write!(
                message,
                " It had {bytes} bytes when it was last below, on {date} at {revision}: since then \
                 {:+}",
                change(now.bytes, bytes)
            );
            for (section, size) in &now.sections {
                let grown = change(*size, sections.get(section).copied().unwrap_or_default());
                if grown.unsigned_abs() >= 1024 {
                    let _ = write!(message, ", {section} {grown:+}");
                }
            }
            let _ = write!(message, ". `git diff {revision} -- Cargo.lock` shows new crates.");
        }
        None => message += " This target folder has no record of an earlier size.",
    }
    bail!(message)
}

fn write(path: &Path, record: &Record) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, serde_json::to_vec(record)?))
        .with_context(|| format!("cannot write {}", path.display()))
}
