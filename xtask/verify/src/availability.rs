//! A client that asks again and again, for `e2e`: it counts the rounds without a response.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use crate::docker::addresses;
use crate::service::get;

/// Between two rounds: a bounded load that sees any gap that a person would.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct AvailabilityProbe {
    stop: Arc<AtomicBool>,
    /// The number of rounds, and what went wrong in some of them.
    thread: JoinHandle<(u32, Vec<String>)>,
}

impl AvailabilityProbe {
    /// Each of these addresses must answer in each round.
    pub(crate) fn of_each(addresses: Vec<SocketAddr>) -> Self {
        Self::start(move || addresses.iter().try_for_each(|address| answers(*address)))
    }

    /// One container of the service must answer in each round, as for a client that knows all their
    /// addresses.
    pub(crate) fn of_any(service: &'static str) -> Self {
        Self::start(move || {
            let none = Err(anyhow!("no container"));
            let addresses = addresses(service)?.into_iter();
            addresses.fold(none, |last, (_, address)| last.or_else(|_| answers(address)))
        })
    }

    fn start(round: impl Fn() -> Result<()> + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let (mut rounds, mut failures, start) = (0, Vec::new(), Instant::now());
            while !stopped.load(Ordering::Relaxed) {
                rounds += 1;
                if let Err(error) = round() {
                    failures.push(format!("{:.2} s: {error:#}", start.elapsed().as_secs_f64()));
                }
                thread::sleep(PAUSE);
            }
            (rounds, failures)
        });
        Self { stop, thread }
    }

    /// Stops, and fails if there was a round without a response.
    pub(crate) fn had_no_gap(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let (rounds, failures) = self.thread.join().expect("the probe does not panic");
        let (count, examples) = (failures.len(), &failures[..failures.len().min(5)]);
        ensure!(count == 0, "{count} of {rounds} rounds without a response: {examples:#?}");
        ensure!(rounds > 0, "the probe did not ask");
        println!("    {rounds} rounds, all answered");
        Ok(())
    }
}

fn answers(address: SocketAddr) -> Result<()> {
    let response = get(address, "/accounts/10000").with_context(|| address.to_string())?;
    ensure!(response.status() == 200, "{address}: {response:?}");
    Ok(())
}
