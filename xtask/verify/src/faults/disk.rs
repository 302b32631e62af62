//! The file and the file system under the database: full, removed, cut short, damaged, read-only.

use std::fs;
use std::path::Path;
use std::process::Command;

use accountservice_host::testing::{Client, Process};
use anyhow::{Context, Result, bail, ensure};

use super::{Fault, Observed, Run, Skipped};
use crate::cleanup::Cleanup;
use crate::command::{command, read};
use crate::requests::FIRST;
use crate::service::Service;

pub(super) const FAULTS: [Fault; 7] = [
    ("Disk full while seeding", full),
    ("File size limit while seeding", size_limit),
    ("Database file removed while running", removed),
    ("Small database file truncated while running", |run| truncated(run, 100)),
    ("Large database file truncated while running", |run| truncated(run, 400_000)),
    ("Read-only file system", read_only),
    ("Damaged database file at the start", damaged),
];

const LARGE: &str = "--accounts=400000";

fn full(run: &Run) -> Observed {
    run.does("a file system of 2 MiB with 100 accounts; seed 400,000");
    let folder = run.scratch.folder("full")?;
    let _mount = mount(&folder, "2m")?;
    drop(run.serve(&folder, &[])?);
    keeps_accounts(run, &folder, &mut run.service(&folder, &[LARGE]))
}

fn size_limit(run: &Run) -> Observed {
    run.does("files of at most 3 MiB (RLIMIT_FSIZE, SIGXFSZ ignored), 100 accounts; seed 400,000");
    let folder = run.scratch.folder("limit")?;
    drop(run.serve(&folder, &[])?);
    let limited = run.limited("--fsize=3145728:3145728", &folder, &[LARGE]);
    let mut ignoring = Command::new("env");
    ignoring.arg("--ignore-signal=XFSZ").arg(limited.get_program()).args(limited.get_args());
    keeps_accounts(run, &folder, ignoring.current_dir(&folder))
}

fn removed(run: &Run) -> Observed {
    run.does("remove accounts.db under the running process, then start again");
    let folder = run.scratch.folder("removed")?;
    let service = run.serve(&folder, &[])?;
    fs::remove_file(folder.join("accounts.db"))?;
    let seen = truthful(run, &service, 100)?;
    drop(service);
    run.serve(&folder, &[])?.has_accounts(100)?;
    Ok(format!("{seen}; the next start makes a new file"))
}

fn truncated(run: &Run, accounts: u64) -> Observed {
    run.does(format!("cut accounts.db to 0 bytes under the running process, {accounts} accounts"));
    let folder = run.scratch.folder(format!("cut-{accounts}"))?;
    let mut service = run.serve(&folder, &[&format!("--accounts={accounts}")])?;
    // A probe came before, as on an engine: what it read may still be in the store's cache.
    let (before, _) = run.probe(service.address)?;
    ensure!(before == Some(0), "it is not healthy to begin with");
    let file = folder.join("accounts.db");
    fs::File::options().write(true).open(&file)?.set_len(0)?;
    let seen = truthful(run, &service, accounts)?;
    service.process.signal("TERM");
    let (status, _) = service.process.wait();
    ensure!(status.success(), "at SIGTERM it ended with {status}");
    Ok(format!("{seen}; SIGTERM: exit status 0"))
}

fn read_only(run: &Run) -> Observed {
    run.does("a database on a file system that is then made read-only; start");
    let folder = run.scratch.folder("read-only")?;
    let _mount = mount(&folder, "8m")?;
    drop(run.serve(&folder, &[])?);
    read(command("mount", &["--options=remount,ro"]).arg(&folder))?;
    let before = fs::read(folder.join("accounts.db"))?;
    let refused = refuses(&mut run.service(&folder, &[]), run)?;
    ensure!(fs::read(folder.join("accounts.db"))? == before, "the file has changed");
    let other = refuses(&mut run.service(&folder, &["--database=new.db"]), run)?;
    Ok(format!("{refused}; without a file: {other}"))
}

fn damaged(run: &Run) -> Observed {
    run.does(
        "cut in half, zeros after the start, other bytes at the start, text, empty folder; start",
    );
    let folder = run.scratch.folder("damaged")?;
    drop(run.serve(&folder, &["--accounts=3000"])?);
    let file = folder.join("accounts.db");
    let whole = fs::read(&file)?;
    let half = whole[..whole.len() / 2].to_vec();
    let (mut zeros, mut start) = (whole.clone(), whole);
    zeros[4096..].fill(0);
    start[..64].fill(0x5a);
    let cases = [half, zeros, start, b"accounts: none\n".to_vec()];
    let mut said = Vec::new();
    for bytes in &cases {
        fs::write(&file, bytes)?;
        said.push(refuses(&mut run.service(&folder, &[]), run)?);
        ensure!(fs::read(&file)? == *bytes, "the file has changed after {:?}", said.last());
    }
    fs::remove_file(&file)?;
    fs::create_dir(&file)?;
    said.push(refuses(&mut run.service(&folder, &[]), run)?);
    said.dedup();
    Ok(format!(
        "{} times exit status 1, one line, the file as it was: {}",
        cases.len() + 1,
        said.join("; ")
    ))
}

/// The start is refused, and the next one finds the 100 accounts.
fn keeps_accounts(run: &Run, folder: &Path, start: &mut Command) -> Observed {
    let refused = refuses(start, run)?;
    run.serve(folder, &[])?.has_accounts(100)?;
    Ok(format!("{refused}; the 100 accounts are there and served"))
}

/// It ends with 1 and one line that says why.
fn refuses(command: &mut Command, run: &Run) -> Observed {
    let (status, errors) = Process::spawn(command)?.wait();
    let [line] = errors.lines().collect::<Vec<_>>()[..] else { bail!("{status}: {errors}") };
    ensure!(status.code() == Some(1), "it ended with {status} and printed {line}");
    let line = line.replace(&run.scratch.path.display().to_string(), "");
    Ok(format!("exit status 1, `{}`", line.trim_start_matches("accountservice: ")))
}

/// Accounts from all over the file are served or unavailable, and `/health` and the probe say UP
/// only if all are served.
fn truthful(run: &Run, service: &Service, accounts: u64) -> Observed {
    let mut client = Client::connect(service.address);
    let (mut served, mut failed) = (0, 0);
    for number in 0..200 {
        let id = FIRST + number * accounts / 200;
        match client.get(&format!("/accounts/{id}")).status().as_u16() {
            200 => served += 1,
            503 => failed += 1,
            other => bail!("account {id}: {other}, neither served nor unavailable"),
        }
    }
    let health = client.get("/health");
    let (probe, _) = run.probe(service.address)?;
    let figures = format!(
        "of 200 accounts {served} served, {failed} 503; health {} {}, probe {}",
        health.status().as_u16(),
        String::from_utf8_lossy(health.body()),
        probe.unwrap_or(-1)
    );
    let is_up = health.status() == 200;
    ensure!((failed == 0) == is_up, "/health does not say so: {figures}");
    ensure!((probe == Some(0)) == is_up, "the probe does not say so: {figures}");
    Ok(figures)
}

/// A small file system in memory, where mounting is allowed.
fn mount(folder: &Path, size: &str) -> Result<Cleanup> {
    let (place, size) = (folder.display().to_string(), format!("--options=size={size}"));
    read(&mut command("mount", &["--types=tmpfs", &size, "tmpfs", &place]))
        .context(Skipped("no file system may be mounted"))?;
    let mut unmount = command("umount", &["--lazy", &place]);
    Ok(Cleanup::new(move || drop(unmount.output())))
}
