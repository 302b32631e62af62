//! Opening a file, creating it whole, and saying what is wrong with it.

use std::error::Error;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use native_db::{Builder, Database};
use redb::DatabaseError;

use crate::{MODELS, NativeDbStore, cache, panic_text, rehearsal};

/// What the engine may keep of the file in memory, in bytes. It keeps what it has read until then,
/// so that this, and not the size of the file, bounds the memory of a long-lived process.
const CACHE_SIZE: usize = 16 << 20;

/// The name of a database while it is created. It fits wherever another name fits, and the next
/// start finds what a killed process left.
const TEMPORARY_NAME: &str = ".accounts.new";

/// How long another process may take to create a file in the same folder: milliseconds, usually.
const CREATION_PAUSE: Duration = Duration::from_millis(5);
const CREATION_LOOKS: u32 = 400;

type Cause = Box<dyn Error + Send + Sync>;

/// What is wrong, and why.
pub(crate) type Trouble = (OpenErrorKind, Cause);

impl NativeDbStore {
    /// Opens the file at `path`, or creates it if there is none.
    ///
    /// Whatever the error, an existing file is as it was before. Accounts are written by
    /// [`seed`](NativeDbStore::seed), not here.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        // Opening what is not a file, such as a pipe, might wait for ever.
        let opened = match fs::metadata(path) {
            Ok(found) if !found.is_file() => {
                Err((OpenErrorKind::Inaccessible, "it is not a file".into()))
            }
            Ok(_) => File::open(path)
                .map_err(inaccessible)
                .and_then(|file| rehearse_and_open(path, &file)),
            Err(_) if path.is_symlink() => {
                Err((OpenErrorKind::Inaccessible, "its link leads to no file".into()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(path),
            Err(error) => Err(inaccessible(error)),
        };
        match opened {
            Ok(db) => Ok(Self::of(db)),
            Err((kind, cause)) => Err(OpenError { path: path.to_owned(), kind, cause }),
        }
    }

    fn of(db: Database<'static>) -> Self {
        Self { db, found: cache::new(), unreadable: Mutex::default() }
    }

    /// A store that is gone with the process, for tests.
    pub fn in_memory() -> Result<Self, OpenError> {
        match builder().create_in_memory(&MODELS) {
            Ok(db) => Ok(Self::of(db)),
            Err(error) => {
                let (kind, cause) = classify(error);
                Err(OpenError { path: "memory".into(), kind, cause })
            }
        }
    }
}

/// The database cannot be opened; where, which kind of trouble, and the cause as `source`.
#[derive(Debug)]
pub struct OpenError {
    path: PathBuf,
    kind: OpenErrorKind,
    cause: Cause,
}

/// What the caller can do about a database that cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenErrorKind {
    /// Another process has it open: stop that one, or take another file.
    Locked,
    /// No folder, no permission, no room, not a file: mend the path.
    Inaccessible,
    /// The file was never a database of accounts: take another one.
    NotADatabase,
    /// It was one: restore it from a backup.
    Damaged,
}

impl OpenError {
    /// The kind of trouble.
    pub fn kind(&self) -> OpenErrorKind {
        self.kind
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trouble = match self.kind {
            OpenErrorKind::Locked => "is in use by another process",
            OpenErrorKind::Inaccessible => "cannot be accessed",
            OpenErrorKind::NotADatabase => "is not a database of accounts",
            OpenErrorKind::Damaged => "is damaged",
        };
        write!(f, "the database {} {trouble}", self.path.display())
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.cause.as_ref())
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_SIZE);
    builder
}

/// The engine writes to a file before it knows whether it can make sense of it. So it first opens
/// it on a copy in memory, and gets to the file itself only if that went well.
fn rehearse_and_open(path: &Path, file: &File) -> Result<Database<'static>, Trouble> {
    // Another process's database is in motion: reading it would call it damaged.
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err((OpenErrorKind::Locked, "its lock is taken".into()));
        }
        Err(TryLockError::Error(error)) => return Err(inaccessible(error)),
    }
    let rehearsal = catch_unwind(AssertUnwindSafe(|| rehearsal::open(file)));
    match rehearsal {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(error),
        Err(panic) => return Err((OpenErrorKind::Damaged, panic_text(panic.as_ref()))),
    }
    file.unlock().map_err(inaccessible)?;
    open_or_create(path)
}

/// Creates the database under another name and renames it when it is complete: a process that is
/// killed meanwhile leaves nothing at `path`.
fn create(path: &Path) -> Result<Database<'static>, Trouble> {
    let _lock = lock_folder(path)?;
    // Another process may have been faster.
    if path.exists() {
        let file = File::open(path).map_err(inaccessible)?;
        return rehearse_and_open(path, &file);
    }
    let temporary = path.with_file_name(TEMPORARY_NAME);
    // The engine would open what is there, and follow a link.
    remove_leftover(&temporary).and_then(|()| File::create_new(&temporary)).map_err(|error| {
        let why = format!("cannot create {}: {error}", temporary.display());
        (OpenErrorKind::Inaccessible, why.into())
    })?;
    let created = open_or_create(&temporary).and_then(|db| {
        // A last look, for programs that do not lock the folder. A hard link or a rename that does
        // not replace would be safer, but exFAT and NFS do not have both.
        if fs::symlink_metadata(path).is_ok() {
            let why = "another program has created it meanwhile";
            return Err((OpenErrorKind::Inaccessible, why.into()));
        }
        fs::rename(&temporary, path).map_err(inaccessible)?;
        Ok(db)
    });
    created.inspect_err(|_| drop(fs::remove_file(&temporary)))
}

/// One process at a time creates a file in a folder. The kernel lets go of the lock when its holder
/// ends, however it does.
fn lock_folder(path: &Path) -> Result<Option<File>, Trouble> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) else { return Ok(None) };
    for _ in 0..CREATION_LOOKS {
        match folder.try_lock() {
            Ok(()) => return Ok(Some(folder)),
            Err(TryLockError::WouldBlock) => thread::sleep(CREATION_PAUSE),
            // Not all file systems can lock a folder, and not all folders can be read.
            Err(TryLockError::Error(_)) => return Ok(None),
        }
    }
    Err((OpenErrorKind::Locked, "its folder is locked".into()))
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

fn open_or_create(path: &Path) -> Result<Database<'static>, Trouble> {
    match catch_unwind(|| builder().create(&MODELS, path)) {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(error)) => Err(classify(error)),
        Err(panic) => Err((OpenErrorKind::Damaged, panic_text(panic.as_ref()))),
    }
}

fn classify(error: native_db::db_type::Error) -> Trouble {
    use native_db::db_type::Error;
    match error {
        Error::RedbDatabaseError(error) => (kind_of(&error), error.into()),
        Error::Io(error) => inaccessible(error),
        error => damaged(error),
    }
}

pub(crate) fn inaccessible(error: io::Error) -> Trouble {
    (OpenErrorKind::Inaccessible, error.into())
}

pub(crate) fn damaged(error: impl Error + Send + Sync + 'static) -> Trouble {
    (OpenErrorKind::Damaged, error.into())
}

/// What an error of the engine means to the caller.
pub(crate) fn kind_of(error: &DatabaseError) -> OpenErrorKind {
    match error {
        DatabaseError::DatabaseAlreadyOpen => OpenErrorKind::Locked,
        DatabaseError::Storage(redb::StorageError::Io(error)) => match error.kind() {
            // What the engine says of a file that does not begin as its files do.
            io::ErrorKind::InvalidData => OpenErrorKind::NotADatabase,
            io::ErrorKind::UnexpectedEof => OpenErrorKind::Damaged,
            _ => OpenErrorKind::Inaccessible,
        },
        _ => OpenErrorKind::Damaged,
    }
}
