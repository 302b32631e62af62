//! Rivals: servers of others that answer as ours does, in a folder with a `build.sh` that builds them
//! by name into `$CARGO_TARGET_DIR/release/peer-NAME`. They take their port as their argument.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::command::{command, read};

/// What a rival's name ends with that is only there where requests are pipelined.
pub(super) const PIPELINED: &str = "+pf";

const NAMES: [&str; 11] = [
    "axum",
    "actix",
    "ntex",
    "xitca",
    "may",
    "hyper-mt",
    "hyper-rpc",
    "hyper-rpc-ndb",
    "hyper-rpc-map",
    "hand-map",
    "hyper-rpc+pf",
];

pub(super) struct Rival {
    pub(super) name: String,
    binary: PathBuf,
}

impl Rival {
    /// All of the folder, or those with these names; those that are not there yet are built.
    pub(super) fn all(folder: &Path, chosen: &[String]) -> Result<Vec<Self>> {
        for name in chosen {
            ensure!(
                NAMES.contains(&name.as_str()),
                "there is no rival {name:?}, only {}",
                NAMES.join(", ")
            );
        }
        let script = folder.join("build.sh");
        let script = fs::canonicalize(&script)
            .with_context(|| format!("cannot find {}", script.display()))?;
        let temporary = std::env::var_os("PEERS_TMP")
            .map_or_else(|| std::env::temp_dir().join("accountservice-peers"), PathBuf::from);
        let target = std::path::absolute(temporary)?.join("target");
        let is_chosen = |name: &&str| chosen.is_empty() || chosen.iter().any(|it| it == name);
        let rivals = NAMES.into_iter().filter(is_chosen).map(|name| {
            let package = name.trim_end_matches(PIPELINED);
            Self { name: name.to_owned(), binary: target.join(format!("release/peer-{package}")) }
        });
        let rivals: Vec<_> = rivals.collect();
        let missing = rivals.iter().filter(|rival| !rival.binary.exists());
        let mut missing: Vec<_> =
            missing.map(|rival| rival.name.trim_end_matches(PIPELINED)).collect();
        missing.dedup();
        if !missing.is_empty() {
            eprintln!("Building {}; this takes some minutes.", missing.join(", "));
            let build = &mut command(&script.display().to_string(), missing);
            read(build.env("CARGO_TARGET_DIR", &target))?;
        }
        match rivals.iter().find(|rival| !rival.binary.exists()) {
            Some(rival) => bail!("{} did not build {}", script.display(), rival.binary.display()),
            None => Ok(rivals),
        }
    }

    pub(super) fn command(&self, folder: &Path, workers: usize) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(folder).env("WORKERS", workers.to_string());
        if self.name.ends_with(PIPELINED) {
            command.env("PIPELINE_FLUSH", "1");
        }
        command
    }
}
