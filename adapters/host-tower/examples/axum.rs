//! An axum application with a route of its own, and the account service at the root and below
//! `/bank`. `cargo run -p accountservice-host-tower --example axum`, then
//! `curl localhost:6767/bank/accounts/10000`.

use std::io;
use std::sync::Arc;

use accountservice_core::{Account, AccountId, AccountService, AccountStore, StoreError};
use accountservice_host::Exchanges;
use accountservice_host_tower::TowerHost;
use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

/// Has every account, and the same owner for all of them.
struct OneOwner;

impl AccountStore for OneOwner {
    fn find(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        Ok(Some(Account { id: id.clone(), name: "Person_0".into() }))
    }

    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let service = AccountService::new(OneOwner, "an axum application");
    let accounts = TowerHost::new(service, Exchanges::new(64 << 10, Arc::new(())));
    let application = Router::new()
        .route("/hello", get(|| async { "Hello from axum" }))
        .nest_service("/bank", accounts.clone().mounted_at("/bank"))
        .fallback_service(accounts);
    let listener = TcpListener::bind("127.0.0.1:6767").await?;
    println!("Listening on {}", listener.local_addr()?);
    axum::serve(listener, application).await
}
