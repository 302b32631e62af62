//! Samples taken in turn, so that whatever changes on the machine meets all servers alike: A B C,
//! then C B A, and so on; of each the median.

use std::time::Duration;

use anyhow::Result;

use super::report::Row;
use super::server::{FLOOR, Server, on};
use super::{Bench, float};
use crate::load::{LoadGenerator, Reconnect, latencies};
use crate::requests::Requests;

/// How long connections are in use before a sample: the first requests of a connection cost more.
const WARM_UP: Duration = Duration::from_millis(100);

/// A server and its load.
pub(super) struct Entry<'a> {
    pub(super) setting: String,
    pub(super) server: &'a Server,
    pub(super) connections: usize,
    pub(super) requests: Requests,
}

struct Sample {
    rate: f64,
    p50: f64,
    p99: f64,
    cpu: f64,
    errors: u64,
}

/// Takes the samples. If the floor is one of the servers, all entries have the same setting.
pub(super) fn measure(bench: &Bench, entries: &[Entry]) -> Result<Vec<Row>> {
    let mut samples: Vec<_> = entries.iter().map(|_| Vec::new()).collect();
    for round in 0..bench.args.rounds {
        let mut order: Vec<_> = entries.iter().zip(&mut samples).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for (entry, samples) in order {
            eprint!("\r  {}: round {} of {}   ", entry.setting, round + 1, bench.args.rounds);
            samples.push(take(bench, entry)?);
        }
    }
    eprintln!();
    let rows = entries.iter().zip(&samples).map(|(entry, samples)| row(entry, samples));
    let mut rows: Vec<_> = rows.collect();
    let floor = rows.iter().find(|row| row.server == FLOOR).map(|row| row.requests_per_second);
    for row in &mut rows {
        row.percent_of_floor = floor.map(|floor| 100.0 * row.requests_per_second / floor);
    }
    Ok(rows)
}

/// Of an even number the lower one of the two in the middle, so that it is one that was measured.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

fn take(bench: &Bench, entry: &Entry) -> Result<Sample> {
    let Entry { server: Server { service, .. }, connections, requests, .. } = *entry;
    on(bench.cores.load, || {
        let mut load =
            LoadGenerator::new(service.address, connections, requests, Reconnect::Never)?;
        let (warm, _) = load.run_for(WARM_UP, &mut latencies())?;
        let (mut latencies, before) = (latencies(), service.usage()?.cpu);
        let (counts, took) = load.run_for(bench.args.seconds, &mut latencies)?;
        let cpu = service.usage()?.cpu.saturating_sub(before);
        let requests = float(counts.right);
        Ok(Sample {
            rate: requests / took.as_secs_f64(),
            p50: float(latencies.value_at_quantile(0.5)),
            p99: float(latencies.value_at_quantile(0.99)),
            cpu: cpu.as_secs_f64() * 1e6 / requests,
            errors: warm.errors() + counts.errors(),
        })
    })
}

fn row(entry: &Entry, samples: &[Sample]) -> Row {
    let all = |of: fn(&Sample) -> f64| samples.iter().map(of).collect::<Vec<_>>();
    let rates = all(|sample| sample.rate);
    Row {
        setting: entry.setting.clone(),
        server: entry.server.name.clone(),
        slowest_sample: rates.iter().copied().fold(f64::INFINITY, f64::min),
        fastest_sample: rates.iter().copied().fold(0.0, f64::max),
        requests_per_second: median(rates),
        percent_of_floor: None,
        p50_us: median(all(|sample| sample.p50)),
        p99_us: median(all(|sample| sample.p99)),
        cpu_us_per_request: median(all(|sample| sample.cpu)),
        errors: samples.iter().map(|sample| sample.errors).sum(),
    }
}
