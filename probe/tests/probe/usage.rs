//! Bad usage, help, and readers that have gone away.

use std::io::pipe;
use std::process::{Command, Stdio};

use crate::server::{RefusingPort, Server};
use crate::{ask, run};

fn probe() -> Command {
    Command::new(env!("CARGO_BIN_EXE_healthchecker"))
}

#[test]
fn bad_usage_exits_with_1_and_one_line() {
    for arguments in [
        &["--port", "0"][..],
        &["-port=x"],
        &["--port"],
        &["--path", "health"],
        &["--timeout", "2"],
        &["--wait", "-1s"],
        &["--nonsense"],
        &["6767"],
    ] {
        let run = run(arguments);
        assert_eq!(run.status, Some(1), "{arguments:?}");
        assert!(run.line.starts_with("healthchecker: "), "{}", run.line);
        assert!(run.line.ends_with('\n') && run.line.matches('\n').count() == 1, "{}", run.line);
        assert!(run.line.len() < 256);
    }
}

#[test]
fn bad_usage_asks_nobody() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(ask(server.port, &["--timeout", "0s"]).status, Some(1));
    assert_eq!(server.connections(), 0);
}

#[test]
fn help_goes_to_stdout_and_does_not_count_as_healthy() {
    for flag in ["-h", "-help", "--help"] {
        let output = probe().arg(flag).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8_lossy(&output.stdout), healthchecker::settings::HELP);
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn a_reader_that_has_gone_away_does_not_change_the_exit_status() {
    let refusing = RefusingPort::new();
    let port = format!("-port={}", refusing.port);
    for arguments in [[port.as_str()], ["--nonsense"], ["--help"]] {
        let (gone, out) = pipe().unwrap();
        drop(gone);
        let err = out.try_clone().unwrap();
        let status = probe().args(arguments).stdout(out).stderr(err).status().unwrap();
        assert_eq!(status.code(), Some(1), "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_stderr_does_not_change_the_exit_status() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let status = probe().arg("-port=x").stdin(Stdio::null()).stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(1));
}
