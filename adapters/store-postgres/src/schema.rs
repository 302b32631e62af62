//! The tables and the seeded accounts. Any number of replicas may create both at once.
//!
//! It is not a migration tool: there is one version, and a newer one is refused. Statements are
//! unnamed, so that a pooler can carry them. `keeper` calls it on the first session of a process.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};
use tracing::{debug, info};

use crate::session::one_line;

/// The version of the tables that this program reads and writes.
const VERSION: i32 = 1;

/// All or nothing, so that a replica sees both tables or none.
const CREATE: &str = "BEGIN;
    CREATE TABLE accounts (id text PRIMARY KEY, name text NOT NULL);
    CREATE TABLE accounts_schema (version int PRIMARY KEY);
    INSERT INTO accounts_schema VALUES (1);
    COMMIT";

const TABLES: &str = "SELECT to_regclass('accounts') IS NOT NULL, \
                      to_regclass('accounts_schema') IS NOT NULL";
const NEWEST: &str = "SELECT max(version) FROM accounts_schema";
const PRESENT: &str = "SELECT count(*) FROM generate_series(10000, 9999 + $1) AS seeded (id) \
                       JOIN accounts ON accounts.id = seeded.id::text";
const INSERT: &str = "INSERT INTO accounts SELECT (10000 + i)::text, 'Person_' || i \
                      FROM generate_series($1, $2) AS i ON CONFLICT DO NOTHING";

/// How many accounts one statement inserts: a fraction of a second, between two reports of progress.
const BATCH: i64 = 10_000;

/// What replicas do to each other that create or seed at once; 40001 is `CockroachDB`'s.
const CONFLICTS: [SqlState; 5] = [
    SqlState::UNIQUE_VIOLATION,
    SqlState::DUPLICATE_OBJECT,
    SqlState::DUPLICATE_TABLE,
    SqlState::T_R_DEADLOCK_DETECTED,
    SqlState::T_R_SERIALIZATION_FAILURE,
];

/// Creates the tables if there are none, and adds those of `count` accounts that are missing.
///
/// With `count` 0 it writes nothing. It writes nothing either if all is there, so that a read-only
/// server will do.
pub(crate) async fn provide(client: &Client, count: i64) -> Result<(), String> {
    for round in 1.. {
        let Err(failure) = try_provide(client, count).await else { break };
        let error = failure.downcast::<Error>().map_err(|refusal| refusal.to_string())?;
        if round == 20 || !error.code().is_some_and(|code| CONFLICTS.contains(code)) {
            return Err(one_line(&error));
        }
        debug!("Another replica provides the accounts too: {}", one_line(&error));
        let _ = client.batch_execute("ROLLBACK").await;
        sleep(Duration::from_millis(10 * round)).await;
    }
    Ok(())
}

async fn try_provide(
    client: &Client,
    count: i64,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let tables = client.query_typed_one(TABLES, &[]).await?;
    let (has_accounts, has_schema) = (tables.try_get(0)?, tables.try_get(1)?);
    if has_schema {
        let newest: Option<i32> = client.query_typed_one(NEWEST, &[]).await?.try_get(0)?;
        if let Some(newest) = newest.filter(|newest| *newest > VERSION) {
            let known = format!("this program knows version {VERSION}: a newer one is needed");
            return Err(format!("the tables have version {newest}, and {known}").into());
        }
    }
    if count == 0 {
        return Ok(());
    }
    if has_accounts && !has_schema {
        return Err(
            "a table named accounts is there without accounts_schema, so it is of another \
                    program: take another database, or seed no accounts to read it as it is"
                .into(),
        );
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
    Ok(())
}

/// Inserts all accounts or none; those that are there stay as they are.
async fn insert(client: &Client, count: i64) -> Result<(), Error> {
    let mut reported_at = Instant::now();
    client.batch_execute("BEGIN").await?;
    for first in (0..count).step_by(usize::try_from(BATCH).expect("it is small")) {
        let last = (first + BATCH).min(count) - 1;
        client.query_typed(INSERT, &[(&first, Type::INT8), (&last, Type::INT8)]).await?;
        if reported_at.elapsed() > Duration::from_secs(2) {
            reported_at = Instant::now();
            info!("Seeding accounts: {} of {count}", last + 1);
        }
    }
    client.batch_execute("COMMIT").await
}
