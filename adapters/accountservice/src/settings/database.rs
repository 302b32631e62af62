//! The setting `--database`: which store, and where. Opening it is left to `store`.

use std::ffi::OsStr;
use std::path::PathBuf;

#[cfg(feature = "postgres")]
use accountservice_store_postgres::DatabaseUrl;

/// Where the accounts are.
#[derive(Debug)]
pub(crate) enum Database {
    /// In a file of this process: `native_db`.
    File(PathBuf),
    /// In a server that other processes use too.
    #[cfg(feature = "postgres")]
    Postgres(DatabaseUrl),
}

impl Database {
    /// Parses a path or a URL. A URL may contain a password: no error shows more than its scheme.
    pub(crate) fn parse(value: &OsStr) -> Result<Self, String> {
        let text = value.to_str().unwrap_or_default();
        match text.split_once("://") {
            None => Ok(Self::File(value.into())),
            #[cfg(feature = "postgres")]
            Some(("postgres" | "postgresql", _)) => {
                DatabaseUrl::parse(text).map(Self::Postgres).map_err(|error| error.to_string())
            }
            #[cfg(not(feature = "postgres"))]
            Some(("postgres" | "postgresql", _)) => {
                Err("this build has no PostgreSQL (Cargo feature postgres)".to_owned())
            }
            Some((scheme, _)) => Err(format!(
                "{scheme}:// is no database here: use a path for an embedded database, or \
                 postgres://USER:PASSWORD@HOST/DATABASE"
            )),
        }
    }
}
