//! Replicas with a shared store: their database goes away and comes back, and a version with a
//! wrong password is rolled back. The binaries are those that ship, built by `deploy`.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use accountservice_host::testing::Client;
use accountservice_postgres_server::Postgres;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::fixture::{Engine, docker, exists, of_service, wait};

const NAME: &str = "xtask-test-database";

/// A container that fails its probes is unhealthy after 12 s. One that were to be replaced would be
/// within this time, so that a longer one shows no more.
const AWAY: Duration = Duration::from_secs(20);

/// The start period is short, because a version that does not start is rolled back after it.
const SETTINGS: &str = "image_max_bytes = 6_000_000\nprogram.max_bytes = 5_200_000\n\
    database = { url = \"env:URL\", start_period = \"5s\" }\n\
    update.monitor = \"30s\"\nrollback.monitor = \"30s\"";

/// Deploys two replicas with this database.
fn deploy(engine: &Engine, url: &str) -> Output {
    let args = ["deploy", "--replicas=2", "--publish=none", "--endpoint-mode=dnsrr"];
    // What other tests build in the usual folder has another store.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("database");
    let mut deploy = engine.command(&args, SETTINGS);
    deploy.env("URL", url).env("CARGO_TARGET_DIR", target).output().unwrap()
}

/// The running containers, and where this machine reaches each.
fn containers() -> Vec<(String, SocketAddr)> {
    let filter = format!("--filter={}", of_service(NAME));
    let ids = docker(&["ps", "--quiet", "--no-trunc", &filter]);
    let bridge = inspect_bridge("{{json .Containers}}");
    let address = |id: &str| {
        let address = bridge[id]["IPv4Address"].as_str().unwrap().split('/').next().unwrap();
        SocketAddr::new(address.parse().unwrap(), 6767)
    };
    let mut containers: Vec<_> = ids.lines().map(|id| (id.to_owned(), address(id))).collect();
    containers.sort();
    containers
}

/// The bridge by which the containers of an overlay network reach this machine.
fn inspect_bridge(format: &str) -> Value {
    let text = docker(&["network", "inspect", &format!("--format={format}"), "docker_gwbridge"]);
    serde_json::from_str(&text).unwrap()
}

fn status(address: SocketAddr, path: &str) -> u16 {
    Client::connect(address).get(path).status().as_u16()
}

#[test]
#[ignore = "needs an engine, see main.rs"]
fn alone_replicas_outlive_their_database_and_a_wrong_password_is_rolled_back() {
    let Some(mut postgres) = Postgres::start() else { return };
    let engine = Engine::new(NAME);
    // An engine that has just joined a swarm makes it in the background.
    wait("bridge", || exists("network", "docker_gwbridge").then_some(()));
    let gateway = inspect_bridge("{{json (index .IPAM.Config 0).Gateway}}");
    let gateway: IpAddr = gateway.as_str().unwrap().parse().unwrap();
    postgres.end(Signal::SIGINT);
    postgres.write("data/pg_hba.conf", "local all all trust\nhost all all all scram-sha-256\n");
    let listen = format!("listen_addresses=127.0.0.1,{gateway}");
    postgres.run(&[&listen]);
    let url = postgres.url("").replace("127.0.0.1", &gateway.to_string());

    let deployed = deploy(&engine, &url);
    let errors = String::from_utf8_lossy(&deployed.stderr);
    assert_eq!(deployed.status.code(), Some(0), "{errors}");
    let before = containers();
    assert_eq!(before.len(), 2);
    let check_accounts = |expected| {
        for (_, address) in &before {
            assert_eq!(status(*address, "/accounts/10099"), expected);
        }
    };
    check_accounts(200);

    postgres.end(Signal::SIGINT);
    let away_since = Instant::now();
    while away_since.elapsed() < AWAY {
        check_accounts(503);
        for (_, address) in &before {
            assert_eq!(status(*address, "/health/live"), 200);
            assert_eq!(status(*address, "/health/ready"), 503);
        }
        thread::sleep(Duration::from_millis(100));
    }
    postgres.run(&[&listen]);
    let back_at = Instant::now();
    while before.iter().any(|(_, address)| status(*address, "/accounts/10099") != 200) {
        assert!(back_at.elapsed() < Duration::from_secs(1), "no accounts yet");
    }
    println!("accounts {:.0?} after the database is back", back_at.elapsed());
    assert_eq!(containers(), before, "no container is replaced");

    let started_at = Instant::now();
    let refused = deploy(&engine, &url.replace("secret", "wrong"));
    let errors = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(3), "{errors}");
    println!("rolled back after {:.0?}: {errors}", started_at.elapsed());
    assert_eq!(containers(), before, "the old version keeps its containers");
    check_accounts(200);
}
