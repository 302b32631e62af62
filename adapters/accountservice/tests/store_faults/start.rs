//! Starts that cannot go well because the disk is in the way: the exit status is 1, there is one
//! line that says what, where and why, and what was in the file is still there.
//!
//! | fault | what the service does |
//! |---|---|
//! | no room while the file is created or seeded | it ends; a file that was there holds the accounts that it held, a new one may be left without any, and the next start fills it |
//! | a file or file system that is read-only | it ends; the file is the same, byte by byte |

use std::fs;
use std::ops::ControlFlow::Continue;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use accountservice_core::{AccountId, AccountStore};
use accountservice_store_native_db::NativeDbStore;

use crate::client::PATIENCE;

/// A folder, and what is mounted on it if anything.
struct Folder {
    folder: tempfile::TempDir,
    mounted: bool,
}

impl Folder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), mounted: false }
    }

    /// A file system of its own in memory, if this machine lets us have one.
    fn mounted(options: &str) -> Option<Self> {
        let mut folder = Self::new();
        let option = ["-t", "tmpfs", "-o", options, "tmpfs"];
        folder.mounted = mount(option.iter().copied(), folder.path());
        folder.mounted.then_some(folder)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn database(&self) -> PathBuf {
        self.path().join("accounts.db")
    }

    /// Runs the service after the shell has done something, until it ends.
    fn run(&self, first: &str, accounts: u64) -> Output {
        let child = Command::new("sh")
            .args(["-c", &format!(r#"{first} exec "$0" "$@""#)])
            .args([env!("CARGO_BIN_EXE_accountservice"), "--address=127.0.0.1", "--port=0"])
            .args([format!("--accounts={accounts}"), "--database".into()])
            .arg(self.database())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        ended(child)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.mounted {
            // What cannot be unmounted is left where it is: a drop must not panic.
            let _ = Command::new("umount").arg(self.path()).status();
        }
    }
}

fn mount<'a>(options: impl Iterator<Item = &'a str>, at: &Path) -> bool {
    let output = Command::new("mount").args(options).arg(at).output();
    match output {
        Ok(output) if output.status.success() => return true,
        Ok(output) => println!("SKIPPED: {}", String::from_utf8_lossy(&output.stderr).trim()),
        Err(error) => println!("SKIPPED: there is no mount: {error}"),
    }
    false
}

/// A service that starts after all is ended, so that the test fails and does not hang.
fn ended(mut child: Child) -> Output {
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().expect("a child").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("a child");
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().expect("a child")
}

/// It has ended as one that cannot start, for this reason.
fn check(folder: &Folder, output: &Output, why: &str) {
    let says = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{says}");
    assert_eq!(says.lines().count(), 1, "{says}");
    assert!(says.starts_with("accountservice: "), "{says}");
    assert!(says.contains(why), "why? {says}");
    let path = folder.database();
    assert!(says.contains(&path.display().to_string()), "where? {says}");
}

fn seed(path: &Path, count: u64) {
    let store = NativeDbStore::open(path).expect("a database");
    store.seed(count, |_| Continue(())).expect("room");
}

/// How many of the accounts that seeding makes are there: the first ones, each with its name.
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

/// No file may grow beyond 8192 blocks, which are 4 MiB for POSIX and 8 MiB for bash: enough for a
/// new file. What comes above is an error then, and no signal.
const SMALL: &str = "trap '' XFSZ; ulimit -f 8192;";

/// More accounts than fit into that.
const MANY: u64 = 150_000;

#[test]
fn no_room_for_a_new_file_ends_the_start() {
    let folder = Folder::new();
    let output = folder.run("trap '' XFSZ; ulimit -f 8;", 100);
    check(&folder, &output, "File too large");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "something is left");
}

#[test]
fn no_room_while_seeding_a_new_file_ends_the_start() {
    let folder = Folder::new();
    let output = folder.run(SMALL, MANY);
    check(&folder, &output, "File too large");
    assert_eq!(accounts(&folder.database()), 0, "seeding is all or nothing");
    seed(&folder.database(), 100);
    assert_eq!(accounts(&folder.database()), 100, "with fewer, there is room");
}

#[test]
fn no_room_while_seeding_more_leaves_what_was_there() {
    let folder = Folder::new();
    seed(&folder.database(), 100);
    let output = folder.run(SMALL, MANY);
    check(&folder, &output, "File too large");
    assert_eq!(accounts(&folder.database()), 100);
}

#[test]
fn a_full_disk_while_seeding_leaves_what_was_there() {
    let Some(folder) = Folder::mounted("size=4m") else { return };
    seed(&folder.database(), 100);
    let output = folder.run("", MANY);
    check(&folder, &output, "No space left on device");
    assert_eq!(accounts(&folder.database()), 100);
}

#[test]
fn a_read_only_file_system_ends_the_start_and_changes_nothing() {
    let Some(folder) = Folder::mounted("size=8m") else { return };
    seed(&folder.database(), 100);
    let before = fs::read(folder.database()).expect("readable");
    if !mount(["-o", "remount,ro"].into_iter(), folder.path()) {
        return;
    }
    let output = folder.run("", 100);
    check(&folder, &output, "Read-only file system");
    assert!(before == fs::read(folder.database()).expect("readable"));
}

#[test]
fn a_read_only_file_system_without_a_file_ends_the_start() {
    let Some(folder) = Folder::mounted("size=8m") else { return };
    if !mount(["-o", "remount,ro"].into_iter(), folder.path()) {
        return;
    }
    let output = folder.run("", 100);
    check(&folder, &output, "Read-only file system");
}
