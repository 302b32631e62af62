//! A client for tests of the store: it executes statements with parameters, which `psql` does not.

use accountservice_postgres_server::Postgres;
use tokio_postgres::{Client, Config, Error, NoTls};

use crate::running::runtime;

/// Asks as the superuser, by the local socket.
pub(crate) fn ask(server: &Postgres, ask: impl AsyncFnOnce(&Client) -> Result<(), Error>) {
    let mut config = Config::new();
    config.host_path(server.folder()).port(server.port).user("postgres").dbname("accounts");
    let asked = runtime().block_on(async {
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        ask(&client).await
    });
    asked.expect("a server that does this");
}
