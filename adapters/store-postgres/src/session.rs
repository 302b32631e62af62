//! One session: a connection to a server, and the statement that looks an account up.
//!
//! It neither reconnects nor retries; it says which errors are worth another session. `keeper` opens
//! sessions, and the store asks them.

use std::error::Error;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

const LOOKUP: &str = "SELECT name FROM accounts WHERE id = $1";

/// The connection of a session. Dropping it ends it.
pub(crate) type Connections = JoinSet<Result<(), tokio_postgres::Error>>;

pub(crate) struct Session {
    pub(crate) client: Client,
    /// `None`: the text of the statement goes along each time.
    lookup: Option<Statement>,
    tls: MakeRustlsConnect,
    /// Where its connection runs.
    pub(crate) runtime: Id,
    connection: AbortHandle,
    /// Why it has been ended from this side.
    abandoned: OnceLock<String>,
}

impl Session {
    /// Connects. The connection runs as one of `connections` on the current runtime.
    pub(crate) async fn connect(
        config: &Config,
        tls: MakeRustlsConnect,
        connections: &mut Connections,
    ) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = config.connect(tls.clone()).await?;
        let connection = connections.spawn(connection);
        let (runtime, abandoned) = (Handle::current().id(), OnceLock::new());
        Ok(Self { client, lookup: None, tls, runtime, connection, abandoned })
    }

    /// Prepares the lookup, or tries it once, so that a session which cannot serve is found out.
    pub(crate) async fn prepare(&mut self, is_named: bool) -> Result<(), tokio_postgres::Error> {
        if is_named {
            self.lookup = Some(self.client.prepare(LOOKUP).await?);
        }
        self.find("").await.map(|_| ())
    }

    /// The name of the account with this id.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<String>, tokio_postgres::Error> {
        let row = match &self.lookup {
            Some(lookup) => self.client.query_opt(lookup, &[&id]).await?,
            None => self.client.query_typed_opt(LOOKUP, &[(&id, Type::TEXT)]).await?,
        };
        row.map(|row| row.try_get(0)).transpose()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.abandoned().is_none() && !self.client.is_closed()
    }

    pub(crate) fn abandoned(&self) -> Option<&String> {
        self.abandoned.get()
    }

    /// Ends the session, whatever waits for it. Returns whether it had not been ended before.
    pub(crate) fn abandon(&self, cause: String) -> bool {
        // The keeper reads the cause when the connection ends.
        let is_first = self.abandoned.set(cause).is_ok();
        self.connection.abort();
        is_first
    }

    /// Ends a session that is silent, and has the server end what it does for it: a server that waits
    /// for a lock does not notice that its client is gone.
    pub(crate) fn give_up(&self, deadline: Duration) -> String {
        if self.abandon(silence(deadline)) {
            let (token, tls) = (self.client.cancel_token(), self.tls.clone());
            tokio::spawn(timeout(deadline, async move { token.cancel_query(tls).await }));
        }
        silence(deadline)
    }
}

pub(crate) fn silence(deadline: Duration) -> String {
    format!("no answer within {deadline:?}")
}

/// Whether a new session may do what this error says a session could not: it is over, or its
/// prepared statement is of no use any more.
pub(crate) fn is_sessions_own(error: &tokio_postgres::Error) -> bool {
    let Some(error) = error.as_db_error() else {
        return error.is_closed() || error.source().is_some_and(<dyn Error>::is::<io::Error>);
    };
    // PgBouncer sends only the severity that a server may translate.
    matches!(error.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
        || error.severity() == "FATAL"
        || *error.code() == SqlState::FEATURE_NOT_SUPPORTED
        || *error.code() == SqlState::INVALID_SQL_STATEMENT_NAME
}

/// An error with its causes on one line.
pub(crate) fn one_line(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    if let Some(code) = error.code() {
        text = format!("{text} ({})", code.code());
        if [SqlState::INVALID_SQL_STATEMENT_NAME, SqlState::DUPLICATE_PSTATEMENT].contains(code) {
            text.push_str(": for a pooler, write prepared_statements=false in the URL");
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
