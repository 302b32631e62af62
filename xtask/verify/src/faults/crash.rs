//! SIGKILL at random moments: what was reported is there, and nothing is half there.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::process::{Process, SOON, Service};
use super::{Fault, Observed, Scene};
use crate::load::{Client, Crowd, Manner};

pub(super) const FAULTS: [Fault; 2] =
    [("SIGKILL while seeding", while_seeding), ("SIGKILL while serving", while_serving)];

/// How many rounds share a file before one begins without.
const ROUNDS_PER_FILE: usize = 4;
/// Few enough for many rounds; each adds so many to the file.
const FEW: u64 = 3_000;
/// Enough for the engine's pages to go beyond its cache.
const MANY: u64 = 200_000;

/// What the kills hit.
#[derive(Default)]
struct Hits {
    before: u32,
    reported: u32,
    read: u64,
}

fn while_seeding(scene: &Scene) -> Observed {
    let rounds = scene.count(20, 200);
    scene.does(format!(
        "{rounds} times: seed {FEW} accounts more, every twentieth time {MANY}, kill it within the time that \
         takes, start it again and read; seed {}",
        scene.seed
    ));
    let (mut random, mut hits) = (Random(scene.seed), Hits::default());
    let (mut accounts, mut folder) = (0, scene.folder("seeding")?);
    for round in 0..rounds {
        let large = round % 20 == 9;
        if large || round % ROUNDS_PER_FILE == 0 || accounts >= MANY {
            accounts = 0;
            folder = scene.folder(&format!("seeding-{round}"))?;
        }
        let there = accounts;
        accounts += if large { MANY } else { FEW };
        let within = seeding_takes(scene, &folder, there, accounts)?;
        let before = format!("--accounts={accounts}");
        let process = Process::start(&mut scene.service(&folder, &[&before]))?;
        thread::sleep(random.below(within));
        let said = process.kill()?;
        let reported = said.iter().any(|line| line.contains("Seeded"));
        hits.reported += u32::from(reported);
        hits.before += u32::from(!reported);
        let checked = Check { accounts, there, reported }.run(scene, &folder, &mut random);
        hits.read += checked.with_context(|| {
            format!("round {round}, {there} accounts and {} more", accounts - there)
        })?;
        if large || (round + 1) % ROUNDS_PER_FILE == 0 {
            fs::remove_dir_all(&folder)?;
        }
    }
    let Hits { before, reported, read } = hits;
    Ok(format!(
        "killed {before} times before and {reported} times after the report; all {rounds} times it \
         started again, all or nothing was added, and all of {read} accounts read were right"
    ))
}

fn while_serving(scene: &Scene) -> Observed {
    let rounds = scene.count(20, 200);
    scene.does(format!(
        "{rounds} times: serve {FEW} accounts to 8 clients at full speed, kill it within 200 ms, start it \
         again and read; seed {}",
        scene.seed
    ));
    let (mut random, mut read) = (Random(!scene.seed), 0);
    let folder = scene.folder("serving")?;
    let accounts = format!("--accounts={FEW}");
    for round in 0..rounds {
        let service = Service::start(&mut scene.service(&folder, &[&accounts]))?;
        let crowd = Crowd::gather(service.at, 8, 2, Manner::Leave);
        thread::sleep(random.below(Duration::from_millis(200)));
        service.process.kill()?;
        crowd.dismiss();
        let check = Check { accounts: FEW, there: FEW, reported: true };
        let checked = check.run(scene, &folder, &mut random);
        read += checked.with_context(|| format!("round {round}"))?;
    }
    Ok(format!("all {rounds} times it started again; all of {read} accounts read were right"))
}

/// How long an undisturbed start with these accounts takes, tried on a copy.
fn seeding_takes(scene: &Scene, folder: &Path, there: u64, accounts: u64) -> Result<Duration> {
    let copy = scene.folder("undisturbed")?;
    if there > 0 {
        fs::copy(folder.join("accounts.db"), copy.join("accounts.db"))?;
    }
    let (start, accounts) = (Instant::now(), format!("--accounts={accounts}"));
    let service = Service::start(&mut scene.service(&copy, &[&accounts]))?;
    let took = start.elapsed();
    drop(service);
    fs::remove_dir_all(copy)?;
    // A little more, so that some kills hit a service that has just begun to serve.
    Ok(took + took / 4)
}

/// What has to be there after a kill.
struct Check {
    accounts: u64,
    there: u64,
    /// All of them were reported, not only those that had been there.
    reported: bool,
}

impl Check {
    /// Starts the service again, asks for the accounts, and counts the answers.
    fn run(&self, scene: &Scene, folder: &Path, random: &mut Random) -> Result<u64> {
        let accounts = format!("--accounts={}", self.accounts);
        let mut command = scene.service(folder, &[&accounts, "--log-level=debug"]);
        let mut process = Process::start(&mut command)?;
        let line = process.says("of them were new", SOON)?;
        let new = line.split_whitespace().rev().nth(4).unwrap_or_default();
        let new: u64 = new.parse().with_context(|| format!("no number in {line:?}"))?;
        let added = self.accounts - self.there;
        ensure!(
            new == 0 || new == added,
            "{new} of {added} accounts were missing: not all or none"
        );
        ensure!(new == 0 || !self.reported, "{added} reported accounts are lost");
        drop(process);

        let service = Service::start(&mut scene.service(folder, &[&accounts]))?;
        let mut client = Client::connect(service.at)?;
        let sample: Vec<u64> = if self.accounts <= 4 * FEW {
            (0..self.accounts).collect()
        } else {
            let any = (0..2_000).map(|_| random.number() % self.accounts);
            [0, self.accounts - 1].into_iter().chain(any).collect()
        };
        for number in &sample {
            let (id, name) = (10_000 + number, format!("\"name\":\"Person_{number}\""));
            let reply = client.ask(&format!("/accounts/{id}"))?;
            ensure!(reply.status == 200 && reply.has(&name), "account {id}: {}", reply.text);
        }
        let beyond = client.ask(&format!("/accounts/{}", 10_000 + self.accounts))?.status;
        ensure!(beyond == 404, "the account after the last one: {beyond}");
        Ok(sample.len() as u64)
    }
}

/// Moments that a number repeats: `SplitMix64`.
struct Random(u64);

impl Random {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: Duration) -> Duration {
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.number() % micros.max(1))
    }
}
