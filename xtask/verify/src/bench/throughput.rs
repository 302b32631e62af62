//! Throughput of one worker on one core, against the floor and against peers, and with more and more
//! connections. The load has the other core.

use anyhow::Result;

use super::Bench;
use super::report::{Figure, Findings, Goal, Row};
use super::rounds::{Entry, measure};
use super::server::{OURS, Server, on};
use crate::requests::Requests;

/// Settings and their connections.
const SETTINGS: [(&str, usize); 2] = [("l64", 64), ("l512", 512)];
/// The least share of a peer's requests per second with l64 and with l512.
const SHARES: [(&str, [f64; 2]); 4] = [
    ("xitca", [1.05, 0.97]),
    ("hyper-rpc-ndb", [1.05, 0.97]),
    ("axum", [1.05, 1.05]),
    ("hyper-rpc-map", [0.86, 0.80]),
];
/// The most of this peer's p99.
const P99: (&str, f64) = ("hyper-rpc-ndb", 1.25);

/// One worker on one core.
pub(super) fn one_core(bench: &Bench) -> Result<Findings> {
    let part = "throughput";
    let ours = bench.serve(&bench.folder(part)?, &[])?;
    let mut servers = vec![on(bench.cores.server, || Server::floor(&ours))?, ours];
    for peer in &bench.peers {
        let folder = bench.folder(&format!("{part}-{}", peer.name))?;
        servers.push(on(bench.cores.server, || Server::peer(peer, &folder))?);
    }
    let mut findings = Findings::default();
    for (place, (setting, connections)) in SETTINGS.into_iter().enumerate() {
        let entries: Vec<_> =
            servers.iter().map(|server| entry(setting, server, connections)).collect();
        let rows = measure(bench, part, &entries)?;
        findings.figures.extend(goals(part, setting, place, &rows));
        findings.rows.extend(rows);
    }
    Ok(findings)
}

/// From one connection to almost as many as there may be.
pub(super) fn connections(bench: &Bench) -> Result<Findings> {
    let part = "connections";
    let server = bench.serve(&bench.folder(part)?, &[])?;
    let counts = [1, 64, 1_024, 8_192];
    let entries = counts.map(|count| entry(&format!("l{count}"), &server, count));
    Ok(Findings { rows: measure(bench, part, &entries)?, figures: Vec::new() })
}

fn entry<'a>(setting: &str, server: &'a Server, connections: usize) -> Entry<'a> {
    Entry { setting: setting.to_owned(), server, connections, requests: Requests::OneAccount }
}

/// The service beside the peers that were measured.
fn goals(part: &'static str, setting: &str, place: usize, rows: &[Row]) -> Vec<Figure> {
    let of = |server: &str| rows.iter().find(|row| row.server == server);
    let Some(ours) = of(OURS) else { return Vec::new() };
    let mut figures = Vec::new();
    for (peer, shares) in SHARES {
        let Some(row) = of(peer) else { continue };
        let share = ours.requests_per_second / row.requests_per_second;
        let figure = Figure::new(part, format!("{setting}: requests/s, of {peer}'s"), share, "×");
        figures.push(figure.goal(Goal::AtLeast(shares[place])));
    }
    let (peer, most) = P99;
    if let Some(row) = of(peer) {
        let share = ours.p99_us / row.p99_us;
        let figure = Figure::new(part, format!("{setting}: p99, of {peer}'s"), share, "×");
        figures.push(figure.goal(Goal::AtMost(most)));
    }
    figures
}
