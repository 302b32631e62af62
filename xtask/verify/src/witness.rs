//! A client that never stops asking, for `e2e`: it counts the rounds in which nobody answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::command::read;
use crate::docker::{docker, json};
use crate::http;

/// The pause between two rounds: a bounded load that sees any gap a person would.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct Witness {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Record>,
}

#[derive(Default)]
struct Record {
    rounds: u32,
    failures: Vec<String>,
}

impl Witness {
    /// Asks exactly these; each must answer each time.
    pub(crate) fn of_each(addresses: Vec<String>) -> Self {
        Self::start(move || addresses.iter().find_map(|address| refusal(address)))
    }

    /// Asks whoever is in the network at that time; one must answer, as a client that was told all
    /// addresses would find one.
    pub(crate) fn of_any(service: &'static str) -> Self {
        Self::start(move || {
            let addresses = match addresses(service) {
                Ok(addresses) => addresses,
                Err(error) => return Some(format!("{error:#}")),
            };
            let refusals: Vec<_> =
                addresses.iter().map_while(|(_, address)| refusal(address)).collect();
            (refusals.len() == addresses.len()).then(|| format!("nobody: {refusals:?}"))
        })
    }

    fn start(round: impl Fn() -> Option<String> + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let (mut record, start) = (Record::default(), Instant::now());
            while !stopped.load(Ordering::Relaxed) {
                record.rounds += 1;
                let refused = round();
                let at = start.elapsed().as_secs_f64();
                record.failures.extend(refused.map(|why| format!("{at:.2} s: {why}")));
                thread::sleep(PAUSE);
            }
            record
        });
        Self { stop, thread }
    }

    /// Ends it; every round must have been answered.
    pub(crate) fn was_always_answered(self) -> Result<String> {
        self.stop.store(true, Ordering::Relaxed);
        let Ok(Record { rounds, failures }) = self.thread.join() else {
            anyhow::bail!("the witness panicked");
        };
        ensure!(rounds > 0, "the witness asked nothing");
        let examples: Vec<_> = failures.iter().take(5).cloned().collect();
        let count = failures.len();
        ensure!(count == 0, "{count} of {rounds} rounds without an answer: {examples:#?}");
        Ok(format!("{rounds} rounds, all answered"))
    }
}

/// The containers of a service on this node and where the host reaches them: their place on the
/// bridge by which an overlay network's containers reach the outside.
pub(crate) fn addresses(service: &str) -> Result<Vec<(String, String)>> {
    let filter = format!("--filter=label=com.docker.swarm.service.name={service}");
    let ours = read(docker(["ps", "--quiet", "--no-trunc"]).arg(filter))?;
    let inspect = ["network", "inspect", "--format={{json .Containers}}", "docker_gwbridge"];
    let bridge: Value = json(&mut docker(inspect))?;
    let bridge = bridge.as_object().context("docker_gwbridge has no containers")?;
    let ours = ours.lines().filter_map(|id| {
        let address = bridge.get(id)?.get("IPv4Address")?.as_str()?.split('/').next()?;
        Some((id.to_owned(), format!("{address}:6767")))
    });
    Ok(ours.collect())
}

/// Why an address did not answer, if it did not.
fn refusal(address: &str) -> Option<String> {
    match http::get(address, "/accounts/10000") {
        Ok(answer) if answer.status == 200 => None,
        Ok(answer) => Some(format!("{address}: {} {}", answer.status, answer.body)),
        Err(error) => Some(format!("{address}: {error:#}")),
    }
}
