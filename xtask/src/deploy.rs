//! `deploy`: checks what it needs, builds, brings the service up, and waits for the verdict. It can
//! be stopped at any point and started again: each step asks what is there before it does anything.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::arg::Arg;
use crate::converge::{self, Verdict};
use crate::desired::Facts;
use crate::docker::{Node, docker, engine_is_local};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::plan::Plan;
use crate::service::Service;
use crate::settings::{Publish, Settings};
use crate::{dist, image, preflight, stored};

/// How many updates in a row it may take: a port that one service has twice has to be taken away
/// before it is added.
const MOST_UPDATES: usize = 3;

/// What `--json` prints.
#[derive(Default, Serialize)]
struct Report {
    outcome: &'static str,
    exit_status: u8,
    service: String,
    /// With its tag, and what Swarm was told to run; empty before the image is built.
    image: String,
    reference: String,
    replicas: u32,
    /// The flags of the updates, or `create`.
    changes: Vec<String>,
    /// Why it cannot start, or has failed.
    problems: Vec<String>,
    seconds: f64,
}

/// Settings that are not valid are an outcome like any other.
pub(crate) fn run(settings: Result<Settings>, binaries: Option<&Path>, json: bool) -> Result<Exit> {
    let started_at = Instant::now();
    let mut report = Report { outcome: "error", exit_status: 1, ..Report::default() };
    let ended = settings.and_then(|settings| {
        report.service.clone_from(&settings.service);
        report.replicas = settings.replicas;
        let exit = deploy(&settings, binaries, &mut report)?;
        if exit == Exit::Done {
            warn_if_unreachable(&settings);
        }
        Ok(exit)
    });
    if json {
        report.seconds = started_at.elapsed().as_secs_f64();
        match &ended {
            Ok(exit) => report.exit_status = *exit as u8,
            Err(error) => report.problems.push(format!("{error:#}")),
        }
        println!("{}", serde_json::to_string(&report)?);
    } else if report.outcome == "deployed" || report.outcome == "unchanged" {
        let news = if report.outcome == "deployed" { "Deployed" } else { "No change" };
        let Report { service, image, replicas, .. } = &report;
        println!("{news}: {service} runs {image}, {replicas} healthy.");
    }
    ended
}

fn deploy(settings: &Settings, binaries: Option<&Path>, report: &mut Report) -> Result<Exit> {
    let engine = match preflight::run(settings) {
        Ok(engine) => engine,
        Err(problems) => {
            eprintln!("preflight failed:\n  {}", problems.join("\n  "));
            (report.outcome, report.problems) = ("preflight_failed", problems);
            return Ok(Exit::Preflight);
        }
    };
    eprintln!("Docker {} (API {}.{})", engine.version, engine.api.0, engine.api.1);
    if !settings.push && settings.constraints.is_empty() && Node::all_active()?.len() > 1 {
        eprintln!("warning: other nodes do not have the image; `push = true` gives it to them");
    }
    let stored = stored::read(settings).with_context(|| {
        "a source of [secrets], [configs] or [database] is lost; infra/README.md, \"Secrets\", shows \
         how to get its content back from the swarm"
    })?;
    let artifacts = dist::for_arch(settings, &engine.arch, binaries)?;
    let image = image::prepare(settings, &artifacts, engine.api)?;
    drop(artifacts);
    report.image.clone_from(&image.name);
    report.reference = image::build(settings, &image)?;
    let image = Arg::from(image.name.as_str());
    let reference = Arg::from(report.reference.as_str());
    let interrupt = Interrupt::listen()?;
    // Only now: another run may have changed it while this one was building.
    let mut current = Service::find(&settings.service)?;
    if current.as_ref().is_some_and(Service::is_updating) {
        eprintln!("An update is in progress; waiting for it to end.");
        settle(settings, &interrupt)?;
        if interrupt.is_set() {
            report.outcome = "interrupted";
            return Ok(Exit::Interrupted);
        }
        current = Service::find(&settings.service)?;
    }
    let facts = Facts { image, reference, stored, current };
    let plan = Plan::new(settings, &facts)?;
    plan.network.run()?;
    for step in &plan.stored {
        step.run()?;
    }
    // From here on something may have changed: an error no longer means that nothing has.
    update(settings, facts, &interrupt, report).or_else(|error| {
        eprintln!("error: {error:#}");
        eprintln!("The state is unknown: cargo xtask status, or cargo xtask deploy again.");
        report.outcome = "unknown";
        report.problems.push(format!("{error:#}"));
        Ok(Exit::Unknown)
    })
}

/// Waits for an update that another run has started. One that does not end is rolled back. If that
/// does not end either, the update that follows replaces both.
fn settle(settings: &Settings, interrupt: &Interrupt) -> Result<()> {
    let Settings { service, deadline, .. } = settings;
    if converge::settle(service, deadline.0, interrupt)? || interrupt.is_set() {
        return Ok(());
    }
    eprintln!("It has not ended within {deadline}: rolling back.");
    docker(["service", "rollback", "--detach", service]).read()?;
    if !converge::settle(service, deadline.0, interrupt)? && !interrupt.is_set() {
        eprintln!("That has not ended either: updating all the same.");
    }
    Ok(())
}

/// Updates the service until nothing is left to change.
fn update(
    settings: &Settings,
    mut facts: Facts,
    interrupt: &Interrupt,
    report: &mut Report,
) -> Result<Exit> {
    for _ in 0..=MOST_UPDATES {
        let plan = Plan::new(settings, &facts)?;
        let is_paused = facts.current.as_ref().is_some_and(Service::is_paused);
        let is_right = plan.changes.is_empty() && !is_paused;
        if !is_right && let Err(error) = plan.service.run() {
            let is_new = facts.current.is_none();
            facts.current = Service::find(&settings.service)?;
            if is_new && facts.current.is_some() {
                eprintln!("Another deployment has created it: updating.");
                continue;
            }
            return Err(error);
        }
        report.changes.extend(plan.changes);
        let is_new = facts.current.is_none() && settings.replicas > 0;
        let monitor = if is_new { settings.update.monitor.0 } else { Duration::ZERO };
        let current = Service::find(&settings.service)?.context("the service is gone")?;
        let verdict = bring_about(settings, &current, monitor, interrupt)?;
        if verdict != Verdict::Converged || is_right {
            return Ok(finish(settings, report, verdict));
        }
        facts.current = Service::find(&settings.service)?;
    }
    anyhow::bail!("the service still differs from the settings after {MOST_UPDATES} updates")
}

/// Waits. If the deadline passes and there is a version to go back to, it comes back.
fn bring_about(
    settings: &Settings,
    current: &Service,
    monitor: Duration,
    interrupt: &Interrupt,
) -> Result<Verdict> {
    let deadline = settings.deadline.0;
    let verdict = converge::wait(&current.spec, monitor, deadline, interrupt)?;
    if verdict != Verdict::Converged && verdict != Verdict::Interrupted {
        converge::explain(&settings.service)?;
    }
    if verdict != Verdict::Expired || current.previous_spec.is_none() {
        return Ok(verdict);
    }
    eprintln!("\nNo verdict within {}: rolling back.", settings.deadline);
    docker(["service", "rollback", "--detach", &settings.service]).read()?;
    converge::wait(&current.spec, Duration::ZERO, deadline, interrupt)
}

fn finish(settings: &Settings, report: &mut Report, verdict: Verdict) -> Exit {
    let service = &settings.service;
    let serving = Service::find(service).ok().flatten();
    if [Verdict::Converged, Verdict::RolledBack].contains(&verdict) {
        for left in stored::remove_unused(service, serving.as_ref()) {
            eprintln!("warning: not removed: {left}");
        }
    }
    let (image, deadline) = (&report.image, settings.deadline);
    let serving = serving.as_ref().map_or("an unknown image", Service::image);
    let retries =
        "and Swarm keeps trying. To see: cargo xtask status. To give up: cargo xtask destroy";
    let (outcome, exit, message) = match verdict {
        Verdict::Converged if report.changes.is_empty() => ("unchanged", Exit::Done, String::new()),
        Verdict::Converged => ("deployed", Exit::Done, String::new()),
        Verdict::RolledBack => (
            "rolled_back",
            Exit::RolledBack,
            format!("Rolled back: the new {service} ({image}) failed. The one before it serves ({serving})."),
        ),
        Verdict::Replaced => (
            "replaced",
            Exit::Unknown,
            format!("Another deployment has replaced this one: {service} runs {serving}."),
        ),
        Verdict::Paused => (
            "paused",
            Exit::Unknown,
            format!("Swarm has paused the update. To go back: docker service rollback {service}"),
        ),
        Verdict::Failing => ("failing", Exit::Unknown, format!("Its containers fail, {retries}")),
        Verdict::Expired => {
            ("expired", Exit::Unknown, format!("Not healthy within {deadline}, {retries}"))
        }
        Verdict::Interrupted => (
            "interrupted",
            Exit::Interrupted,
            "Stopped waiting; Swarm continues by itself. To see: cargo xtask status. To wait again: \
             cargo xtask deploy"
                .to_owned(),
        ),
    };
    if !message.is_empty() {
        eprintln!("\n{message}");
        report.problems.push(message);
    }
    report.outcome = outcome;
    exit
}

/// A healthy service can still be out of reach: the routing mesh needs IPVS in the kernel.
fn warn_if_unreachable(settings: &Settings) {
    if settings.publish == Publish::None || settings.replicas == 0 || !engine_is_local() {
        return;
    }
    let url = format!("http://127.0.0.1:{}/health", settings.port);
    match minreq::get(&url).with_timeout(2).send() {
        Ok(found) => eprintln!("{url}: {} {}", found.status_code, found.as_str().unwrap_or("")),
        Err(error) => {
            eprintln!("warning: {url} does not answer: {error}");
            if settings.publish == Publish::Ingress {
                eprintln!("Does this kernel lack IPVS (`modprobe ip_vs`)? Try --publish host.");
            }
        }
    }
}
