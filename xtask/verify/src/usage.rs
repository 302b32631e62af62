//! What a process uses, as `/proc` shows it.

use std::time::Duration;

use anyhow::{Context, Result};
use procfs::process::Process;

#[derive(Clone, Copy)]
pub(crate) struct Usage {
    /// Resident memory now and at most so far, in KiB.
    pub(crate) memory: u64,
    pub(crate) peak_memory: u64,
    pub(crate) descriptors: usize,
    /// Processor time so far, in steps of 10 ms.
    pub(crate) cpu: Duration,
}

impl Usage {
    pub(crate) fn of(id: u32) -> Result<Self> {
        let process = Process::new(i32::try_from(id)?)?;
        let (status, stat) = (process.status()?, process.stat()?);
        Ok(Self {
            memory: status.vmrss.context("the process has ended")?,
            peak_memory: status.vmhwm.context("the process has ended")?,
            descriptors: process.fd_count()?,
            cpu: Duration::from_millis(10 * (stat.utime + stat.stime)),
        })
    }
}
