//! What the rivals have in common: axum's router with the routes and the responses of
//! accountservice that the bench asks for. It has no limits, no timeouts and no request ids.

use std::error::Error;
use std::future::Future;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::net::TcpListener;

/// What both ask the database.
pub const LOOKUP: &str = "SELECT name FROM accounts WHERE id = $1";

/// How a rival is called: `PORT URL [CONNECTIONS]`. Without a number of connections, its pool has
/// the crate's own defaults.
pub struct Arguments {
    pub port: u16,
    pub url: String,
    pub connections: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    id: String,
    name: String,
    served_by: &'static str,
}

impl Arguments {
    pub fn parse() -> Result<Self, Box<dyn Error>> {
        let mut args = std::env::args().skip(1);
        let (port, url) = args.next().zip(args.next()).ok_or("PORT URL [CONNECTIONS]")?;
        let connections = args.next().map(|count| count.parse()).transpose()?;
        Ok(Self { port: port.parse()?, url, connections })
    }
}

/// Serves accounts, whose names `find` looks up.
pub async fn serve<Find, Found, Failure>(port: u16, find: Find) -> Result<(), Box<dyn Error>>
where
    Find: Fn(String) -> Found + Clone + Send + Sync + 'static,
    Found: Future<Output = Result<Option<String>, Failure>> + Send,
    Failure: Error,
{
    let account = async move |Path(id): Path<String>| match find(id.clone()).await {
        Ok(Some(name)) => Ok(Json(Account { id, name, served_by: "127.0.0.1" })),
        Ok(None) => Err(StatusCode::NOT_FOUND),
        Err(error) => {
            eprintln!("{error}");
            Err(StatusCode::SERVICE_UNAVAILABLE)
        }
    };
    let health = get(async || StatusCode::OK);
    let router = Router::new().route("/accounts/{id}", get(account)).route("/health", health);
    axum::serve(TcpListener::bind(("127.0.0.1", port)).await?, router).await?;
    Ok(())
}
