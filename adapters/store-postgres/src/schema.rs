//! The tables and the seeded accounts. Any number of replicas may create both at once.
//!
//! It is not a migration tool: there is one version, and a newer one is refused. Statements are
//! unnamed, so that a pooler can carry them. `keeper` calls it on the first session of a process.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};
use tracing::{debug, info};

use crate::session::one_line;

/// The version of the tables that this program reads and writes.
const VERSION: i32 = 1;

/// One batch is one transaction: a replica sees both tables or none.
const CREATE: &str = "CREATE TABLE accounts (id text PRIMARY KEY, name text NOT NULL);
                      CREATE TABLE accounts_schema (version int PRIMARY KEY);
                      INSERT INTO accounts_schema VALUES (1)";

const TABLES: &str = "SELECT to_regclass('accounts') IS NOT NULL, \
                      to_regclass('accounts_schema') IS NOT NULL";
const NEWEST: &str = "SELECT max(version) FROM accounts_schema";
const PRESENT: &str = "SELECT count(*) FROM generate_series(10000, 9999 + $1) AS seeded (id) \
                       JOIN accounts ON accounts.id = seeded.id::text";
const INSERT: &str = "INSERT INTO accounts SELECT (10000 + i)::text, 'Person_' || i \
                      FROM generate_series($1, $2) AS i ON CONFLICT DO NOTHING";

/// How many accounts one statement inserts: a fraction of a second, between two reports of progress.
const BATCH: i64 = 10_000;

const FOREIGN: &str = "a table named accounts is there without accounts_schema, so it is of another \
                       program: take another database, or seed no accounts to read it as it is";

/// What replicas that create or seed at once do to each other: unique violation, duplicate object,
/// duplicate table, deadlock, and `CockroachDB`'s serialization failure.
const CONFLICTS: [&str; 5] = ["23505", "42710", "42P07", "40P01", "40001"];

/// Creates the tables if there are none, and adds those of `count` accounts that are missing.
///
/// With `count` 0 it writes nothing. It writes nothing either if all is there, so that a read-only
/// server will do.
pub(crate) async fn provide(client: &mut Client, count: u64) -> Result<(), String> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let is_conflict =
        |error: &Error| error.code().is_some_and(|code| CONFLICTS.contains(&code.code()));
    let mut round = 0;
    loop {
        round += 1;
        match try_provide(client, count).await {
            Err(error) if round < 20 && is_conflict(&error) => {
                debug!("Another replica provides the accounts too: {}", one_line(&error));
            }
            done => return done.map_err(|error| one_line(&error))?,
        }
        sleep(Duration::from_millis(10 * round)).await;
    }
}

/// Provides them, or says why it must not.
async fn try_provide(client: &mut Client, count: i64) -> Result<Result<(), String>, Error> {
    let tables = client.query_typed_one(TABLES, &[]).await?;
    let (has_accounts, has_schema) = (tables.try_get(0)?, tables.try_get(1)?);
    if has_schema {
        let newest: Option<i32> = client.query_typed_one(NEWEST, &[]).await?.try_get(0)?;
        if let Some(newest) = newest.filter(|newest| *newest > VERSION) {
            let known = format!("this program knows version {VERSION}: a newer one is needed");
            return Ok(Err(format!("the tables have version {newest}, and {known}")));
        }
    }
    if count == 0 {
        return Ok(Ok(()));
    }
    if has_accounts && !has_schema {
        return Ok(Err(FOREIGN.into()));
    }
    if !has_schema {
        client.batch_execute(CREATE).await?;
    }
    let present = client.query_typed_one(PRESENT, &[(&count, Type::INT8)]).await?;
    if present.try_get::<_, i64>(0)? == count {
        info!("Seeded {count} fake accounts... (all were there)");
    } else {
        insert(client, count).await?;
        info!("Seeded {count} fake accounts...");
    }
    Ok(Ok(()))
}

/// Inserts all accounts or none; those that are there stay as they are.
async fn insert(client: &mut Client, count: i64) -> Result<(), Error> {
    let mut reported_at = Instant::now();
    let transaction = client.transaction().await?;
    for batch in 0..=(count - 1) / BATCH {
        let (first, last) = (batch * BATCH, count.min((batch + 1) * BATCH) - 1);
        transaction.query_typed(INSERT, &[(&first, Type::INT8), (&last, Type::INT8)]).await?;
        if reported_at.elapsed() > Duration::from_secs(2) {
            reported_at = Instant::now();
            info!("Seeding accounts: {} of {count}", last + 1);
        }
    }
    transaction.commit().await
}
