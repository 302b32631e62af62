//! What a report says about the machine and the sources it was made with.

use std::path::Path;

use procfs::{CpuInfo, Current};
use serde::Serialize;

use crate::command::{command, read};

#[derive(Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) architecture: &'static str,
    /// Of the folder that holds the databases.
    pub(crate) file_system: String,
    pub(crate) commit: String,
}

impl Machine {
    pub(crate) fn look(folder: &Path) -> Self {
        let read = |program: &str, args: &[&str]| {
            read(&mut command(program, args)).unwrap_or_else(|_| "unknown".to_owned())
        };
        let cpus = CpuInfo::current().ok();
        let model = cpus.as_ref().and_then(|cpus| cpus.model_name(0)).unwrap_or("unknown");
        // A suffix after the dash names a build.
        let kernel = read("uname", &["--kernel-release"]);
        let kernel = kernel.split('-').next().unwrap_or_default().to_owned();
        let folder = folder.display().to_string();
        Self {
            cpu: model.to_owned(),
            cores: cpus.as_ref().map_or(0, CpuInfo::num_cores),
            kernel,
            architecture: std::env::consts::ARCH,
            file_system: read("stat", &["--file-system", "--format=%T", &folder]),
            commit: read("git", &["rev-parse", "--short", "HEAD"]),
        }
    }
}
