//! A URL with two hosts: which one serves.

use std::thread;
use std::time::{Duration, Instant};

use accountservice_store_postgres::Settings;
use nix::sys::signal::Signal;

use crate::running::Running;
use accountservice_postgres_server::{Postgres, free_port};

fn url(ports: [u16; 2], parameters: &str) -> String {
    let [first, second] = ports;
    format!("postgres://app:secret@127.0.0.1:{first},127.0.0.1:{second}/accounts{parameters}")
}

#[test]
fn the_next_host_serves_where_the_first_is_away_or_frozen() {
    let Some(server) = Postgres::start() else { return };
    let running = Running::seeded(&url([free_port(), server.port], ""), 100);
    assert_eq!(running.name_of("10000").as_deref(), Some("Person_0"));
    assert_eq!(running.log.warnings(), [""; 0]);

    let Some(frozen) = Postgres::start() else { return };
    frozen.signal_all(Signal::SIGSTOP);
    let running = Running::seeded(&url([frozen.port, server.port], ""), 0);
    assert_eq!(running.name_of("10000").as_deref(), Some("Person_0"));
}

#[test]
fn a_standby_serves_unless_the_url_or_seeding_needs_the_primary() {
    let Some(primary) = Postgres::start() else { return };
    drop(Running::seeded(&primary.url(""), 1));
    let standby = primary.standby();
    let ports = [standby.port, primary.port];
    let serves = |parameters: &str, accounts| {
        let running =
            Running::start(&url(ports, parameters), Settings { accounts, ..Settings::default() });
        let connected = running.log.wait_for("Connected");
        running.wait_until_healthy();
        assert_eq!(running.name_of("10000").as_deref(), Some("Person_0"));
        assert_eq!(running.log.warnings(), [""; 0]);
        connected
    };
    let connected = |port| format!("INFO Connected to the database at 127.0.0.1:{port}");
    assert_eq!(serves("", 0), connected(standby.port));
    // It refuses to be written to, but all accounts are there.
    assert_eq!(serves("", 1), connected(standby.port));
    assert_eq!(serves("?target_session_attrs=read-write", 1), connected(primary.port));
    assert_eq!(serves("", 100), connected(primary.port));
}

#[test]
fn a_standby_that_is_promoted_serves_in_place_of_the_primary() {
    let Some(mut primary) = Postgres::start() else { return };
    let standby = primary.standby();
    let url = url([standby.port, primary.port], "?target_session_attrs=read-write");
    let running = Running::seeded(&url, 100);
    // The standby replays the log of the primary, which has the accounts.
    let has_accounts = || {
        !standby.query("accounts", "SELECT to_regclass('accounts')").is_empty()
            && standby.number("SELECT count(*) FROM accounts") == 100
    };
    let start = Instant::now();
    while !has_accounts() {
        assert!(start.elapsed() < Duration::from_secs(20), "{}", standby.log());
        thread::sleep(Duration::from_millis(5));
    }
    primary.end(Signal::SIGKILL);
    running.find("10001").expect_err("the standby is read-only");
    standby.query("postgres", "SELECT pg_promote()");
    running.wait_until_healthy();
    assert_eq!(running.name_of("10001").as_deref(), Some("Person_1"));
}
