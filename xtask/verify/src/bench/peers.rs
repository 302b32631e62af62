//! Peers: servers of others with the same responses, in a folder with a `build.sh` that builds them
//! by name into `$CARGO_TARGET_DIR/release/peer-NAME`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command::{command, read};

const NAMES: &str =
    "axum actix ntex xitca may hyper-mt hyper-rpc hyper-rpc-ndb hyper-rpc-map hand-map";

pub(super) struct Peer {
    pub(super) name: String,
    pub(super) binary: PathBuf,
    /// After the port.
    pub(super) args: Vec<String>,
}

impl Peer {
    /// All of the folder, or those with these names; what is missing is built.
    pub(super) fn all(folder: &Path, chosen: &[String]) -> Result<Vec<Self>> {
        let known: Vec<_> = NAMES.split(' ').collect();
        for name in chosen {
            ensure!(known.contains(&name.as_str()), "there is no peer {name:?}, only {NAMES}");
        }
        let script = folder.join("build.sh");
        let script = fs::canonicalize(&script)
            .with_context(|| format!("cannot find {}", script.display()))?;
        let temporary = std::env::var_os("PEERS_TMP")
            .map_or_else(|| std::env::temp_dir().join("accountservice-peers"), PathBuf::from);
        let target = std::path::absolute(temporary)?.join("target");
        let is_chosen = |name: &&str| chosen.is_empty() || chosen.iter().any(|it| it == name);
        let peer = |name: &str| {
            let binary = target.join(format!("release/peer-{name}"));
            Self { name: name.to_owned(), binary, args: Vec::new() }
        };
        let peers: Vec<_> = known.into_iter().filter(is_chosen).map(peer).collect();
        let missing = peers.iter().filter(|peer| !peer.binary.exists());
        let missing: Vec<_> = missing.map(|peer| peer.name.as_str()).collect();
        if !missing.is_empty() {
            eprintln!("Building {}; this takes some minutes.", missing.join(", "));
            let mut build = command(&script.display().to_string(), &missing);
            read(build.env("CARGO_TARGET_DIR", &target))?;
        }
        Ok(peers)
    }

    /// One worker in this folder, on this port.
    pub(super) fn command(&self, folder: &Path, port: u16) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(folder).env("WORKERS", "1").arg(port.to_string()).args(&self.args);
        command
    }
}
