//! New databases: complete under their name or absent, under any name, in any folder.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use accountservice_core::AccountStore;
use accountservice_store_native_db::{NativeDbStore, OpenError, OpenErrorKind};

use crate::fixture::{Folder, chain, id, open, open_error, seeded};

/// The name of a database while it is created.
const TEMPORARY: &str = ".accounts.new";

fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("a mkfifo command");
    assert!(made.success());
}

#[test]
fn a_database_in_use_is_locked() {
    let folder = Folder::new();
    let file = folder.database();
    let _first = open(&file);
    assert_eq!(open_error(&file).kind(), OpenErrorKind::Locked);
}

#[test]
fn a_path_without_a_file_system_entry_for_a_database_is_inaccessible() {
    let folder = Folder::new();
    let file = folder.database();
    for path in [folder.file("no/such/folder/accounts.db"), file.join("accounts.db")] {
        assert_eq!(open_error(&path).kind(), OpenErrorKind::Inaccessible);
    }
    fs::create_dir(folder.file("folder.db")).expect("room");
    assert_eq!(open_error(&folder.file("folder.db")).kind(), OpenErrorKind::Inaccessible);
    // Reading a pipe would wait for a writer.
    let pipe = folder.file("pipe.db");
    make_pipe(&pipe);
    let error = NativeDbStore::open(&pipe).err().expect("not a file");
    assert_eq!(error.kind(), OpenErrorKind::Inaccessible);
}

#[test]
fn a_link_leads_to_the_database_and_is_an_error_if_that_is_missing() {
    let folder = Folder::new();
    let (file, link) = (folder.file("accounts.db"), folder.file("link.db"));
    symlink(&file, &link).expect("a link");
    let error = open_error(&link);
    assert_eq!(error.kind(), OpenErrorKind::Inaccessible);
    assert!(chain(&error).ends_with("its link leads to no file"), "{}", chain(&error));
    drop(seeded(open(&file), 100));
    assert!(open(&link).find(&id("10099")).expect("readable").is_some());
    assert!(link.is_symlink());
}

#[test]
fn a_name_has_any_length_that_the_file_system_allows() {
    let folder = Folder::new();
    let longest = ["x".repeat(255), "日".repeat(85), format!("{}.db", "ä".repeat(126))];
    let shortest = ["a", "~", "ö"].map(str::to_owned);
    for name in longest.iter().chain(&shortest) {
        drop(seeded(open(&folder.file(name)), 100));
        open(&folder.file(name)).check().expect("a healthy database");
    }
    drop(open(&folder.path().join(OsStr::from_bytes(b"\xff\xfe.db"))));
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 7, "no file is left over");

    let error = open_error(&folder.file(&"x".repeat(256)));
    assert_eq!(error.kind(), OpenErrorKind::Inaccessible);
    let reason = if cfg!(target_env = "musl") {
        "Filename too long (os error 36)"
    } else {
        "File name too long (os error 36)"
    };
    assert!(chain(&error).ends_with(reason), "{}", chain(&error));
}

#[test]
fn the_temporary_name_is_refused_for_a_database() {
    let folder = Folder::new();
    assert_eq!(open_error(&folder.file(TEMPORARY)).kind(), OpenErrorKind::Inaccessible);
}

#[test]
fn an_empty_file_becomes_a_database() {
    let folder = Folder::new();
    let file = folder.file("accounts.db");
    fs::write(&file, "").expect("room");
    drop(seeded(open(&file), 100));
    assert!(open(&file).find(&id("10099")).expect("readable").is_some());
}

#[test]
fn a_new_database_removes_what_a_killed_process_left() {
    let folder = Folder::new();
    let left = folder.file(TEMPORARY);
    fs::write(&left, "half a database").expect("room");
    open(&folder.file("accounts.db")).check().expect("a healthy database");
    assert!(!left.exists(), "it is still there");
}

#[test]
fn a_new_database_overwrites_no_file_through_its_temporary_name() {
    let folder = Folder::new();
    let (file, temporary) = (folder.file("accounts.db"), folder.file(TEMPORARY));
    let other = folder.file("other.txt");
    fs::write(&other, "dear").expect("room");
    symlink(&other, &temporary).expect("a link");
    drop(open(&file));
    assert_eq!(fs::read(&other).expect("readable"), b"dear");
    assert!(!file.is_symlink());

    fs::remove_file(&file).expect("it is there");
    make_pipe(&temporary);
    drop(open(&file));

    fs::remove_file(&file).expect("it is there");
    fs::create_dir(&temporary).expect("room");
    let error = chain(&open_error(&file));
    assert!(error.contains(TEMPORARY), "{error}: what is in the way?");
    fs::remove_dir(&temporary).expect("it is there");

    fs::write(&temporary, "").expect("room");
    let used = File::open(&temporary).expect("readable");
    used.lock().expect("a lock");
    let error = chain(&open_error(&file));
    assert!(error.contains("in use by another process"), "{error}");
}

#[test]
fn of_many_that_create_the_same_database_one_opens_it() {
    for _ in 0..20 {
        let folder = Folder::new();
        let file = folder.file("accounts.db");
        let opened = at_once(&[&file; 4]);
        let refused = opened.iter().filter_map(|opened| opened.as_ref().err());
        let kinds: Vec<_> = refused.map(OpenError::kind).collect();
        assert_eq!(kinds, [OpenErrorKind::Locked; 3]);
        drop(opened);
        open(&file).check().expect("a healthy database");
    }
}

#[test]
fn many_create_databases_of_different_names_in_one_folder() {
    for _ in 0..20 {
        let folder = Folder::new();
        let files = ["1.db", "2.db", "3.db", "4.db"].map(|name| folder.file(name));
        for opened in at_once(&files) {
            opened.unwrap_or_else(|error| panic!("{}", chain(&error)));
        }
    }
}

fn at_once(files: &[impl AsRef<Path> + Sync]) -> Vec<Result<NativeDbStore, OpenError>> {
    let start = Barrier::new(files.len());
    let start = &start;
    thread::scope(|scope| {
        let open = |file| {
            move || {
                start.wait();
                NativeDbStore::open(file)
            }
        };
        let threads: Vec<_> = files.iter().map(|file| scope.spawn(open(file))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

/// Another program creates the file while the database is being created, without the folder's lock.
#[test]
fn a_file_that_appears_during_creation_is_not_replaced() {
    for _ in 0..20 {
        let folder = Folder::new();
        let (file, temporary) = (folder.file("accounts.db"), folder.file(TEMPORARY));
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                while !temporary.exists() && !ended.load(Ordering::Acquire) {
                    std::hint::spin_loop();
                }
                File::create_new(&file)
                    .and_then(|mut file| io::Write::write_all(&mut file, b"dear"))
            });
            let opened = NativeDbStore::open(&file);
            ended.store(true, Ordering::Release);
            match other.join().expect("no panic") {
                Ok(()) => {
                    let error = opened.err().expect("the file is another program's");
                    assert_eq!(error.kind(), OpenErrorKind::Inaccessible);
                    assert_eq!(fs::read(&file).expect("readable"), b"dear");
                }
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
                    opened.unwrap_or_else(|error| panic!("{}", chain(&error)));
                }
            }
        });
        assert!(!temporary.exists(), "it is still there");
    }
}
