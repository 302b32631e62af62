//! The store against the store contract, directly and through a pooler.

use accountservice_core::testing::store_contract::{self, Running as Future};
use accountservice_core::{Account, AccountId, AsyncAccountStore, StoreError};

use crate::client::ask;
use crate::running::{Running, block_on};
use accountservice_postgres_server::{PgBouncer, Postgres};

struct Filled(Running);

impl AsyncAccountStore for Filled {
    async fn find(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        self.0.store.find(id).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.0.store.check().await
    }
}

/// A store of exactly these accounts, in the tables that an earlier one created.
fn filled(server: &Postgres, url: &str, accounts: &[Account]) -> Filled {
    drop(Running::seeded(url, 1));
    server.query("accounts", "TRUNCATE accounts");
    let insert = "INSERT INTO accounts VALUES ($1, $2)";
    ask(server, async |client| {
        for account in accounts {
            client.execute(insert, &[&account.id.as_str(), &&*account.name]).await?;
        }
        Ok(())
    });
    Filled(Running::seeded(url, 0))
}

fn drive(future: Future<'_>) {
    block_on(future);
}

#[test]
fn the_store_keeps_the_contract() {
    let Some(server) = Postgres::start() else { return };
    // The type text has no NUL.
    store_contract::check(|accounts| filled(&server, &server.url(""), accounts), drive, &['\0']);
}

#[test]
fn the_store_keeps_the_contract_without_prepared_statements_through_a_pooler() {
    let Some(server) = Postgres::start() else { return };
    let pooler = PgBouncer::start(&server);
    let url = pooler.url("?prepared_statements=false");
    store_contract::check(|accounts| filled(&server, &url, accounts), drive, &['\0']);
}
