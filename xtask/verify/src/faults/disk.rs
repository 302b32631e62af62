//! The file and the file system under the database: full, gone, cut short, not to be written to.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail, ensure};

use super::process::{Mount, Process, SOON, Service};
use super::{Fault, Observed, Scene, Skipped};
use crate::load::Client;

pub(super) const FAULTS: [Fault; 7] = [
    ("Disk full while seeding", full),
    ("File size limit while seeding", size_limit),
    ("Database file removed while running", removed),
    ("Small database file truncated while running", truncated_small),
    ("Large database file truncated while running", truncated_large),
    ("Read-only file system", read_only),
    ("Damaged database file at the start", damaged),
];

const LARGE: &str = "--accounts=400000";

fn full(scene: &Scene) -> Observed {
    scene.does("a file system of 2 MiB with 100 accounts; seed 400,000");
    let folder = scene.folder("full")?;
    let _mount = mount(&folder, "2m")?;
    drop(Service::start(&mut scene.service(&folder, &[]))?);
    let refused = refuses(&mut scene.service(&folder, &[LARGE]), scene)?;
    has_its_accounts(scene, &folder)?;
    Ok(format!("{refused}; the 100 accounts are there and served"))
}

fn size_limit(scene: &Scene) -> Observed {
    scene
        .does("files of at most 3 MiB (RLIMIT_FSIZE, SIGXFSZ ignored), 100 accounts; seed 400,000");
    let folder = scene.folder("limit")?;
    drop(Service::start(&mut scene.service(&folder, &[]))?);
    let limited = scene.limited("--fsize=3145728:3145728", &folder, &[LARGE]);
    let mut ignoring = Command::new("env");
    ignoring.arg("--ignore-signal=XFSZ").arg(limited.get_program()).args(limited.get_args());
    let refused = refuses(ignoring.current_dir(&folder), scene)?;
    has_its_accounts(scene, &folder)?;
    Ok(format!("{refused}; the 100 accounts are there and served"))
}

fn removed(scene: &Scene) -> Observed {
    scene.does("remove accounts.db under the running process, then start again");
    let folder = scene.folder("removed")?;
    let service = Service::start(&mut scene.service(&folder, &[]))?;
    fs::remove_file(folder.join("accounts.db"))?;
    let seen = truthful(scene, &service, 100)?;
    drop(service);
    has_its_accounts(scene, &folder)?;
    Ok(format!("{seen}; the next start makes a new file"))
}

fn truncated_small(scene: &Scene) -> Observed {
    scene.does("cut accounts.db to 0 bytes under the running process, 100 accounts");
    truncated(scene, "cut", "--accounts=100", 100)
}

fn truncated_large(scene: &Scene) -> Observed {
    scene.does("cut accounts.db to 0 bytes under the running process, 400,000 accounts");
    truncated(scene, "cut-large", LARGE, 400_000)
}

fn truncated(scene: &Scene, name: &str, accounts: &str, count: u64) -> Observed {
    let folder = scene.folder(name)?;
    let service = Service::start(&mut scene.service(&folder, &[accounts]))?;
    // A probe has asked before, as in life: what it read may still be in the engine's cache.
    let (before, ..) = scene.probe(service.at)?;
    ensure!(before == Some(0), "it is not healthy to begin with");
    let file = folder.join("accounts.db");
    fs::File::options().write(true).open(&file)?.set_len(0)?;
    let seen = truthful(scene, &service, count)?;
    service.process.terminate()?;
    let Service { mut process, .. } = service;
    let status = process.ends_within(SOON)?;
    ensure!(status.success(), "at SIGTERM it ended with {status}");
    Ok(format!("{seen}; SIGTERM: exit status 0"))
}

fn read_only(scene: &Scene) -> Observed {
    scene.does("a database on a file system that is then made read-only; start");
    let folder = scene.folder("read-only")?;
    let mount = mount(&folder, "8m")?;
    drop(Service::start(&mut scene.service(&folder, &[]))?);
    mount.make_read_only()?;
    let before = fs::read(folder.join("accounts.db"))?;
    let refused = refuses(&mut scene.service(&folder, &[]), scene)?;
    ensure!(fs::read(folder.join("accounts.db"))? == before, "the file has changed");
    let other = refuses(&mut scene.service(&folder, &["--database=new.db"]), scene)?;
    Ok(format!("{refused}; without a file: {other}"))
}

fn damaged(scene: &Scene) -> Observed {
    scene.does(
        "cut in half, zeros in the middle, other bytes at the start, text, empty folder; start",
    );
    let folder = scene.folder("damaged")?;
    drop(Service::start(&mut scene.service(&folder, &["--accounts=3000"]))?);
    let file = folder.join("accounts.db");
    let whole = fs::read(&file)?;
    let middle = whole.len() / 2;
    let mut zeros = whole.clone();
    zeros[4096..].fill(0);
    let mut start = whole.clone();
    start[..64].fill(0x5a);
    let cases = [whole[..middle].to_vec(), zeros, start, b"accounts: none\n".to_vec()];
    let mut said = Vec::new();
    for bytes in &cases {
        fs::write(&file, bytes)?;
        said.push(refuses(&mut scene.service(&folder, &[]), scene)?);
        ensure!(fs::read(&file)? == *bytes, "the file has changed after {:?}", said.last());
    }
    fs::remove_file(&file)?;
    fs::create_dir(&file)?;
    said.push(refuses(&mut scene.service(&folder, &[]), scene)?);
    said.dedup();
    Ok(format!(
        "{} times exit status 1, one line, the file as it was: {}",
        cases.len() + 1,
        said.join("; ")
    ))
}

/// It ends with 1 and one line that says why.
fn refuses(command: &mut Command, scene: &Scene) -> Observed {
    let mut process = Process::start(command)?;
    let status = process.ends_within(SOON)?;
    let log = |line: &&String| line.contains(" INFO ") || line.contains(" ERROR ");
    let said: Vec<_> = process.said.iter().filter(|line| !log(line)).collect();
    let [line] = said[..] else { bail!("it ended with {status} and said {said:?}") };
    ensure!(status.code() == Some(1), "it ended with {status} and said {line}");
    let line = line.replace(&scene.folder.display().to_string(), "");
    Ok(format!("exit status 1, `{}`", line.trim_start_matches("accountservice: ")))
}

fn has_its_accounts(scene: &Scene, folder: &Path) -> Result<()> {
    let service = Service::start(&mut scene.service(folder, &[]))?;
    let mut client = Client::connect(service.at)?;
    for id in 10_000..10_100 {
        let status = client.ask(&format!("/accounts/{id}"))?.status;
        ensure!(status == 200, "account {id} afterwards: {status}");
    }
    Ok(())
}

/// The process goes on, and health says UP only if accounts are served: asked all over the file,
/// before and after.
fn truthful(scene: &Scene, service: &Service, accounts: u64) -> Observed {
    let mut client = Client::connect(service.at)?;
    let (mut served, mut failed) = (0, 0);
    for number in 0..200 {
        let reply = client.ask(&format!("/accounts/{}", 10_000 + number * accounts / 200))?;
        match reply.status {
            200 => served += 1,
            503 => failed += 1,
            other => bail!("an account: {other}, neither served nor said to be unavailable"),
        }
    }
    let health = client.ask("/health")?;
    let (probe, ..) = scene.probe(service.at)?;
    let figures = format!(
        "of 200 accounts {served} served, {failed} 503; health {} {}, probe {}",
        health.status,
        health.body(),
        probe.unwrap_or(-1)
    );
    ensure!((failed == 0) == (health.status == 200), "health does not tell: {figures}");
    ensure!((probe == Some(0)) == (health.status == 200), "the probe does not tell: {figures}");
    Ok(figures)
}

fn mount(folder: &Path, size: &str) -> Result<Mount> {
    Mount::at(folder.to_owned(), size)
        .map_err(|error| Skipped(format!("no file system may be mounted: {error:#}")).into())
}
