//! The setting `--database`: which store, and where. Opening it is left to `store`.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::fs;
#[cfg(feature = "native-db")]
use std::path::PathBuf;

#[cfg(feature = "postgres")]
use accountservice_store_postgres::DatabaseUrl;

use crate::exit::Exit;

/// Where the accounts are.
#[derive(Debug)]
pub(crate) enum Database {
    /// In a file of this process: `native_db`.
    #[cfg(feature = "native-db")]
    File(PathBuf),
    /// In a server that other processes use too.
    #[cfg(feature = "postgres")]
    Postgres(DatabaseUrl),
}

impl Database {
    /// Parses a path or a URL. A URL may contain a password: no error shows more than its scheme.
    /// `name` is how the user has given it.
    pub(crate) fn parse(name: &str, value: &OsStr) -> Result<Self, Exit> {
        let usage = |error: &dyn Display| Err(Exit::BadUsage(format!("{name}: {error}")));
        let scheme = value.to_str().and_then(|text| text.split_once("://"));
        match scheme.map(|(scheme, _)| scheme) {
            None if value.is_empty() => Err(Exit::Failed(format!("{name} : not a path or a URL"))),
            #[cfg(feature = "native-db")]
            None => Ok(Self::File(value.into())),
            #[cfg(not(feature = "native-db"))]
            None => usage(&"this build has no embedded database (Cargo feature native-db)"),
            #[cfg(feature = "postgres")]
            Some("postgres" | "postgresql") => {
                let url = DatabaseUrl::parse(value.to_str().unwrap_or_default());
                url.map_or_else(|error| usage(&error), |url| Ok(Self::Postgres(url)))
            }
            #[cfg(not(feature = "postgres"))]
            Some("postgres" | "postgresql") => {
                usage(&"this build has no PostgreSQL (Cargo feature postgres)")
            }
            Some(scheme) => usage(&format!(
                "{scheme}:// is no database here: use a path for an embedded database, or \
                 postgres://USER:PASSWORD@HOST/DATABASE"
            )),
        }
    }

    /// Reads the value from a file, such as a Docker secret, which keeps it out of the process list.
    pub(crate) fn read(path: &OsStr) -> Result<OsString, Exit> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).into()),
            Err(error) => Err(Exit::Failed(format!("cannot read {}: {error}", path.display()))),
        }
    }
}
