//! Ten replicas that share one database. `--nocapture` prints how long they take to connect, and
//! how much processor time they cost the server of the database.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use accountservice_host::testing::{Client, Process, SERVING, eventually};
use accountservice_postgres_server::Postgres;
use nix::sys::signal::Signal;

use crate::service::Folder;

const REPLICAS: usize = 10;

/// Each replica has one on its main thread and one on each of its two workers.
const SESSIONS: i64 = 30;

#[test]
fn ten_replicas_share_a_database_and_outlive_a_restart_of_its_server() {
    let Some(mut server) = Postgres::start() else { return };
    let (folder, database) = (Folder::new(), format!("--database={}", server.url("")));
    let (started_at, before) = (Instant::now(), server.processor_time());
    let start = |_| folder.spawn(&[&database, "--workers=2"]);
    let mut replicas: Vec<_> = (0..REPLICAS).map(start).collect();
    let addresses: Vec<_> = replicas
        .iter_mut()
        .map(|replica| SocketAddr::from((Ipv4Addr::LOCALHOST, replica.port(SERVING))))
        .collect();
    replicas.iter_mut().for_each(wait_until_connected);
    print("start", started_at, server.processor_time().saturating_sub(before));
    for replica in &replicas {
        let warnings = warnings(replica);
        assert!(warnings.is_empty(), "{warnings:?}");
    }
    assert_eq!(server.number("SELECT count(*) FROM accounts"), 100);

    // The two workers of a replica get one connection each.
    let connect_twice = |address| [Client::connect(address), Client::connect(address)];
    let mut clients: Vec<_> = addresses.into_iter().flat_map(connect_twice).collect();
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'";
    for client in &mut clients {
        assert_eq!(client.get("/accounts/10099").status(), 200);
    }
    eventually("each runtime has a session", || server.number(sessions) == SESSIONS);

    server.end(Signal::SIGINT);
    let started_at = Instant::now();
    server.run(&[]);
    replicas.iter_mut().for_each(wait_until_connected);
    print("restart of the server", started_at, server.processor_time());
    for client in &mut clients {
        assert_eq!(client.get("/accounts/10099").status(), 200);
    }
    eventually("each runtime has a session again", || server.number(sessions) == SESSIONS);
    let most = replicas.iter().map(|replica| warnings(replica).len()).max().expect("replicas");
    println!("restart of the server: at most {most} warnings of a replica");
    replicas.into_iter().for_each(Process::stop);
}

fn wait_until_connected(replica: &mut Process) {
    replica.line("Connected to the database");
}

fn warnings(replica: &Process) -> Vec<&String> {
    let is_warning = |line: &&String| line.contains("WARN") || line.contains("ERROR");
    replica.log().iter().filter(is_warning).collect()
}

fn print(what: &str, started_at: Instant, of_server: Duration) {
    let took = started_at.elapsed();
    println!(
        "{what}: {REPLICAS} replicas connected after {took:.0?}, {of_server:.0?} of the server"
    );
}
