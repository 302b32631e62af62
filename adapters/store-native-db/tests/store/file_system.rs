//! New databases on file systems that are full, read-only, or without hard links.
//!
//! A test mounts the file system itself. Where it cannot, it says so in one line and is skipped.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use accountservice_core::AccountStore;
use accountservice_store_native_db::{NativeDbStore, OpenErrorKind};

use crate::fixture::{Folder, chain, id, open, open_error, seeded};

/// A file system that is unmounted when it is dropped.
struct Mounted {
    folder: Folder,
    loop_device: Option<String>,
}

impl Mounted {
    fn tmpfs(size: &str) -> Option<Self> {
        let folder = Folder::new();
        let size = format!("size={size}");
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs"], Some(folder.path()))?;
        Some(Self { folder, loop_device: None })
    }

    /// By the kernel's driver or by the one in user space. `image` becomes the disk.
    fn exfat(image: &Path) -> Option<Self> {
        File::create(image).and_then(|file| file.set_len(16 << 20)).expect("room");
        run("mkfs.exfat", &[], Some(image))?;
        let device = run("losetup", &["--find", "--show"], Some(image))?.trim().to_owned();
        let mounted = Self { folder: Folder::new(), loop_device: Some(device.clone()) };
        let at = Some(mounted.path());
        let by_kernel =
            fs::read_to_string("/proc/filesystems").is_ok_and(|all| all.contains("exfat"));
        if by_kernel {
            run("mount", &["-t", "exfat", &device], at)?;
        } else {
            run("mount.exfat-fuse", &[&device], at)?;
        }
        Some(mounted)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn database(&self) -> PathBuf {
        self.folder.file("accounts.db")
    }

    fn names(&self) -> Vec<std::ffi::OsString> {
        let entries = fs::read_dir(self.path()).expect("a folder");
        entries.map(|entry| entry.expect("readable").file_name()).collect()
    }

    fn fill(&self) {
        let mut file = File::create(self.folder.file("full")).expect("a file");
        while file.write_all(&[1; 4096]).is_ok() {}
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &[], Some(self.path()));
        if let Some(device) = &self.loop_device {
            run("losetup", &["--detach", device], None);
        }
    }
}

/// The output of a command, or why the test is skipped. The line is not captured as `println` is.
fn run(command: &str, arguments: &[&str], path: Option<&Path>) -> Option<String> {
    let why = match Command::new(command).args(arguments).args(path).output() {
        Ok(output) if output.status.success() => {
            return Some(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Ok(output) => {
            String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("no reason").to_owned()
        }
        Err(error) => error.to_string(),
    };
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {command} failed: {why}");
    None
}

#[test]
fn a_new_database_needs_no_hard_links() {
    let disk = Folder::new();
    let Some(mounted) = Mounted::exfat(&disk.file("image")) else { return };
    fs::write(mounted.folder.file("a"), "").expect("room");
    fs::hard_link(mounted.folder.file("a"), mounted.folder.file("b")).expect_err("no hard links");
    fs::remove_file(mounted.folder.file("a")).expect("it is there");
    // The longest name has 255 units of UTF-16.
    for name in ["accounts.db", "a", &"x".repeat(255), &"日".repeat(255)] {
        let file = mounted.folder.file(name);
        drop(seeded(open(&file), 100));
        assert!(open(&file).find(&id("10099")).expect("readable").is_some());
    }
    assert_eq!(mounted.names().len(), 4, "no file is left over");
}

#[test]
fn a_full_disk_is_an_error_and_leaves_no_file() {
    let mut errors = 0;
    for pages in (0..500).step_by(23) {
        let Some(mounted) = Mounted::tmpfs(&format!("{}k", 4 + 4 * pages)) else { return };
        let file = mounted.database();
        if let Ok(store) = NativeDbStore::open(&file) {
            store.check().expect("a healthy database");
            continue;
        }
        let error = open_error(&file);
        assert_eq!(error.kind(), OpenErrorKind::Inaccessible, "{}", chain(&error));
        assert!(chain(&error).contains("No space left on device"), "{}", chain(&error));
        assert!(mounted.names().is_empty(), "{:?}", mounted.names());
        errors += 1;
    }
    assert!((5..20).contains(&errors), "{errors} of 22 sizes are too small");
}

#[test]
fn a_full_disk_costs_an_existing_database_no_account() {
    let Some(mounted) = Mounted::tmpfs("8m") else { return };
    let file = mounted.database();
    drop(seeded(open(&file), 100));
    mounted.fill();
    if let Err(error) = NativeDbStore::open(&file) {
        assert_eq!(error.kind(), OpenErrorKind::Inaccessible, "{}", chain(&error));
    }
    fs::remove_file(mounted.folder.file("full")).expect("it is there");
    let store = open(&file);
    for i in 10_000..10_100 {
        assert!(store.find(&id(i.to_string())).expect("readable").is_some(), "{i}");
    }
}

#[test]
fn a_read_only_file_system_is_an_error_that_names_the_reason() {
    let Some(mounted) = Mounted::tmpfs("8m") else { return };
    let file = mounted.database();
    drop(seeded(open(&file), 100));
    let Some(_) = run("mount", &["-o", "remount,ro"], Some(mounted.path())) else { return };
    for name in ["accounts.db", "new.db"] {
        let error = open_error(&mounted.folder.file(name));
        assert_eq!(error.kind(), OpenErrorKind::Inaccessible);
        assert!(chain(&error).contains("Read-only file system"), "{}", chain(&error));
    }
}

/// Nobody can create a file in `/sys`, root included.
#[test]
fn a_folder_that_cannot_be_written_to_is_an_error_that_names_the_new_file() {
    let error = open_error(Path::new("/sys/accounts.db"));
    assert_eq!(error.kind(), OpenErrorKind::Inaccessible);
    assert!(chain(&error).contains("cannot create /sys/.accounts.new: "), "{}", chain(&error));
}
