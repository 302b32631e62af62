//! Throughput: on one core against the floor and against rivals, on two cores, and with more and more
//! connections.

use anyhow::Result;

use super::load::Shape;
use super::report::{Figure, Goal, Row};
use super::rounds::{Entry, Place, measure};
use super::server::{Cores, FLOOR, OURS, Server};
use super::statistics::percents;
use super::{Bench, Findings};

/// What the settings are called, their connections, and how many requests are sent at once.
pub(super) const MODES: [(&str, usize, usize); 3] =
    [("l64", 64, 1), ("l512", 512, 1), ("lpipe16", 64, 16)];
/// The share of the floor that is to be reached.
const SHARES: [(&str, f64); 2] = [("l64", 82.0), ("l512", 78.0)];
/// The rival that is to be left behind where requests are pipelined, and by how much.
const PIPELINES: (&str, f64) = ("xitca", 10.0);
/// HTTP by hand for two paths, over a map: nobody could use it, so nobody has to be faster.
const BY_HAND: &str = "hand-map";

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
    let rows = &findings.rows;
    for (mode, share) in SHARES {
        let of = |server| rows.iter().find(|row| row.setting == mode && row.server == server);
        if let (Some(ours), Some(floor)) = (of(OURS), of(FLOOR)) {
            let reached = ours.percent_of_floor.unwrap_or_default();
            let figure = Figure::new(part, format!("{mode}: share of the floor"), reached, "%");
            let figure = figure.rounds(&percents(&ours.rates, &floor.rates));
            findings.figures.push(figure.goal(Goal::AtLeast(share)));
        }
        findings.figures.extend(ahead(rows, mode, |name| name != BY_HAND, 0.0));
    }
    let (rival, least) = PIPELINES;
    findings.figures.extend(ahead(rows, "lpipe16", |name| name == rival, least));
    for (mode, ..) in MODES {
        findings.figures.extend(sooner(rows, mode));
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
    let figures = ahead(&rows, "2 workers, l64", |name| name != BY_HAND, 0.0).into_iter().collect();
    Ok(Findings { rows, figures })
}

/// From one connection to as many as there may be.
pub(super) fn connections(bench: &Bench) -> Result<Findings> {
    let Cores([core, _]) = bench.cores;
    let folder = bench.folder("connections")?;
    let server = Server::ours(&bench.artifacts.service, &folder, &["--workers=1"], &[core])?;
    let entries = [1, 64, 1_024, 8_192].map(|connections| Entry {
        setting: format!("{connections} connection{}", if connections > 1 { "s" } else { "" }),
        server: &server,
        shape: Shape::new(connections, 1),
    });
    let rows = measure(bench, "connections", &entries, Place::Apart)?;
    Ok(Findings { rows, figures: Vec::new() })
}

/// How far ahead of the fastest of these rivals the service is.
fn ahead(rows: &[Row], setting: &str, of: impl Fn(&str) -> bool, least: f64) -> Option<Figure> {
    let (ours, rivals) = compare(rows, setting);
    let rivals = rivals.filter(|row| of(&row.server));
    let rate = |row: &&Row| row.requests_per_second;
    let best = rivals.max_by(|a, b| rate(a).total_cmp(&rate(b)))?;
    let ours = ours?;
    let ahead = 100.0 * (rate(&ours) / rate(&best) - 1.0);
    let rounds: Vec<_> = percents(&ours.rates, &best.rates).iter().map(|p| p - 100.0).collect();
    let name = format!("{setting}: ahead of {}", best.server);
    let figure = Figure::new(best.part, name, ahead, "%").rounds(&rounds);
    Some(figure.goal(Goal::AtLeast(least)))
}

/// The p99 beside the lowest one of the rivals that hyper serves too.
fn sooner(rows: &[Row], setting: &str) -> Option<Figure> {
    let (ours, rivals) = compare(rows, setting);
    let rivals = rivals.filter(|row| row.server.starts_with("hyper"));
    let best = rivals.min_by(|a, b| a.p99_us.total_cmp(&b.p99_us))?;
    let ours = ours?;
    let share = 100.0 * ours.p99_us / best.p99_us;
    let name = format!("{setting}: p99, as a share of that of {}", best.server);
    let figure = Figure::new(best.part, name, share, "%");
    let figure = figure.rounds(&percents(&ours.p99s_us, &best.p99s_us));
    Some(figure.goal(Goal::AtMost(100.0)))
}

/// The service and its rivals, without the floor.
fn compare<'a>(
    rows: &'a [Row],
    setting: &'a str,
) -> (Option<&'a Row>, impl Iterator<Item = &'a Row>) {
    let mut rows = rows.iter().filter(move |row| row.setting == setting);
    let rivals = rows.clone().filter(|row| row.server != OURS && row.server != FLOOR);
    (rows.find(|row| row.server == OURS), rivals)
}

/// All that compete: ours, the floor with our answer, and the rivals.
fn servers(bench: &Bench, part: &str, workers: usize, cores: &[usize]) -> Result<Vec<Server>> {
    let folder = bench.folder(part)?;
    let args = [format!("--workers={workers}")];
    let ours = Server::ours(&bench.artifacts.service, &folder, &[&args[0]], cores)?;
    let floor = Server::floor(&ours, workers, cores)?;
    let mut servers = vec![ours, floor];
    for rival in &bench.rivals {
        let folder = bench.folder(&format!("{part}-{}", rival.name))?;
        servers.push(Server::rival(&rival.name, rival.command(&folder, workers), cores)?);
    }
    Ok(servers)
}
