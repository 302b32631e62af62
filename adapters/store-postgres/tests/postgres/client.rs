//! A plain client, for what `psql` does not do.

use std::time::{Duration, Instant};

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

/// How long it takes to log in and to ask, on this machine and at this moment.
pub(crate) fn time_of_a_login(server: &Postgres) -> Duration {
    let start = Instant::now();
    runtime().block_on(async {
        let connected = tokio_postgres::connect(&server.url(""), NoTls).await;
        let (client, connection) = connected.expect("a server");
        tokio::spawn(connection);
        client.batch_execute("SELECT 1").await.expect("a session");
    });
    start.elapsed()
}
