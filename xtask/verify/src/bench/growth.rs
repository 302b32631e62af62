//! Growth: what a request costs, and what is resident, with more and more accounts. Any of them is
//! asked for, in an order that is random and the same each time.

use anyhow::Result;

use super::load::Shape;
use super::report::{Figure, grouped};
use super::rounds::{Entry, Place, measure};
use super::server::{Cores, Server};
use super::{Bench, Findings, float};

const PART: &str = "growth";
const ACCOUNTS: [u64; 4] = [100, 10_000, 1_000_000, 10_000_000];

pub(super) fn run(bench: &Bench) -> Result<Findings> {
    let accounts = &ACCOUNTS[..if bench.long { 4 } else { 3 }];
    let Cores([core, _]) = bench.cores;
    let (mut servers, mut figures) = (Vec::new(), Vec::new());
    for &accounts in accounts {
        let folder = bench.database(accounts)?;
        let args = [format!("--accounts={accounts}"), "--workers=1".to_owned()];
        let args = args.each_ref().map(String::as_str);
        servers.push(Server::ours(&bench.artifacts.service, &folder, &args, &[core])?);
    }
    let memory = |name: &str, figures: &mut Vec<Figure>| {
        for (accounts, server) in accounts.iter().zip(&servers) {
            let name = format!("{} accounts, {name}", grouped(float(*accounts)));
            figures.push(Figure::new(PART, name, float(server.memory_at_rest()?), "KiB"));
        }
        Ok::<_, anyhow::Error>(())
    };
    memory("at rest", &mut figures)?;
    let entries = accounts.iter().zip(&servers).map(|(&accounts, server)| Entry {
        setting: format!("{} accounts", grouped(float(accounts))),
        server,
        shape: Shape { spread: Some(accounts), ..Shape::new(64, 1) },
    });
    let rows = measure(bench, PART, &entries.collect::<Vec<_>>(), Place::Apart)?;
    memory("after load", &mut figures)?;
    Ok(Findings { rows, figures })
}
