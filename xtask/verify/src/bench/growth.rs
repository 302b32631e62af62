//! Growth: what a request costs, and how much memory is resident, with more and more accounts. Each
//! request asks for any of them, in a random order that is the same each time.

use anyhow::Result;

use super::report::{Figure, Findings, grouped};
use super::rounds::{Entry, measure};
use super::{Bench, float};
use crate::requests::Requests;

const PART: &str = "growth";
const ACCOUNTS: [u64; 5] = [100, 10_000, 100_000, 1_000_000, 10_000_000];

pub(super) fn run(bench: &Bench) -> Result<Findings> {
    let accounts = &ACCOUNTS[..if bench.long { 5 } else { 4 }];
    let (mut servers, mut figures) = (Vec::new(), Vec::new());
    for &accounts in accounts {
        let folder = bench.database(accounts)?;
        servers.push(bench.serve(&folder, &[&format!("--accounts={accounts}")])?);
    }
    let name = |accounts: u64| format!("{} accounts", grouped(float(accounts)));
    let entries = accounts.iter().zip(&servers).map(|(&accounts, server)| Entry {
        setting: name(accounts),
        server,
        connections: 64,
        requests: Requests::Accounts(accounts),
    });
    let rows = measure(bench, PART, &entries.collect::<Vec<_>>())?;
    for (accounts, server) in accounts.iter().zip(&servers) {
        let name = format!("{}, after the load", name(*accounts));
        figures.push(Figure::new(PART, name, float(server.usage_at_rest()?.memory), "KiB"));
    }
    Ok(Findings { rows, figures })
}
