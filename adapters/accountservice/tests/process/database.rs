//! A database that cannot be opened: one line that says what, where and why, and the file as it was.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use accountservice_host::testing::Process;
use nix::unistd::Uid;

use crate::service::{Folder, failure, spawn};

/// A start that is refused for this reason, and changes nothing in the folder.
#[track_caller]
fn assert_refused(folder: &Folder, process: Process, problem: &str, cause: &str) {
    let before = contents(folder);
    let error = failure(process, 1);
    let start = format!("accountservice: the database accounts.db {problem}: ");
    assert!(error.starts_with(&start) && error.ends_with(cause), "{error}");
    assert!(contents(folder) == before, "the folder was changed");
}

/// The names of all files in the folder, and their bytes.
fn contents(folder: &Folder) -> Vec<(String, Option<Vec<u8>>)> {
    let entries = fs::read_dir(folder.path()).expect("a folder").map(|entry| {
        let entry = entry.expect("an entry");
        (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).ok())
    });
    let mut entries: Vec<_> = entries.collect();
    entries.sort_unstable();
    entries
}

#[test]
fn a_database_that_another_process_has_open_is_refused() {
    let folder = Folder::new();
    let service = folder.start(&[]);
    assert_refused(&folder, folder.spawn(&[]), "is in use by another process", "");
    assert_eq!(service.get("/accounts/10000").0, 200, "the first process still serves");
    service.stop();
    folder.start(&[]).stop();
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let folder = Folder::new();
    for text in ["x", "a shopping list\n", &"no database ".repeat(50_000)] {
        fs::write(folder.database(), text).expect("room");
        assert_refused(&folder, folder.spawn(&[]), "is not a database of accounts", "");
    }
}

#[test]
fn a_database_that_is_cut_short_is_refused() {
    let folder = Folder::new();
    folder.start(&[]).stop();
    let whole = folder.database_bytes().expect("a database");
    for length in [100, 4096, whole.len() / 2, whole.len() - 1] {
        fs::write(folder.database(), &whole[..length]).expect("room");
        assert_refused(&folder, folder.spawn(&[]), "is damaged", "");
    }
}

#[test]
fn a_database_filled_with_zeros_is_refused() {
    let folder = Folder::new();
    folder.start(&[]).stop();
    let mut bytes = folder.database_bytes().expect("a database");
    bytes[4096..].fill(0);
    fs::write(folder.database(), bytes).expect("room");
    assert_refused(&folder, folder.spawn(&[]), "is damaged", "");
}

#[test]
fn a_folder_in_the_place_of_the_database_is_refused() {
    let folder = Folder::new();
    fs::create_dir(folder.database()).expect("room");
    assert_refused(&folder, folder.spawn(&[]), "cannot be accessed", "it is not a file");
}

#[test]
fn a_link_to_a_file_that_is_missing_is_refused() {
    let folder = Folder::new();
    symlink("nowhere.db", folder.database()).expect("a link");
    assert_refused(&folder, folder.spawn(&[]), "cannot be accessed", "");
}

#[test]
fn a_folder_that_is_missing_is_named_in_the_error() {
    let folder = Folder::new();
    assert_eq!(
        failure(folder.spawn(&["--database=no/such/a.db"]), 1),
        "accountservice: the database no/such/a.db cannot be accessed: \
         cannot create no/such/.accounts.new: No such file or directory (os error 2)"
    );
}

/// The start of a command without the right to ignore permissions, which root has.
fn without_privileges() -> &'static [&'static str] {
    if Uid::effective().is_root() {
        &["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    } else {
        &[]
    }
}

#[test]
fn a_folder_without_the_permission_to_write_gets_no_file() {
    let folder = Folder::new();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o555)).expect("it is ours");
    let process = spawn(folder.command_under(without_privileges(), &[]));
    let cause = "Permission denied (os error 13)";
    assert_refused(&folder, process, "cannot be accessed", cause);
}

#[test]
fn a_file_without_the_permission_to_write_is_refused() {
    let folder = Folder::new();
    folder.start(&[]).stop();
    fs::set_permissions(folder.database(), PermissionsExt::from_mode(0o444)).expect("it is ours");
    let process = spawn(folder.command_under(without_privileges(), &[]));
    let cause = "Permission denied (os error 13)";
    assert_refused(&folder, process, "cannot be accessed", cause);
}
