//! A start that cannot be: one line that says what, where and why, and everything as it was.

use std::fs;
use std::net::TcpListener;

use crate::service::{Folder, Service};

/// Runs to the end; the one line on standard error.
fn fails(service: &mut Service, status: i32) -> String {
    let (ended, errors) = service.ends();
    assert_eq!(ended.code(), Some(status), "{errors}");
    let line = errors.strip_suffix('\n').unwrap_or_else(|| panic!("a line: {errors:?}"));
    assert!(!line.contains('\n'), "one line: {errors}");
    line.to_owned()
}

/// The line with which the service fails, which must say all this and leave the database alone.
fn check(folder: &Folder, arguments: &[&str], says: &[&str]) {
    let before = fs::read(folder.database()).ok();
    let line = fails(&mut Service::spawn(&mut folder.command(arguments)), 1);
    for text in says {
        assert!(line.contains(text), "{text:?} is not in {line:?}");
    }
    assert!(before == fs::read(folder.database()).ok(), "{line}, and the database was changed");
}

#[test]
fn a_taken_port() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let folder = Folder::new();
    let says = format!("127.0.0.1:{port}");
    check(&folder, &[&format!("--port={port}")], &["listen", &says, "in use"]);
    assert!(!folder.database().exists());
    folder.start(&[]).stops();
    check(&folder, &[&format!("--port={port}")], &["listen", &says, "in use"]);
}

#[test]
fn next_to_no_file_descriptors() {
    let folder = Folder::new();
    for descriptors in [5, 6, 10, 22] {
        let command =
            &mut folder.command_after(&format!("ulimit -n {descriptors}"), &["--workers=2"]);
        let line = fails(&mut Service::spawn(command), 1);
        assert!(line.contains(&format!("limit of {descriptors} open files")), "{line}");
        assert!(line.contains("23"), "{line}");
    }
}

#[test]
fn an_address_of_another_machine() {
    check(&Folder::new(), &["--address=192.0.2.1"], &["listen", "192.0.2.1:0", "assign"]);
}

#[test]
fn a_database_in_use() {
    let folder = Folder::new();
    let service = folder.start(&[]);
    check(&folder, &[], &["database", "accounts.db", "in use by another process"]);
    assert_eq!(service.get("/accounts/10000").0, 200, "the first one goes on");
    service.stops();
}

#[test]
fn what_is_not_a_database() {
    let folder = Folder::new();
    fs::write(folder.database(), "a shopping list\n").expect("room");
    check(&folder, &[], &["accounts.db", "is not a database of accounts"]);
}

#[test]
fn a_truncated_database() {
    let folder = Folder::new();
    folder.start(&[]).stops();
    let whole = fs::read(folder.database()).expect("readable");
    fs::write(folder.database(), &whole[..whole.len() / 2]).expect("room");
    check(&folder, &[], &["accounts.db", "is damaged"]);
}

#[test]
fn a_missing_folder() {
    check(&Folder::new(), &["--database=no/such/a.db"], &["no/such/a.db", "No such file"]);
}

#[test]
fn a_folder_for_a_database() {
    let folder = Folder::new();
    fs::create_dir(folder.database()).expect("room");
    check(&folder, &[], &["accounts.db", "cannot be accessed"]);
}

#[test]
fn bad_settings_are_named_all_at_once() {
    let folder = Folder::new();
    let mut command = folder.command(&["--port=65536", "--accounts=many"]);
    command.env("ACCOUNTSERVICE_IDLE_TIMEOUT", "soon").env("ACCOUNTSERVICE_MAX_BODY", "-1");
    let line = fails(&mut Service::spawn(&mut command), 1);
    for text in [
        "--port 65536: not a number from 0 to 65535",
        "--accounts many: not a number",
        "ACCOUNTSERVICE_IDLE_TIMEOUT=soon: not a time",
        "ACCOUNTSERVICE_MAX_BODY=-1: not a number",
    ] {
        assert!(line.contains(text), "{text:?} is not in {line:?}");
    }
    assert!(!folder.database().exists());
}

#[test]
fn a_setting_that_holds_line_breaks_is_still_one_line() {
    let folder = Folder::new();
    fails(&mut Service::spawn(&mut folder.command(&["--log-level=a\nb\u{1b}[31m"])), 1);
    fails(&mut Service::spawn(&mut folder.command(&["--database=no/su\nch/a.db"])), 1);
    fails(&mut Service::spawn(&mut folder.command(&["--no\nsuch"])), 2);
}

#[test]
fn bad_usage_has_its_own_status() {
    let folder = Folder::new();
    for (arguments, says) in [
        (&["--no-such-flag"][..], "--no-such-flag"),
        (&["stray"], "stray"),
        (&["-x"], "-x"),
        (&["--accounts"], "--accounts"),
    ] {
        let line = fails(&mut Service::spawn(&mut folder.command(arguments)), 2);
        assert!(line.contains(says) && line.contains("--help"), "{line}");
    }
    assert!(!folder.database().exists());
}
