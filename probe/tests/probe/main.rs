//! The real binary against servers on loopback that misbehave: exit status, silence, and the line.

mod answers;
mod deadlines;
mod server;
mod usage;
mod waiting;

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a run of the probe came to.
struct Run {
    status: Option<i32>,
    line: String,
    took: Duration,
}

fn run(arguments: &[&str]) -> Run {
    let mut probe = Command::new(env!("CARGO_BIN_EXE_healthchecker"));
    let started = Instant::now();
    let mut child = probe
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The one thing that cannot be awaited is a probe that never ends.
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(8) {
            child.kill().unwrap();
            panic!("it was still running after {:?}", started.elapsed());
        }
        thread::sleep(Duration::from_millis(2));
    }
    let took = started.elapsed();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "nothing belongs on stdout");
    let line = String::from_utf8(output.stderr).expect("ASCII");
    Run { status: output.status.code(), line, took }
}

fn ask(port: u16, more: &[&str]) -> Run {
    let port = format!("-port={port}");
    run(&[&[port.as_str()], more].concat())
}

impl Run {
    #[track_caller]
    fn is_healthy(&self) {
        assert_eq!((self.status, self.line.as_str()), (Some(0), ""));
    }

    /// Exit status 1 and one proper line, which is returned without its newline.
    #[track_caller]
    fn down(&self) -> &str {
        assert_eq!(self.status, Some(1), "{}", self.line);
        assert!(self.line.len() < 256, "{} bytes", self.line.len());
        let line = self.line.strip_suffix('\n').expect("it ends with a newline");
        assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line:?}");
        assert!(line.starts_with("DOWN "), "{line}");
        line
    }

    /// As [`Run::down`], and the line is exactly this one.
    #[track_caller]
    fn is_down(&self, line: &str) {
        assert_eq!(self.down(), line);
    }

    /// As [`Run::is_down`], with a measured time in the place of `{time}`.
    #[track_caller]
    fn is_down_timed(&self, line: &str) {
        let (before, after) = line.split_once("{time}").unwrap();
        let time = self.down().strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        let time = time.unwrap_or_else(|| panic!("{} is not {line}", self.line));
        let number = time.strip_suffix("ms").or(time.strip_suffix('s')).unwrap_or_default();
        assert!(number.contains('.') && number.parse::<f64>().is_ok(), "{time}");
    }
}
