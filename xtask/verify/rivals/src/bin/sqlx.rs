//! axum with sqlx, whose connections keep their prepared statements by default.

use std::error::Error;

use rivals::{Arguments, LOOKUP, serve};
use sqlx::postgres::PgPoolOptions;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { port, url, connections } = Arguments::parse()?;
    let mut options = PgPoolOptions::new();
    if let Some(count) = connections {
        // A ping before each lookup, which is the default, would double its cost.
        options = options.max_connections(count).test_before_acquire(false);
    }
    let pool = options.connect(&url).await?;
    let find = move |id: String| {
        let pool = pool.clone();
        async move { sqlx::query_scalar(LOOKUP).bind(id).fetch_optional(&pool).await }
    };
    serve(port, find).await
}
