//! SIGKILL at random moments: accounts that were reported as seeded are there, and a seeding leaves
//! all or none of its accounts. The seed of a run repeats its moments.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use accountservice_host::testing::Process;
use anyhow::{Context, Result, ensure};
use fastrand::Rng;

use super::{Fault, Observed, Run};
use crate::load::Reconnect;
use crate::pool::ClientPool;
use crate::service::SEEDED;

pub(super) const FAULTS: [Fault; 2] =
    [("SIGKILL while seeding", while_seeding), ("SIGKILL while serving", while_serving)];

/// Few enough for many rounds.
const FEW: u64 = 3_000;
/// Enough for the store's pages to go beyond its cache.
const MANY: u64 = 200_000;

fn while_seeding(run: &Run) -> Observed {
    let rounds = run.count(20, 200);
    run.does(format!(
        "{rounds} times: seed {FEW} accounts more, every twentieth time {MANY}, kill it within the time that \
         takes, start it again and read; seed {}",
        run.seed
    ));
    let mut random = Rng::with_seed(run.seed);
    let (mut accounts, mut folder) = (0, run.scratch.folder("seeding")?);
    let (mut reported, mut read) = (0, 0);
    for round in 0..rounds {
        if round % 4 == 0 {
            accounts = 0;
            folder = run.scratch.folder(format!("seeding-{round}"))?;
        }
        let before = accounts;
        accounts += if round % 20 == 8 { MANY } else { FEW };
        let time = seeding_takes(run, &folder, accounts)?;
        let flag = format!("--accounts={accounts}");
        let mut process = Process::spawn(&mut run.service(&folder, &[&flag]))?;
        thread::sleep(time.mul_f64(random.f64()));
        process.kill();
        let is_reported = process.log().iter().any(|line| line.contains(SEEDED));
        reported += u32::from(is_reported);
        let due = if is_reported { accounts } else { before };
        let checked = check(run, &folder, before, accounts, due);
        read += checked.with_context(|| format!("round {round}, {before} of {accounts} before"))?;
    }
    Ok(format!(
        "killed {reported} times after the report of the seeding; all {rounds} times it started again, \
         all or nothing was added, and all of {read} accounts read were right"
    ))
}

fn while_serving(run: &Run) -> Observed {
    let rounds = run.count(20, 200);
    run.does(format!(
        "{rounds} times: serve {FEW} accounts to 8 clients at full speed, kill it within 200 ms, start it \
         again and read; seed {}",
        run.seed
    ));
    let (mut random, mut read) = (Rng::with_seed(!run.seed), 0);
    let folder = run.scratch.folder("serving")?;
    for round in 0..rounds {
        let mut service = run.serve(&folder, &[&format!("--accounts={FEW}")])?;
        let pool = ClientPool::start(service.address, 8, Reconnect::Never)?;
        thread::sleep(Duration::from_millis(200).mul_f64(random.f64()));
        service.process.kill();
        pool.stop()?;
        let checked = check(run, &folder, FEW, FEW, FEW);
        read += checked.with_context(|| format!("round {round}"))?;
    }
    Ok(format!("all {rounds} times it started again; all of {read} accounts read were right"))
}

/// How long an undisturbed start with these accounts takes, tried on a copy. A little more, so that
/// some kills hit a service that has just begun to serve.
fn seeding_takes(run: &Run, folder: &Path, accounts: u64) -> Result<Duration> {
    let copy = run.scratch.folder("undisturbed")?;
    // There is no file yet before the first seeding.
    let _ = fs::copy(folder.join("accounts.db"), copy.join("accounts.db"));
    let start = Instant::now();
    drop(run.serve(&copy, &[&format!("--accounts={accounts}")])?);
    let took = start.elapsed();
    fs::remove_dir_all(copy)?;
    Ok(took + took / 4)
}

/// Starts the service again after a seeding of more accounts than `before`, of which at least those
/// that are `due` have to be there. Returns how many accounts it has read.
fn check(run: &Run, folder: &Path, before: u64, accounts: u64, due: u64) -> Result<u64> {
    let mut service = run.serve(folder, &[&format!("--accounts={accounts}")])?;
    let entry = service.entry(SEEDED)?;
    let there = match entry.split_once('(') {
        None => 0,
        Some((_, "all were there)")) => accounts,
        Some((_, some)) => some.split(' ').next().unwrap_or_default().parse()?,
    };
    ensure!(there >= due, "of {due} reported accounts {there} are there");
    ensure!(there == before || there == accounts, "{there} are there: not all, not none");
    service.has_accounts(accounts)
}
