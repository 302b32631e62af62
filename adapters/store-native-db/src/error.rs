//! Why a database cannot be opened.
//!
//! `verify` and `file` make these errors; the binary prints them and exits. An open store reports
//! the core's `StoreError` instead.

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

type Cause = Box<dyn Error + Send + Sync>;

/// A database cannot be opened: its path, the kind of error, and the cause as `source`.
#[derive(Debug)]
pub struct OpenError {
    path: PathBuf,
    kind: OpenErrorKind,
    cause: Cause,
}

/// What the caller can do about a database that cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenErrorKind {
    /// Another process has it open: stop that process, or choose another file.
    Locked,
    /// The path is wrong, or permission or disk space is missing: correct that.
    Inaccessible,
    /// The file belongs to another program: choose another file.
    NotADatabase,
    /// A newer version of this program wrote it: run that version.
    NewerVersion,
    /// Its content is damaged: restore it from a backup.
    Damaged,
}

impl OpenError {
    /// What the caller can do about it.
    pub fn kind(&self) -> OpenErrorKind {
        self.kind
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.kind {
            OpenErrorKind::Locked => "is in use by another process",
            OpenErrorKind::Inaccessible => "cannot be accessed",
            OpenErrorKind::NotADatabase => "is not a database of accounts",
            OpenErrorKind::NewerVersion => "was written by a newer version",
            OpenErrorKind::Damaged => "is damaged",
        };
        write!(f, "the database {} {problem}", self.path.display())
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.cause.as_ref())
    }
}

/// An [`OpenError`] without its path.
pub(crate) struct Failure(OpenErrorKind, Cause);

impl Failure {
    pub(crate) fn new(kind: OpenErrorKind, cause: impl Into<Cause>) -> Self {
        Self(kind, cause.into())
    }

    pub(crate) fn at(self, path: &Path) -> OpenError {
        OpenError { path: path.to_owned(), kind: self.0, cause: self.1 }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(OpenErrorKind::Inaccessible, error)
    }
}

impl From<native_db::db_type::Error> for Failure {
    fn from(error: native_db::db_type::Error) -> Self {
        use native_db::db_type::Error;
        match error {
            Error::RedbDatabaseError(error) => engine(error),
            Error::RedbTransactionError(error) => engine(error),
            Error::RedbStorageError(error) => engine(error),
            Error::RedbTableError(error) => engine(error),
            Error::RedbCommitError(error) => engine(error),
            error => Self::new(OpenErrorKind::Damaged, error),
        }
    }
}

/// Classifies an error of redb.
pub(crate) fn engine(error: impl Into<redb::Error>) -> Failure {
    use redb::Error as E;
    let error = error.into();
    let kind = match &error {
        E::DatabaseAlreadyOpen => OpenErrorKind::Locked,
        // The first bytes of the file are not redb's.
        E::Io(error) if error.kind() == io::ErrorKind::InvalidData => OpenErrorKind::NotADatabase,
        E::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => OpenErrorKind::Damaged,
        E::Io(_) => OpenErrorKind::Inaccessible,
        E::UpgradeRequired(_)
        | E::TableTypeMismatch { .. }
        | E::TableIsMultimap(_)
        | E::TableDoesNotExist(_) => OpenErrorKind::NotADatabase,
        // redb has no variant for a newer file format.
        E::Corrupted(text) if text.contains("file format version") => OpenErrorKind::NewerVersion,
        _ => OpenErrorKind::Damaged,
    };
    Failure::new(kind, error)
}

/// Runs what may panic. The error is the panic's message, on one line.
pub(crate) fn catch_panic<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let words: Vec<_> = text.unwrap_or("no reason given").split_whitespace().collect();
        format!("the storage engine panicked: {}", words.join(" "))
    })
}
