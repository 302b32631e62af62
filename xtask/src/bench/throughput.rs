//! Throughput: on one core against the floor and against rivals, on two cores, and with more and more
//! connections.

use anyhow::Result;

use super::load::Shape;
use super::report::{Figure, Goal};
use super::rounds::{Entry, Place, measure};
use super::server::{Cores, OURS, Server};
use super::{Bench, Findings};

/// What the settings are called, their connections, and how many requests are sent at once.
pub(super) const MODES: [(&str, usize, usize); 3] =
    [("l64", 64, 1), ("l512", 512, 1), ("lpipe16", 64, 16)];
/// The share of the floor that is to be reached.
const SHARES: [(&str, f64); 2] = [("l64", 82.0), ("l512", 78.0)];
/// The rival that is to be left behind where requests are pipelined.
const RIVAL: &str = "xitca";

/// One worker on one core, the load on another.
pub(super) fn one_core(bench: &Bench) -> Result<Findings> {
    let part = "throughput";
    let Cores([core, _]) = bench.cores;
    let servers = servers(bench, part, 1, &[core])?;
    let mut findings = Findings::default();
    for (mode, connections, depth) in MODES {
        let competes =
            |server: &&Server| depth > 1 || !server.name.ends_with(super::peers::PIPELINED);
        let entries = servers.iter().filter(competes).map(|server| Entry {
            setting: mode.to_owned(),
            server,
            shape: Shape::new(connections, depth),
        });
        findings.rows.extend(measure(bench, part, &entries.collect::<Vec<_>>(), Place::Apart)?);
    }
    let row = |setting, server| {
        let mut rows = findings.rows.iter();
        rows.find(|row| row.setting == setting && row.server == server)
    };
    for (mode, share) in SHARES {
        let reached = row(mode, OURS).and_then(|row| row.percent_of_floor).unwrap_or_default();
        let figure = Figure::new(part, format!("{mode}: share of the floor"), reached, "%");
        findings.figures.push(figure.goal(Goal::AtLeast(share)));
    }
    if let (Some(ours), Some(rival)) = (row("lpipe16", OURS), row("lpipe16", RIVAL)) {
        let ahead = 100.0 * (ours.requests_per_second / rival.requests_per_second - 1.0);
        let figure = Figure::new(part, format!("lpipe16: ahead of {RIVAL}"), ahead, "%");
        findings.figures.push(figure.goal(Goal::AtLeast(10.0)));
    }
    Ok(findings)
}

/// Two workers, and the load on the same two cores.
pub(super) fn two_cores(bench: &Bench) -> Result<Findings> {
    let part = "cores";
    let servers = servers(bench, part, 2, &bench.cores.0)?;
    let entries = servers.iter().filter(|server| !server.name.ends_with(super::peers::PIPELINED));
    let entries = entries.map(|server| Entry {
        setting: "2 workers, l64".to_owned(),
        server,
        shape: Shape::new(64, 1),
    });
    let rows = measure(bench, part, &entries.collect::<Vec<_>>(), Place::Together)?;
    Ok(Findings { rows, figures: Vec::new() })
}

/// From one connection to as many as there may be.
pub(super) fn connections(bench: &Bench) -> Result<Findings> {
    let Cores([core, _]) = bench.cores;
    let folder = bench.folder("connections")?;
    let server = Server::ours(&bench.dist.service, &folder, &["--workers=1"], &[core])?;
    let entries = [1, 64, 1_024, 8_192].map(|connections| Entry {
        setting: format!("{connections} connection{}", if connections > 1 { "s" } else { "" }),
        server: &server,
        shape: Shape::new(connections, 1),
    });
    let rows = measure(bench, "connections", &entries, Place::Apart)?;
    Ok(Findings { rows, figures: Vec::new() })
}

/// All that compete: ours, the floor with our answer, and the rivals.
fn servers(bench: &Bench, part: &str, workers: usize, cores: &[usize]) -> Result<Vec<Server>> {
    let folder = bench.folder(part)?;
    let args = [format!("--workers={workers}")];
    let ours = Server::ours(&bench.dist.service, &folder, &[&args[0]], cores)?;
    let floor = Server::floor(&ours, workers, cores)?;
    let mut servers = vec![ours, floor];
    for rival in &bench.rivals {
        let folder = bench.folder(&format!("{part}-{}", rival.name))?;
        servers.push(Server::rival(&rival.name, rival.command(&folder, workers), cores)?);
    }
    Ok(servers)
}
