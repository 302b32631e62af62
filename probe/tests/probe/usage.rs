//! Bad usage, help, and an output that cannot be written.

use std::io::pipe;
use std::process::{Command, Stdio};

use crate::server::{RefusingPort, Server};
use crate::{probe, run};

fn command() -> Command {
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
        assert!(run.stderr.starts_with("healthchecker: "), "{}", run.stderr);
        assert!(
            run.stderr.ends_with('\n') && run.stderr.matches('\n').count() == 1,
            "{}",
            run.stderr
        );
        assert!(run.stderr.len() < 256);
    }
}

#[test]
fn bad_usage_sends_no_request() {
    let server = Server::responding("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(probe(server.port, &["--timeout", "0s"]).status, Some(1));
    assert_eq!(server.connections(), 0);
}

#[test]
fn help_goes_to_stdout_and_does_not_count_as_healthy() {
    let output = command().arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let first = format!("healthchecker {}: checks whether", env!("CARGO_PKG_VERSION"));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with(&first));
    assert!(output.stdout.ends_with(b"\n"));
    assert!(output.stderr.is_empty());
}

#[test]
fn a_closed_pipe_does_not_change_the_exit_status() {
    let refusing = RefusingPort::new();
    let port = format!("-port={}", refusing.port);
    for arguments in [[port.as_str()], ["--nonsense"], ["--help"]] {
        let (reader, out) = pipe().unwrap();
        drop(reader);
        let err = out.try_clone().unwrap();
        let status = command().args(arguments).stdout(out).stderr(err).status().unwrap();
        assert_eq!(status.code(), Some(1), "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_does_not_change_the_exit_status() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let status = command().arg("-port=x").stdin(Stdio::null()).stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(1));
}
