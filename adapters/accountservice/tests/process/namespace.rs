//! A network of the test's own: no interface but loopback, no port in use.

use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, unshare};

use crate::service::skipped;

/// Runs `test` on a thread with a network namespace of its own, after the shell has run `script` in
/// it. Processes that the test starts are in the namespace too. Says so if the test is skipped:
/// a namespace needs root, and the script may need the command `ip`.
pub(crate) fn run_in_namespace(name: &str, script: &str, test: impl FnOnce() + Send + 'static) {
    let run = thread::spawn({
        let script = format!("ip link set lo up && {script}");
        move || {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|error| format!("no namespace: {error}"))?;
            let output = Command::new("sh").args(["-c", &script]).output();
            let output = output.map_err(|error| format!("no shell: {error}"))?;
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
            }
            test();
            Ok(())
        }
    });
    match run.join() {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => skipped(name, &reason),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
