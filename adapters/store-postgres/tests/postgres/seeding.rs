//! The tables and the seeded accounts, with one replica and with ten.

use accountservice_store_postgres::Settings;

use crate::running::Running;
use accountservice_postgres_server::{PgBouncer, Postgres};

const SEEDED: &str = "SELECT count(*) FROM accounts";

/// What seeding is refused for.
fn refusal(server: &Postgres, accounts: u64) -> String {
    let running = Running::start(&server.url(""), Settings { accounts, ..Settings::default() });
    let warning = running.log.wait_for("WARN");
    running.check().expect_err("it was refused");
    warning
}

#[test]
fn accounts_are_numbered_from_10000_and_named_from_person_0() {
    let Some(server) = Postgres::start() else { return };
    let running = Running::seeded(&server.url(""), 25_000);
    assert_eq!(running.name_of("10000").as_deref(), Some("Person_0"));
    assert_eq!(running.name_of("34999").as_deref(), Some("Person_24999"));
    assert_eq!(running.name_of("35000"), None);
    assert_eq!(running.name_of("9999"), None);
    assert_eq!(running.log.wait_for("Seeded"), "INFO Seeded 25000 fake accounts...");
}

#[test]
fn an_account_that_is_there_is_left_as_it_is() {
    let Some(server) = Postgres::start() else { return };
    drop(Running::seeded(&server.url(""), 10));
    server.query("accounts", "UPDATE accounts SET name = 'Alice' WHERE id = '10003'");
    let again = Running::seeded(&server.url(""), 10);
    assert_eq!(again.log.lines()[0], "INFO Seeded 10 fake accounts... (all were there)");
    let more = Running::seeded(&server.url(""), 12);
    assert_eq!(more.log.lines()[0], "INFO Seeded 12 fake accounts...");
    assert_eq!(more.name_of("10003").as_deref(), Some("Alice"));
    assert_eq!(server.number(SEEDED), 12);
}

#[test]
fn ten_replicas_that_start_at_once_seed_once_and_warn_of_nothing() {
    let Some(server) = Postgres::start() else { return };
    for round in 0..5 {
        server.query("accounts", "DROP TABLE IF EXISTS accounts, accounts_schema");
        let settings = || Settings { accounts: 100, ..Settings::default() };
        let replicas: Vec<_> =
            (0..10).map(|_| Running::start(&server.url(""), settings())).collect();
        for replica in &replicas {
            replica.wait_until_healthy();
            assert_eq!(replica.log.warnings(), [""; 0], "round {round}");
        }
        assert_eq!(server.number(SEEDED), 100);
    }
}

#[test]
fn a_server_that_cannot_be_written_to_is_enough_if_the_accounts_are_there() {
    let Some(mut server) = Postgres::start() else { return };
    drop(Running::seeded(&server.url(""), 100));
    server.end(nix::sys::signal::Signal::SIGINT);
    server.run(&["default_transaction_read_only=on"]);
    assert_eq!(
        Running::seeded(&server.url(""), 100).name_of("10099").as_deref(),
        Some("Person_99")
    );
    assert_eq!(Running::seeded(&server.url(""), 0).name_of("10099").as_deref(), Some("Person_99"));
    assert!(
        refusal(&server, 101).contains("cannot execute INSERT in a read-only transaction (25006)")
    );
}

#[test]
fn no_accounts_need_no_permission_to_write_and_no_table_of_this_program() {
    let Some(server) = Postgres::start() else { return };
    server.query(
        "accounts",
        "CREATE VIEW accounts AS SELECT '7'::text AS id, 'Bond'::text AS name; \
         GRANT SELECT ON accounts TO app; ALTER DATABASE accounts OWNER TO postgres",
    );
    let running = Running::seeded(&server.url(""), 0);
    assert_eq!(running.name_of("7").as_deref(), Some("Bond"));
    assert_eq!(server.number("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'accounts%'"), 0);
}

#[test]
fn tables_of_a_newer_version_or_of_another_program_are_refused() {
    let Some(server) = Postgres::start() else { return };
    server.query("accounts", "CREATE TABLE accounts (id text, name text)");
    let refused = refusal(&server, 100);
    assert!(
        refused.contains("a table named accounts is there without accounts_schema"),
        "{refused}"
    );
    server.query("accounts", "DROP TABLE accounts");
    drop(Running::seeded(&server.url(""), 1));
    server.query("accounts", "INSERT INTO accounts_schema VALUES (2)");
    for accounts in [0, 100] {
        let refused = refusal(&server, accounts);
        assert!(
            refused.contains("the tables have version 2, and this program knows version 1"),
            "{refused}"
        );
    }
    assert_eq!(server.number(SEEDED), 1);
}

#[test]
fn a_pooler_without_prepared_statements_is_named_in_the_log() {
    let Some(server) = Postgres::start() else { return };
    let pooler = PgBouncer::start(&server);
    drop(Running::seeded(&pooler.url("?prepared_statements=false"), 100));
    let prepared = Running::seeded(&pooler.url(""), 0);
    // The pooler connects again, and knows nothing of the statement. It may also end the session
    // before the lookup comes, and the new session prepares its own: then it is done again.
    let warning = (0..30).find_map(|_| {
        server.query(
            "accounts",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'",
        );
        assert_eq!(prepared.name_of("10001").as_deref(), Some("Person_1"));
        let mut lines = prepared.log.lines().into_iter();
        lines.find(|line| line.contains("does not exist (26000)"))
    });
    let warning = warning.expect("the pooler forgets a statement");
    assert!(warning.contains("write prepared_statements=false in the URL"), "{warning}");
}

#[test]
fn a_prepared_statement_that_the_server_drops_is_prepared_again() {
    let Some(server) = Postgres::start() else { return };
    let running = Running::seeded(&server.url(""), 100);
    assert_eq!(running.name_of("10001").as_deref(), Some("Person_1"));
    server.query("accounts", "ALTER TABLE accounts ALTER COLUMN name TYPE varchar(50)");
    assert_eq!(running.name_of("10001").as_deref(), Some("Person_1"));
}

#[test]
fn the_reason_for_which_the_server_ends_a_session_is_logged() {
    let Some(server) = Postgres::start() else { return };
    let running = Running::seeded(&server.url(""), 1);
    server.query(
        "postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'",
    );
    assert_eq!(
        running.log.wait_for("A session of the database ended"),
        "WARN A session of the database ended: db error: FATAL: terminating connection due to \
         administrator command (57P01)"
    );
}

#[test]
fn a_dropped_store_closes_its_connections() {
    let Some(server) = Postgres::start() else { return };
    let connections = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'";
    let running = Running::seeded(&server.url(""), 1);
    assert!(server.number(connections) > 0);
    drop(running);
    while server.number(connections) > 0 {
        std::thread::yield_now();
    }
}
