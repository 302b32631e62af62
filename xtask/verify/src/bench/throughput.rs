//! Throughput of one worker on one core, against the floor and against peers, and with more and
//! more connections and accounts. The load has the other core.

use anyhow::Result;

use super::report::{Figure, Findings, Goal, Row, grouped};
use super::rounds::{Entry, measure};
use super::server::{OURS, Server, on};
use super::{Bench, float};
use crate::requests::Requests;

/// Settings and their connections.
const SETTINGS: [(&str, usize); 2] = [("l64", 64), ("l512", 512)];
/// Peers, the least share of their requests/s with l64 and l512, and the most of their p99.
const GOALS: [(&str, [f64; 2], Option<f64>); 4] = [
    ("xitca", [1.05, 0.97], None),
    ("hyper-rpc-ndb", [1.05, 0.97], Some(1.25)),
    ("axum", [1.05, 1.05], None),
    ("hyper-rpc-map", [0.86, 0.80], None),
];
const ACCOUNTS: [u64; 5] = [100, 10_000, 100_000, 1_000_000, 10_000_000];

/// One worker on one core.
pub(super) fn one_core(bench: &Bench) -> Result<Findings> {
    let part = "throughput";
    let ours = bench.serve(&bench.scratch.folder(part)?, &[])?;
    let mut servers = vec![on(bench.cores.server, || Server::floor(&ours))?, ours];
    for peer in &bench.peers {
        let folder = bench.scratch.folder(format!("{part}-{}", peer.name))?;
        servers.push(on(bench.cores.server, || Server::peer(peer, &folder))?);
    }
    let mut findings = Findings::default();
    for (place, (setting, connections)) in SETTINGS.into_iter().enumerate() {
        let entries: Vec<_> =
            servers.iter().map(|server| entry(setting, server, connections)).collect();
        let rows = measure(bench, &entries)?;
        findings.figures.extend(goals(setting, place, &rows));
        findings.rows.extend(rows);
    }
    Ok(findings)
}

/// From one connection to almost as many as there may be.
pub(super) fn connections(bench: &Bench) -> Result<Findings> {
    let part = "connections";
    let server = bench.serve(&bench.scratch.folder(part)?, &[])?;
    let counts = [1, 64, 1_024, 8_192];
    let entries = counts.map(|count| entry(&format!("l{count}"), &server, count));
    Ok(Findings { rows: measure(bench, &entries)?, figures: Vec::new() })
}

/// What a request costs, and how much memory is resident, with more and more accounts. Each request
/// asks for any of them, in a random order that is the same each time.
pub(super) fn growth(bench: &Bench) -> Result<Findings> {
    let accounts = &ACCOUNTS[..if bench.args.long { 5 } else { 4 }];
    let mut servers = Vec::new();
    for &accounts in accounts {
        let folder = bench.database(accounts)?;
        servers.push(bench.serve(&folder, &[&format!("--accounts={accounts}")])?);
    }
    let name = |accounts: u64| format!("{} accounts", grouped(float(accounts)));
    let entries = accounts.iter().zip(&servers).map(|(&accounts, server)| Entry {
        requests: Requests::Accounts(accounts),
        ..entry(&name(accounts), server, 64)
    });
    let mut findings =
        Findings { rows: measure(bench, &entries.collect::<Vec<_>>())?, figures: Vec::new() };
    for (&accounts, server) in accounts.iter().zip(&servers) {
        let name = format!("{}, after the load", name(accounts));
        findings.figures.push(Figure::new(name, server.memory_at_rest()?, "KiB"));
    }
    Ok(findings)
}

fn entry<'a>(setting: &str, server: &'a Server, connections: usize) -> Entry<'a> {
    Entry { setting: setting.to_owned(), server, connections, requests: Requests::OneAccount }
}

/// The service beside the peers that were measured.
fn goals(setting: &str, place: usize, rows: &[Row]) -> Vec<Figure> {
    let of = |server: &str| rows.iter().find(|row| row.server == server);
    let Some(ours) = of(OURS) else { return Vec::new() };
    let mut figures = Vec::new();
    for (peer, shares, p99) in GOALS {
        let Some(row) = of(peer) else { continue };
        let figure = |what: &str, share, goal| {
            Figure::new(format!("{setting}: {what}, of {peer}'s"), share, "×").goal(goal)
        };
        let share = ours.requests_per_second / row.requests_per_second;
        figures.push(figure("requests/s", share, Goal::AtLeast(shares[place])));
        figures.extend(p99.map(|most| figure("p99", ours.p99_us / row.p99_us, Goal::AtMost(most))));
    }
    figures
}
