//! One session: a client of a server, and the statement that looks an account up.
//!
//! It neither connects nor retries; it says which errors are worth another session. `keeper` opens
//! sessions, and the store asks them.

use std::error::Error as StdError;
use std::{io, iter};

use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Statement};

const LOOKUP: &str = "SELECT name FROM accounts WHERE id = $1";

pub(crate) struct Session {
    pub(crate) client: Client,
    /// `None`: the text of the statement goes along each time.
    lookup: Option<Statement>,
    /// Its place in the pool.
    pub(crate) slot: usize,
}

impl Session {
    /// Prepares the lookup and tries it once, so that a session which cannot serve is found out.
    pub(crate) async fn open(client: Client, is_named: bool, slot: usize) -> Result<Self, Error> {
        let lookup = if is_named { Some(client.prepare(LOOKUP).await?) } else { None };
        let session = Self { client, lookup, slot };
        session.find("").await?;
        Ok(session)
    }

    /// The name of the account with this id.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<String>, Error> {
        let row = match &self.lookup {
            Some(lookup) => self.client.query_opt(lookup, &[&id]).await?,
            None => self.client.query_typed_opt(LOOKUP, &[(&id, Type::TEXT)]).await?,
        };
        row.map(|row| row.try_get(0)).transpose()
    }
}

/// Whether a new session may do what this error says a session could not: it is over, or its
/// prepared statement is of no use any more.
pub(crate) fn is_sessions_own(error: &Error) -> bool {
    let Some(error) = error.as_db_error() else {
        return error.is_closed() || error.source().is_some_and(<dyn StdError>::is::<io::Error>);
    };
    // PgBouncer sends only the severity that a server may translate.
    matches!(error.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
        || error.severity() == "FATAL"
        || *error.code() == SqlState::FEATURE_NOT_SUPPORTED
        || *error.code() == SqlState::INVALID_SQL_STATEMENT_NAME
}

/// An error with its causes on one line.
pub(crate) fn one_line(error: &Error) -> String {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    let mut text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    if let Some(code) = error.code() {
        text = format!("{text} ({})", code.code());
        if [SqlState::INVALID_SQL_STATEMENT_NAME, SqlState::DUPLICATE_PSTATEMENT].contains(code) {
            text.push_str(": for a pooler, write prepared_statements=false in the URL");
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
