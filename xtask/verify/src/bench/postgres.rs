//! The shared store: the service beside axum with deadpool-postgres and with sqlx, and with more
//! and more accounts. No other part builds the rivals. Server, load and `PostgreSQL` share the
//! machine, so processor time per request compares best.

use std::process::Stdio;

use accountservice_postgres_server::Postgres;
use anyhow::{Context, Result};

use super::report::{Figure, Findings, Goal, Row, grouped};
use super::rounds::{Entry, measure};
use super::server::{Peer, Server};
use super::{Bench, float};
use crate::command::{command, read, target};
use crate::requests::Requests;
use crate::service::{self, SEEDED, Service};

/// The last one is that of the comparison.
const ACCOUNTS: [u64; 4] = [100, 10_000, 1_000_000, 100_000];
/// Rivals and the connections of their pools.
const RIVALS: [(&str, Option<&str>); 4] =
    [("deadpool", Some("4")), ("sqlx", Some("4")), ("deadpool", None), ("sqlx", None)];

pub(super) fn run(bench: &Bench) -> Result<Findings> {
    let postgres = Postgres::start().context("PostgreSQL or PgBouncer is not installed")?;
    let binary = bench.artifacts.shared()?;
    let rivals = target().join("rivals");
    let build =
        ["build", "--release", "--locked", "--manifest-path=xtask/verify/rivals/Cargo.toml"];
    let mut build = command("cargo", &build);
    read(build.arg("--target-dir").arg(&rivals).stderr(Stdio::inherit()))?;
    let (mut servers, mut url) = (Vec::new(), String::new());
    for accounts in ACCOUNTS {
        let database = format!("bench_{accounts}");
        postgres.query("postgres", &format!("CREATE DATABASE {database} OWNER app"));
        url = postgres.url("").replace("/accounts", &format!("/{database}"));
        let args = [&*format!("--database={url}"), &format!("--accounts={accounts}")];
        Service::start(&mut service::command(binary, &bench.scratch.path, &args))?.entry(SEEDED)?;
        postgres.query(&database, "VACUUM ANALYZE");
        servers.push(Server::ours(binary, &bench.scratch.path, &[args[0], "--accounts=0"])?);
    }
    for (name, connections) in RIVALS {
        let called = format!("axum, {name}, {}", connections.unwrap_or("its default"));
        let args = [Some(url.as_str()), connections].into_iter().flatten().map(str::to_owned);
        let rival =
            Peer { name: called, binary: rivals.join("release").join(name), args: args.collect() };
        servers.push(Server::peer(&rival, &bench.scratch.path)?);
    }
    let mut findings = Findings::default();
    for (setting, connections) in [("l64", 64), ("l512", 512)] {
        let entry = |(server, accounts)| Entry {
            setting: format!("{setting}, {} accounts", grouped(float(accounts))),
            server,
            connections,
            requests: Requests::Accounts(accounts),
        };
        let compared: Vec<_> = servers[3..].iter().map(|server| entry((server, 100_000))).collect();
        let rows = measure(bench, &compared)?;
        findings.figures.extend(goals(setting, &rows));
        findings.rows.extend(rows);
        let growth: Vec<_> = servers.iter().zip(ACCOUNTS).take(3).map(entry).collect();
        findings.rows.extend(measure(bench, &growth)?);
    }
    Ok(findings)
}

/// The service, which is the first row, beside the rival with the highest rate.
fn goals(setting: &str, rows: &[Row]) -> Vec<Figure> {
    let by_rate = |a: &&Row, b: &&Row| a.requests_per_second.total_cmp(&b.requests_per_second);
    let Some(best) = rows[1..].iter().max_by(by_rate) else { return Vec::new() };
    let figure = |what: &str, of: fn(&Row) -> f64, goal| {
        let name = format!("{setting}: {what}, of the best rival's");
        Figure::new(name, of(&rows[0]) / of(best), "×").goal(goal)
    };
    vec![
        figure("requests/s", |row| row.requests_per_second, Goal::AtLeast(1.5)),
        figure("processor time", |row| row.cpu_us_per_request, Goal::AtMost(0.7)),
        figure("p99", |row| row.p99_us, Goal::AtMost(1.0)),
    ]
}
