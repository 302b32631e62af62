//! A URL with two hosts: which one serves.

use accountservice_store_postgres::Settings;
use nix::sys::signal::Signal;

use crate::running::Running;
use crate::server::{Postgres, free_port};

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
fn the_primary_serves_where_the_url_asks_for_it() {
    let (Some(primary), Some(mut standby)) = (Postgres::start(), Postgres::start()) else { return };
    drop(Running::seeded(&standby.url(""), 1));
    standby.end(Signal::SIGINT);
    standby.run(&["default_transaction_read_only=on"]);
    let ports = [standby.port, primary.port];
    let serves = |parameters: &str, accounts| {
        let running =
            Running::start(&url(ports, parameters), Settings { accounts, ..Settings::default() });
        let connected = running.log.wait_for("Connected");
        running.wait_until_healthy();
        assert_eq!(running.log.warnings(), [""; 0]);
        connected
    };
    let connected = |port| format!("INFO Connected to the database at 127.0.0.1:{port}");
    assert_eq!(serves("?target_session_attrs=read-write", 100), connected(primary.port));
    // A standby will do for reading, and for seeding if all accounts are there.
    assert_eq!(serves("", 1), connected(standby.port));
    // Seeding goes on to a server that can be written to.
    assert_eq!(serves("", 100), connected(primary.port));
}
