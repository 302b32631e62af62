//! Clients in the background, which send requests until they are stopped, while `faults` and `soak`
//! do something to the service.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use accountservice_host::testing::eventually;
use anyhow::Result;

use crate::load::{Counts, LoadGenerator, Reconnect, latencies};
use crate::requests::Requests;

/// More than one, since a connect blocks its thread for a moment.
const THREADS: usize = 4;

pub(crate) struct ClientPool {
    counts: Arc<Mutex<Counts>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl ClientPool {
    /// Clients that send mixed requests at full speed.
    pub(crate) fn start(address: SocketAddr, count: usize, reconnect: Reconnect) -> Result<Self> {
        Self::paced(address, count, Requests::Mixed, reconnect, None)
    }

    /// Clients that send these requests; all of a thread pause between two requests.
    pub(crate) fn paced(
        address: SocketAddr,
        count: usize,
        requests: Requests,
        reconnect: Reconnect,
        pause: Option<Duration>,
    ) -> Result<Self> {
        let mut pool = Self { counts: Arc::default(), stop: Arc::default(), threads: Vec::new() };
        for number in 0..THREADS {
            let share = count / THREADS + usize::from(number < count % THREADS);
            let mut load = LoadGenerator::new(address, share, requests, reconnect)?;
            let (counts, stop) = (Arc::clone(&pool.counts), Arc::clone(&pool.stop));
            pool.threads.push(thread::spawn(move || {
                let (is_over, mut latencies) = (|| stop.load(Ordering::Relaxed), latencies());
                loop {
                    load.run(&counts, &mut latencies, |_| pause.is_some() || is_over())?;
                    match pause {
                        Some(pause) if !is_over() => thread::sleep(pause),
                        _ => return Ok(()),
                    }
                }
            }));
        }
        Ok(pool)
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts.lock().expect("no panic").clone()
    }

    /// Waits until this many responses were right.
    pub(crate) fn wait_for(&self, right: usize) {
        eventually("enough responses are right", || self.counts().right >= right as u64);
    }

    /// Waits until the service has ended all connections.
    pub(crate) fn wait_for_end(&self) {
        eventually("all clients leave", || self.threads.iter().all(JoinHandle::is_finished));
    }

    /// Sends no more requests and waits for the responses that are due.
    pub(crate) fn stop(mut self) -> Result<Counts> {
        self.join().into_iter().collect::<Result<()>>()?;
        Ok(self.counts())
    }

    fn join(&mut self) -> Vec<Result<()>> {
        self.stop.store(true, Ordering::Relaxed);
        let threads = self.threads.drain(..);
        threads.map(|thread| thread.join().expect("a client does not panic")).collect()
    }
}

impl Drop for ClientPool {
    fn drop(&mut self) {
        self.join();
    }
}

pub(crate) fn per_second(count: u64, time: Duration) -> u128 {
    u128::from(count) * 1_000 / time.as_millis().max(1)
}
