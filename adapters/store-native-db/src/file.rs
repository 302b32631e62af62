//! Opens the file of a database, or creates it.
//!
//! A file that exists is verified first, and stays as it is if it cannot be opened. A new one gets
//! its name when it is complete. `lib` calls it, and reads and writes the database.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use native_db::{Builder, Database};

use crate::error::OpenErrorKind::{Damaged, Inaccessible, Locked};
use crate::error::{Failure, OpenError, catch_panic};
use crate::record::MODELS;
use crate::verify::verify;

/// The engine's cache of pages, in bytes, whatever the size of the file. redb's default is 1 GiB.
const CACHE_SIZE: usize = 8 << 20;

/// The name of a database while it is created. It fits wherever another name fits, and the next
/// start finds what a killed process left.
const TEMPORARY_NAME: &str = ".accounts.new";

pub(crate) fn open_or_create(path: &Path) -> Result<Database<'static>, OpenError> {
    let opened = match fs::metadata(path) {
        // Opening a pipe would wait for its writer.
        Ok(found) if !found.is_file() => Err(Failure::new(Inaccessible, "it is not a file")),
        Ok(_) => open(path),
        Err(_) if path.is_symlink() => Err(Failure::new(Inaccessible, "its link leads to no file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path),
        Err(error) => Err(error.into()),
    };
    opened.map_err(|failure| failure.at(path))
}

pub(crate) fn in_memory() -> Result<Database<'static>, OpenError> {
    let created = builder().create_in_memory(&MODELS);
    created.map_err(|error| Failure::from(error).at(Path::new("memory")))
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_SIZE);
    builder
}

fn open(path: &Path) -> Result<Database<'static>, Failure> {
    let file = File::open(path)?;
    // A file that another process writes to would look damaged.
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(Failure::new(Locked, "it is locked")),
        locked => locked.map_err(io::Error::from)?,
    }
    catch_damage(|| verify(&file))?;
    file.unlock()?;
    open_with_engine(path)
}

/// The engine makes a database of an empty file.
fn open_with_engine(path: &Path) -> Result<Database<'static>, Failure> {
    catch_damage(|| Ok(builder().create(&MODELS, path)?))
}

/// redb panics on much of the damage that a file can have.
fn catch_damage<T>(open: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_panic(open).unwrap_or_else(|text| Err(Failure::new(Damaged, text)))
}

/// Creates the database under another name and renames it when it is complete: a process that is
/// killed meanwhile leaves nothing at `path`.
fn create(path: &Path) -> Result<Database<'static>, Failure> {
    let _lock = lock_folder(path)?;
    // Another process may have been faster.
    if path.exists() {
        return open(path);
    }
    let temporary = path.with_file_name(TEMPORARY_NAME);
    // The engine would open what is there, and follow a link.
    remove_leftover(&temporary).and_then(|()| File::create_new(&temporary)).map_err(|error| {
        Failure::new(Inaccessible, format!("cannot create {}: {error}", temporary.display()))
    })?;
    let created = open_with_engine(&temporary).and_then(|db| {
        // A last look, for programs that do not lock the folder. A hard link or a rename that does
        // not replace would be safer, but exFAT and NFS do not have both.
        if fs::symlink_metadata(path).is_ok() {
            return Err(Failure::new(Inaccessible, "another program has created it meanwhile"));
        }
        fs::rename(&temporary, path)?;
        Ok(db)
    });
    created.inspect_err(|_| drop(fs::remove_file(&temporary)))
}

/// One process at a time creates a database in a folder. The lock ends with the process.
fn lock_folder(path: &Path) -> Result<Option<File>, Failure> {
    // Not every folder can be read, and not every file system can lock a folder.
    let Ok(folder) = File::open(path.with_file_name(".")) else { return Ok(None) };
    // For 2 s: another process creates a database in milliseconds.
    for _ in 0..400 {
        match folder.try_lock() {
            Ok(()) => return Ok(Some(folder)),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(5)),
            Err(TryLockError::Error(_)) => return Ok(None),
        }
    }
    Err(Failure::new(Locked, "its folder is locked"))
}

fn remove_leftover(temporary: &Path) -> io::Result<()> {
    let is_file = fs::symlink_metadata(temporary).is_ok_and(|found| found.is_file());
    if is_file && matches!(File::open(temporary)?.try_lock(), Err(TryLockError::WouldBlock)) {
        return Err(io::Error::other("it is in use by another process"));
    }
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
