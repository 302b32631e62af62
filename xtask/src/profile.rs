//! Profiles: what the service does most, recorded by `cargo xtask profile` for the compiler, which then
//! knows what to keep together and what to keep out of the way. A processor's first cache holds less
//! code than a request passes through, so that this is worth more than what is done in it.
//!
//! A profile belongs to a version of the compiler and is kept beside the service's sources, so that
//! a build needs nothing but the compiler. For another version, `dist` does without. One that is older
//! than the sources still helps where they are the same.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::command::{Cmd, root};
use crate::dist::Target;

const FOLDER: &str = "adapters/host-hyper/profile";

/// The flags that have the compiler use the profile of this target, if there is one.
pub(crate) fn flags(target: &Target) -> Result<Vec<String>> {
    let profile = path(target)?.display().to_string();
    if fs::exists(&profile)? {
        return Ok(vec![format!("-Cprofile-use={profile}")]);
    }
    eprintln!(
        "  without a profile, some 5 % slower: no {profile}; `cargo xtask profile` records it"
    );
    Ok(Vec::new())
}

/// Where the profile of this target is for the compiler that is here.
pub(crate) fn path(target: &Target) -> Result<PathBuf> {
    let version = Cmd::new("rustc", ["--version"]).read()?;
    let version = version.split(' ').nth(1).context("rustc does not say its version")?;
    Ok(root().join(FOLDER).join(format!("{}-rustc-{version}.profdata", target.triple)))
}
