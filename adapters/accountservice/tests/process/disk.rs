//! A disk without room, and one that is read-only: one line says so, and what was in the file is
//! still there.

use std::fs;
use std::ops::ControlFlow::Continue;
use std::path::Path;
use std::process::Command;

use accountservice_core::{AccountId, AccountStore};
use accountservice_store_native_db::NativeDbStore;

use crate::service::{Folder, failure, skipped, spawn};

/// No file may grow beyond 8192 blocks, which are 4 MiB for POSIX and 8 MiB for bash: enough for a
/// new file. More is an error then, and no signal.
const FILE_LIMIT: &str = "trap '' XFSZ; ulimit -f 8192";

/// More accounts than fit into that.
const MANY: u64 = 150_000;

/// A file system of its own in memory, mounted on the folder.
struct Mounted(Folder);

impl Mounted {
    /// `None` if this machine does not allow it.
    fn new(options: &str) -> Option<Self> {
        let folder = Folder::new();
        let is_mounted = mount(&["-t", "tmpfs", "-o", options, "tmpfs"], folder.path());
        is_mounted.then(|| Self(folder))
    }

    fn make_read_only(&self) {
        assert!(mount(&["-o", "remount,ro"], self.0.path()));
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

fn mount(options: &[&str], at: &Path) -> bool {
    let output = match Command::new("mount").args(options).arg(at).output() {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    skipped("a file system of its own", &output);
    false
}

const CANNOT_OPEN: &str = "the database accounts.db cannot be accessed";
const CANNOT_SEED: &str = "cannot seed the database accounts.db: could not write accounts";

const FILE_TOO_LARGE: &str = "File too large (os error 27)";
const DISK_FULL: &str = "No space left on device (os error 28)";
const READ_ONLY: &str = "Read-only file system (os error 30)";

/// The start fails with this error, after the shell has run `script`.
#[track_caller]
fn assert_fails(folder: &Folder, script: &str, accounts: u64, attempt: &str, cause: &str) {
    let arguments = [format!("--accounts={accounts}")];
    let error = failure(spawn(folder.command_after(script, &[&arguments[0]])), 1);
    let start = format!("accountservice: {attempt}: ");
    assert!(error.starts_with(&start) && error.ends_with(cause), "{error}");
}

fn seed(path: &Path, count: u64) {
    let store = NativeDbStore::open(path).expect("a database");
    store.seed(count, |_| Continue(())).expect("room");
}

/// How many of the seeded accounts are there: the first ones, each with its name.
#[track_caller]
fn accounts(path: &Path) -> usize {
    let store = NativeDbStore::open(path).expect("an undamaged database");
    store.check().expect("a healthy database");
    let found = (0..).map_while(|i| {
        let id = AccountId::new((10_000 + i).to_string()).expect("some digits");
        let account = store.find(&id).expect("readable")?;
        assert_eq!(*account.name, format!("Person_{i}"));
        Some(())
    });
    found.count()
}

#[test]
fn no_room_for_a_new_file_leaves_no_file() {
    let folder = Folder::new();
    let script = "trap '' XFSZ; ulimit -f 8";
    assert_fails(&folder, script, 100, CANNOT_OPEN, FILE_TOO_LARGE);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn no_room_while_seeding_a_new_file_leaves_it_without_accounts() {
    let folder = Folder::new();
    assert_fails(&folder, FILE_LIMIT, MANY, CANNOT_SEED, FILE_TOO_LARGE);
    assert_eq!(accounts(&folder.database()), 0, "seeding is all or nothing");
    seed(&folder.database(), 100);
    assert_eq!(accounts(&folder.database()), 100, "fewer accounts have room");
}

#[test]
fn no_room_while_seeding_more_leaves_the_accounts_that_were_there() {
    let folder = Folder::new();
    seed(&folder.database(), 100);
    assert_fails(&folder, FILE_LIMIT, MANY, CANNOT_SEED, FILE_TOO_LARGE);
    assert_eq!(accounts(&folder.database()), 100);
}

#[test]
fn a_full_disk_leaves_the_accounts_that_were_there() {
    let Some(Mounted(folder)) = &Mounted::new("size=4m") else { return };
    seed(&folder.database(), 100);
    assert_fails(folder, ":", MANY, CANNOT_SEED, DISK_FULL);
    assert_eq!(accounts(&folder.database()), 100);
}

#[test]
fn a_full_disk_without_a_database_leaves_no_file() {
    let Some(Mounted(folder)) = &Mounted::new("size=8k") else { return };
    assert_fails(folder, ":", 100, CANNOT_OPEN, DISK_FULL);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn a_read_only_file_system_leaves_the_file_as_it_was() {
    let Some(mounted) = Mounted::new("size=8m") else { return };
    let folder = &mounted.0;
    seed(&folder.database(), 100);
    let before = folder.database_bytes();
    mounted.make_read_only();
    assert_fails(folder, ":", 100, CANNOT_OPEN, READ_ONLY);
    assert!(folder.database_bytes() == before);
}

#[test]
fn a_read_only_file_system_gets_no_database() {
    let Some(mounted) = Mounted::new("size=8m") else { return };
    mounted.make_read_only();
    assert_fails(&mounted.0, ":", 100, CANNOT_OPEN, READ_ONLY);
}
