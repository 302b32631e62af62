//! Samples taken in turn, so that whatever changes on the machine meets all alike: A B C, then C B A,
//! and so on; of each the median. A sample that others disturbed is taken again.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::load::{Answers, Load, Shape};
use super::report::Row;
use super::server::{Cores, FLOOR, Server, Usage, busy, on, own};
use super::statistics::median;
use super::{Bench, float};

/// What others may use of one core during a sample, and how often it is taken again if they use more.
const OTHERS: f64 = 0.08;
const RETRIES: usize = 4;
const PAUSE: Duration = Duration::from_secs(2);
/// How long connections are in use before a sample: what the first requests of one cost is not what a
/// request costs.
const WARM_UP: Duration = Duration::from_millis(100);

/// One that is measured: as what, who, and how it is asked.
pub(super) struct Entry<'a> {
    pub(super) setting: String,
    pub(super) server: &'a Server,
    pub(super) shape: Shape,
}

/// Where the load runs.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// In one thread on the second core.
    Apart,
    /// In two threads on the cores that the servers have.
    Together,
}

struct Sample {
    rate: f64,
    p50: f64,
    p99: f64,
    cpu: f64,
    user: f64,
    slowest: f64,
    errors: u64,
    /// Processor time of other processes, as a share of one core.
    others: f64,
}

/// Takes the samples of `part`.
pub(super) fn measure(
    bench: &Bench,
    part: &'static str,
    entries: &[Entry],
    place: Place,
) -> Result<Vec<Row>> {
    let mut what: Vec<_> = entries.iter().map(|entry| entry.setting.as_str()).collect();
    what.dedup();
    let what = what.join(", ");
    let warm_up = bench.time.min(Duration::from_secs(1));
    for entry in entries {
        take(entry, place, bench.cores, warm_up)?;
    }
    let mut samples: Vec<(Vec<Sample>, usize)> = entries.iter().map(|_| (Vec::new(), 0)).collect();
    for round in 0..bench.rounds {
        eprintln!("  {what}: round {} of {}", round + 1, bench.rounds);
        let mut order: Vec<usize> = (0..entries.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for number in order {
            let (taken, retries) = &mut samples[number];
            let mut sample = take(&entries[number], place, bench.cores, bench.time)?;
            let mut others = sample.others;
            for _ in 0..RETRIES {
                if sample.others <= OTHERS || sample.errors > 0 {
                    break;
                }
                *retries += 1;
                let percent = 100.0 * others;
                eprintln!("    others used {percent:.0} % of a core; the sample is taken again");
                thread::sleep(PAUSE);
                let again = take(&entries[number], place, bench.cores, bench.time)?;
                others = again.others;
                if again.errors > 0 || again.others < sample.others {
                    sample = again;
                }
            }
            taken.push(sample);
        }
    }
    let rows = entries.iter().zip(&samples).map(|(entry, (samples, retries))| {
        let of = |figure: fn(&Sample) -> f64| samples.iter().map(figure).collect::<Vec<_>>();
        let (rates, p99s_us) = (of(|sample| sample.rate), of(|sample| sample.p99));
        Row {
            part,
            setting: entry.setting.clone(),
            server: entry.server.name.clone(),
            requests_per_second: median(&rates),
            slowest_sample: rates.iter().copied().fold(f64::INFINITY, f64::min),
            fastest_sample: rates.iter().copied().fold(0.0, f64::max),
            percent_of_floor: None,
            p50_us: median(&of(|sample| sample.p50)),
            p99_us: median(&p99s_us),
            cpu_us_per_request: median(&of(|sample| sample.cpu)),
            user_us_per_request: median(&of(|sample| sample.user)),
            slowest_connection_percent: median(&of(|sample| sample.slowest)),
            errors: samples.iter().map(|sample| sample.errors).sum(),
            retries: *retries,
            disturbed: samples.iter().filter(|sample| sample.others > OTHERS).count(),
            rates,
            p99s_us,
        }
    });
    Ok(compare_to_floor(rows.collect()))
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

fn take(entry: &Entry, place: Place, cores: Cores, time: Duration) -> Result<Sample> {
    let id = entry.server.process.id();
    let Cores([_, apart]) = cores;
    let (at, shape) = (entry.server.at, entry.shape);
    let mut loads: Vec<_> = match place {
        Place::Apart => vec![on(&[apart], || Load::connect(at, shape))?],
        Place::Together => {
            (0..2).map(|number| Load::connect(at, shape.part(number, 2))).collect::<Result<_>>()?
        }
    };
    let mut run = |time| match place {
        Place::Apart => on(&[apart], || drive(&mut loads, time)),
        Place::Together => on(&cores.0, || drive(&mut loads, time)),
    };
    run(WARM_UP)?;
    let look = || Ok::<_, anyhow::Error>((Usage::of(id)?, own()?, busy()?));
    let (server, load, all) = look()?;
    let answers = run(time)?;
    let (server_after, load_after, all_after) = look()?;
    let used = server_after.since(server);
    let (requests, seconds) = (float(answers.requests.max(1)), answers.elapsed.as_secs_f64());
    let cpu = used.run.as_secs_f64() * 1e6 / requests;
    let known = used.run + load_after.saturating_sub(load);
    let others = all_after.saturating_sub(all).as_secs_f64() - known.as_secs_f64();
    let mean = requests / float(answers.each.len() as u64);
    let slowest = answers.each.iter().min().copied().unwrap_or_default();
    Ok(Sample {
        rate: requests / seconds,
        p50: answers.latency.percentile(50).into(),
        p99: answers.latency.percentile(99).into(),
        cpu,
        user: cpu * used.user_share(),
        slowest: 100.0 * float(slowest) / mean,
        errors: answers.wrong + answers.lost,
        others: others / seconds,
    })
}

/// Each in a thread of its own, all at once.
fn drive(loads: &mut [Load], time: Duration) -> Result<Answers> {
    thread::scope(|scope| {
        let threads: Vec<_> =
            loads.iter_mut().map(|load| scope.spawn(move || load.run(time))).collect();
        let mut all = Answers::default();
        for thread in threads {
            all.add(&thread.join().expect("a load does not panic")?);
        }
        Ok(all)
    })
}
