//! axum with deadpool-postgres: a pool of clients of tokio-postgres, each of which keeps its
//! prepared statements.

use std::error::Error;

use deadpool_postgres::{Config, PoolConfig, PoolError, Runtime};
use rivals::{Arguments, LOOKUP, serve};
use tokio_postgres::NoTls;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { port, url, connections } = Arguments::parse()?;
    let pool = connections.map(|count| PoolConfig::new(count as usize));
    let config = Config { url: Some(url), pool, ..Config::default() };
    let pool = config.create_pool(Some(Runtime::Tokio1), NoTls)?;
    let find = move |id: String| {
        let pool = pool.clone();
        async move {
            let client = pool.get().await?;
            let lookup = client.prepare_cached(LOOKUP).await?;
            let row = client.query_opt(&lookup, &[&id]).await?;
            row.map(|row| row.try_get(0)).transpose().map_err(PoolError::from)
        }
    };
    serve(port, find).await
}
