//! Folders with databases, and short ways to what tests ask of a store.

use std::error::Error;
use std::fs;
use std::ops::ControlFlow::{self, Continue};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use accountservice_core::{Account, AccountId, AccountStore};
use accountservice_store_native_db::{NativeDbStore, OpenError};

/// A folder that is removed with its content.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file with a hundred accounts in it, properly closed.
    pub(crate) fn database(&self) -> PathBuf {
        let file = self.file("accounts.db");
        seeded(open(&file), 100);
        file
    }
}

pub(crate) fn open(file: &Path) -> NativeDbStore {
    NativeDbStore::open(file).unwrap_or_else(|error| panic!("{}", chain(&error)))
}

pub(crate) fn in_memory() -> NativeDbStore {
    NativeDbStore::in_memory().expect("memory")
}

pub(crate) fn seeded(store: NativeDbStore, count: u64) -> NativeDbStore {
    store.seed(count, silent).expect("room");
    store
}

/// No progress is reported, and nothing is stopped.
pub(crate) fn silent(_: u64) -> ControlFlow<()> {
    Continue(())
}

pub(crate) fn id(text: impl AsRef<str>) -> AccountId {
    AccountId::new(text).expect("1 to 64 bytes")
}

pub(crate) fn account(text: impl AsRef<str>, name: impl Into<Arc<str>>) -> Account {
    Account { id: id(text), name: name.into() }
}

pub(crate) fn name_of(store: &NativeDbStore, text: impl AsRef<str>) -> Option<Arc<str>> {
    let id = id(text);
    let found = store.find(&id).expect("a readable store")?;
    assert_eq!(found.id, id);
    Some(found.name)
}

/// The error of opening `file`, which must leave the file and its folder as they were.
pub(crate) fn open_error(file: &Path) -> OpenError {
    let names = || {
        let entries = fs::read_dir(file.parent()?).ok()?;
        let mut names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
        names.sort();
        Some(names)
    };
    let before = (fs::read(file).ok(), names());
    let error = NativeDbStore::open(file).err().expect("this cannot be opened");
    let text = chain(&error);
    assert!(before == (fs::read(file).ok(), names()), "{text}, and something was changed");
    assert!(text.contains(&file.display().to_string()), "{text}: where?");
    assert!(error.source().is_some(), "{text}: why?");
    assert_eq!(text.lines().count(), 1, "{text}");
    error
}

/// The error with its causes, as the binary prints it.
pub(crate) fn chain(error: &OpenError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
