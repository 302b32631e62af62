//! Samples taken in turn, so that whatever changes on the machine meets all servers alike: A B C, then
//! C B A, and so on; of each the median.

use std::mem;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Result;
use procfs::{CurrentSI, KernelStats};

use super::report::Row;
use super::server::{FLOOR, Server, on};
use super::{Bench, float};
use crate::load::{LoadGenerator, Reconnect, latencies, lock};
use crate::requests::Requests;
use crate::usage::{Usage, ticks};

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
    /// Processor time of other processes, in percent of one core.
    others: f64,
}

/// Takes the samples of `part`.
pub(super) fn measure(bench: &Bench, part: &'static str, entries: &[Entry]) -> Result<Vec<Row>> {
    let mut samples: Vec<_> = entries.iter().map(|_| Vec::new()).collect();
    for round in 0..bench.rounds {
        let mut order: Vec<_> = entries.iter().zip(&mut samples).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for (entry, samples) in order {
            eprint!("\r  {part}, {}: round {} of {}   ", entry.setting, round + 1, bench.rounds);
            samples.push(take(bench, entry)?);
        }
    }
    eprintln!();
    let rows = entries.iter().zip(&samples).map(|(entry, samples)| row(part, entry, samples));
    Ok(compare_to_floor(rows.collect()))
}

/// Of an even number the lower one of the two in the middle, so that it is one that was measured.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

fn take(bench: &Bench, entry: &Entry) -> Result<Sample> {
    let Entry { server, connections, requests, .. } = *entry;
    on(bench.cores.load, || {
        let mut load =
            LoadGenerator::new(server.address(), connections, requests, Reconnect::Never)?;
        let (counts, mut latencies) = (Mutex::default(), latencies());
        let warm = Instant::now() + WARM_UP;
        load.run(&counts, &mut latencies, |now| now > warm)?;
        let errors = lock(&counts).errors();
        mem::take(&mut *lock(&counts));
        latencies.reset();

        let look = || {
            let all = KernelStats::current()?.total;
            let all =
                [all.user, all.nice, all.system, all.irq.unwrap_or(0), all.softirq.unwrap_or(0)];
            let load = Usage::of(std::process::id())?.cpu;
            Ok::<_, anyhow::Error>([server.usage()?.cpu, load, ticks(all.iter().sum())])
        };
        let (before, end) = (look()?, Instant::now() + bench.sample_time);
        let elapsed = load.run(&counts, &mut latencies, |now| now > end)?.as_secs_f64();
        let after = look()?;
        let [server, load, all] =
            [0, 1, 2].map(|i| after[i].as_secs_f64() - before[i].as_secs_f64());
        let requests = float(lock(&counts).right);
        Ok(Sample {
            rate: requests / elapsed,
            p50: float(latencies.value_at_quantile(0.5)),
            p99: float(latencies.value_at_quantile(0.99)),
            cpu: server * 1e6 / requests,
            others: 100.0 * (all - server - load).max(0.0) / elapsed,
            errors: errors + lock(&counts).errors(),
        })
    })
}

fn row(part: &'static str, entry: &Entry, samples: &[Sample]) -> Row {
    let all = |of: fn(&Sample) -> f64| samples.iter().map(of).collect::<Vec<_>>();
    let rates = all(|sample| sample.rate);
    Row {
        part,
        setting: entry.setting.clone(),
        server: entry.server.name.clone(),
        slowest_sample: rates.iter().copied().fold(f64::INFINITY, f64::min),
        fastest_sample: rates.iter().copied().fold(0.0, f64::max),
        requests_per_second: median(rates),
        percent_of_floor: None,
        p50_us: median(all(|sample| sample.p50)),
        p99_us: median(all(|sample| sample.p99)),
        cpu_us_per_request: median(all(|sample| sample.cpu)),
        percent_of_others: all(|sample| sample.others).into_iter().fold(0.0, f64::max),
        errors: samples.iter().map(|sample| sample.errors).sum(),
    }
}

/// Ratios of medians, within the same setting.
fn compare_to_floor(mut rows: Vec<Row>) -> Vec<Row> {
    let floors = rows.iter().filter(|row| row.server == FLOOR);
    let floors: Vec<_> = floors.map(|row| (row.setting.clone(), row.requests_per_second)).collect();
    for row in &mut rows {
        let floor = floors.iter().find(|(setting, _)| *setting == row.setting);
        row.percent_of_floor = floor.map(|(_, floor)| 100.0 * row.requests_per_second / floor);
    }
    rows
}
