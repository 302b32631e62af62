//! Where the workspace and its target folder are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The root of the workspace from which `cargo xtask` was called. Cargo says it at run time; a path
/// that is compiled in would be that of another checkout where several share a target folder.
pub(crate) fn root() -> Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let root = package.as_deref().and_then(Path::parent);
    let root = root.filter(|root| root.join("xtask/Cargo.toml").is_file());
    root.map(Path::to_path_buf).context("CARGO_MANIFEST_DIR is not set: run this as `cargo xtask`")
}

/// Where Cargo builds.
pub(crate) fn target() -> Result<PathBuf> {
    let folder = std::env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty());
    Ok(root()?.join(folder.unwrap_or_else(|| "target".into())))
}
