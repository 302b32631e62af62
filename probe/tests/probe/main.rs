//! The binary against real servers on loopback: exit status, output and time.

mod deadlines;
mod responses;
mod server;
mod usage;
mod waiting;

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The result of one run of the binary.
struct Run {
    status: Option<i32>,
    stderr: String,
    took: Duration,
}

fn run(arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_healthchecker"));
    let started = Instant::now();
    let mut child = command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The standard library has no wait with a timeout, and a probe without a deadline must fail the
    // test instead of hanging it.
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(8) {
            child.kill().unwrap();
            panic!("still running after {:?}", started.elapsed());
        }
        thread::sleep(Duration::from_millis(2));
    }
    let took = started.elapsed();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "stdout");
    let stderr = String::from_utf8(output.stderr).expect("ASCII");
    Run { status: output.status.code(), stderr, took }
}

fn probe(port: u16, more: &[&str]) -> Run {
    let port = format!("-port={port}");
    run(&[&[port.as_str()], more].concat())
}

impl Run {
    #[track_caller]
    fn is_healthy(&self) {
        assert_eq!((self.status, self.stderr.as_str()), (Some(0), ""));
    }

    /// Exit status 1 and one line, which is returned without its newline.
    #[track_caller]
    fn down(&self) -> &str {
        assert_eq!(self.status, Some(1), "{}", self.stderr);
        assert!(self.stderr.len() < 256, "{} bytes", self.stderr.len());
        let line = self.stderr.strip_suffix('\n').expect("a newline at the end");
        assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line:?}");
        assert!(line.starts_with("DOWN "), "{line}");
        line
    }

    /// As [`Run::down`], with exactly this line.
    #[track_caller]
    fn is_down(&self, line: &str) {
        assert_eq!(self.down(), line);
    }

    /// As [`Run::is_down`], with a measured time in place of `{time}`.
    #[track_caller]
    fn is_down_timed(&self, line: &str) {
        let (before, after) = line.split_once("{time}").unwrap();
        let time = self.down().strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        let time = time.unwrap_or_else(|| panic!("{} is not {line}", self.stderr));
        let (whole, tenth) = time.strip_suffix("ms").unwrap().split_once('.').unwrap();
        assert!(whole.parse::<u32>().is_ok_and(|ms| ms < 8_000) && tenth.len() == 1, "{time}");
    }
}
