//! SIGKILL at random moments: accounts that were reported as seeded are there, and a seeding leaves all
//! or none of its accounts. The seed of a run repeats its moments.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;

use super::{Fault, Observed, Run};
use crate::load::Reconnect;
use crate::pool::ClientPool;
use crate::process::{Process, SOON};
use crate::service::{NEW_ACCOUNTS, SEEDED};

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
    let (mut accounts, mut folder) = (0, run.folder("seeding")?);
    let (mut reported, mut read) = (0, 0);
    for round in 0..rounds {
        if round % 4 == 0 {
            accounts = 0;
            folder = run.folder(format!("seeding-{round}"))?;
        }
        let before = accounts;
        accounts += if round % 20 == 8 { MANY } else { FEW };
        let time = seeding_takes(run, &folder, accounts)?;
        let flag = format!("--accounts={accounts}");
        let process = Process::start(&mut run.service(&folder, &[&flag]))?;
        thread::sleep(time.mul_f64(random.f64()));
        let is_reported = process.kill()?.iter().any(|line| line.contains(SEEDED));
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
    let folder = run.folder("serving")?;
    for round in 0..rounds {
        let service = run.serve(&folder, &[&format!("--accounts={FEW}")])?;
        let pool = ClientPool::start(service.address, 8, Reconnect::Never)?;
        thread::sleep(Duration::from_millis(200).mul_f64(random.f64()));
        service.process.kill()?;
        pool.stop()?;
        let checked = check(run, &folder, FEW, FEW, FEW);
        read += checked.with_context(|| format!("round {round}"))?;
    }
    Ok(format!("all {rounds} times it started again; all of {read} accounts read were right"))
}

/// How long an undisturbed start with these accounts takes, tried on a copy. A little more, so that
/// some kills hit a service that has just begun to serve.
fn seeding_takes(run: &Run, folder: &Path, accounts: u64) -> Result<Duration> {
    let copy = run.folder("undisturbed")?;
    for file in fs::read_dir(folder)? {
        let file = file?;
        fs::copy(file.path(), copy.join(file.file_name()))?;
    }
    let start = Instant::now();
    drop(run.serve(&copy, &[&format!("--accounts={accounts}")])?);
    let took = start.elapsed();
    fs::remove_dir_all(copy)?;
    Ok(took + took / 4)
}

/// Starts the service again after a seeding of more accounts than `before`, of which at least those that
/// are `due` have to be there. Returns how many accounts it has read.
fn check(run: &Run, folder: &Path, before: u64, accounts: u64, due: u64) -> Result<u64> {
    let flag = format!("--accounts={accounts}");
    let mut process = Process::start(&mut run.service(folder, &[&flag, "--log-level=debug"]))?;
    let line = process.wait_for(NEW_ACCOUNTS, SOON)?;
    let new = line.split(NEW_ACCOUNTS).next().and_then(|text| text.rsplit(' ').next());
    let new: u64 = new.unwrap_or_default().parse().with_context(|| format!("no number: {line}"))?;
    ensure!(accounts - new >= due, "{new} accounts are lost that had been reported");
    ensure!(new == 0 || new == accounts - before, "{new} were missing: not all, not none");
    drop(process);
    let service = run.serve(folder, &[&flag])?;
    service.has_accounts(accounts)
}
