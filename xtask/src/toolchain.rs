//! Calls Cargo so that the same source gives the same binaries, whatever the environment and the
//! configuration files of the machine say. It passes on the variables that find the toolchain and
//! the network, and no others. `dist` calls it.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use toml::Table;

use crate::command::Cmd;
use crate::workspace::{root, target};

/// Comes with rustup and links both targets on any host.
const LINKER: &str = "rust-lld";

/// The variables that Cargo may see. None of them changes what it builds.
const PASSED_ON: [&str; 13] = [
    "CARGO_BUILD_JOBS",
    "CARGO_HOME",
    "HOME",
    "LOGNAME",
    "PATH",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "SSH_AUTH_SOCK",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TERM",
    "TMPDIR",
    "USER",
];
/// The same, by how their names start or end.
const PASSED_ON_STARTS: [&str; 5] =
    ["CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_REGISTRY_", "CARGO_TERM_"];
const PASSED_ON_ENDS: &str = "_PROXY";

/// Tables of Cargo's configuration that change what is built, and that no variable overrides.
const DECISIVE: [&str; 7] = ["env", "host", "include", "patch", "paths", "profile", "unstable"];

/// `cargo build --release` of a package for a target; without features, with its defaults.
pub(crate) fn build(package: &str, features: &[String], triple: &str) -> Result<Cmd> {
    let root = root()?;
    let flags = [(root.clone(), "/source"), (cargo_home()?, "/cargo")];
    // The separator of this variable keeps every path in one piece.
    let flags = flags.map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    let manifest = root.join("Cargo.toml").display().to_string();
    let linker_variable = triple.to_uppercase().replace('-', "_");
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    // The root of the file system has no configuration file above it.
    Ok(Cmd::new("cargo", ["build", "--release", "--locked", "--target", triple])
        .args(["--package", package, "--manifest-path", &manifest, "--target-dir"])
        .args([target()?.display().to_string()])
        .args((!features.is_empty()).then_some("--no-default-features"))
        .args((!features.is_empty()).then(|| format!("--features={}", features.join(","))))
        .folder("/")
        .env_only(names.filter(|name| is_passed_on(name)).collect())
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env(&format!("CARGO_TARGET_{linker_variable}_LINKER"), LINKER)
        .env("RUSTC", "rustc")
        .env("RUSTC_WRAPPER", "")
        .env("RUSTC_WORKSPACE_WRAPPER", ""))
}

/// Refuses what the variables above cannot override.
pub(crate) fn check() -> Result<()> {
    for folder in [PathBuf::from("/.cargo"), cargo_home()?] {
        for name in ["config.toml", "config"] {
            let path = folder.join(name);
            let Ok(text) = std::fs::read_to_string(&path) else {
                continue;
            };
            let table: Table =
                toml::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
            let found = DECISIVE.iter().find(|key| table.contains_key(**key));
            ensure!(
                found.is_none(),
                "`{}` in {} changes what is built: what ships must not depend on this machine",
                found.unwrap_or(&""),
                path.display()
            );
        }
    }
    Ok(())
}

fn is_passed_on(name: &str) -> bool {
    PASSED_ON.contains(&name)
        || PASSED_ON_STARTS.iter().any(|start| name.starts_with(start))
        || name.to_uppercase().ends_with(PASSED_ON_ENDS)
}

fn cargo_home() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let home = variable("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".cargo")))
        .context("neither CARGO_HOME nor HOME is set")
}
