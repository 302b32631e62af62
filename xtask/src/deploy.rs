//! `deploy`: checks the ground, builds, brings the service up, and waits for the verdict. It can be
//! stopped at any point and started again: each step asks what is there before it does anything.

use std::path::Path;

use anyhow::Result;

use crate::converge::{self, Goal, Verdict};
use crate::docker::{Service, docker};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::plan::{Facts, Plan};
use crate::preflight::{self, Ground};
use crate::settings::{Publish, Settings};
use crate::{dist, emit, http, image};

pub(crate) fn run(settings: &Settings, binaries: Option<&Path>, dry_run: bool) -> Result<Exit> {
    if dry_run {
        let current = Service::find(&settings.service).ok().flatten();
        print!("{}", emit::script(settings, current));
        return Ok(Exit::Done);
    }
    let ground = match preflight::run(settings) {
        Ok(ground) => ground,
        Err(missing) => {
            eprintln!("preflight failed:\n  {}", missing.join("\n  "));
            return Ok(Exit::Preflight);
        }
    };
    let Ground { engine, .. } = &ground;
    eprintln!("Docker {} (API {}.{})", engine.version, engine.api.0, engine.api.1);
    let dist = dist::for_arch(&engine.arch, binaries)?;
    let image = image::prepare(settings, &dist, engine.api)?;
    let reference = image::build(settings, &image)?;
    let mut facts = Facts { image, reference, current: ground.current };

    let interrupt = Interrupt::listen()?;
    if facts.current.as_ref().is_some_and(Service::is_updating) {
        eprintln!("An update is in progress; waiting for it to end.");
        if !converge::settle(&settings.service, settings.deadline.0, &interrupt)? {
            eprintln!("It has not ended. cargo xtask status shows it; run this again later.");
            return Ok(Exit::Unknown);
        }
        facts.current = Service::find(&settings.service)?;
    }
    let plan = Plan::new(settings, &facts);
    plan.network.run()?;
    let goal = Goal {
        service: &settings.service,
        reference: &facts.reference,
        version: &plan.version,
        identity: &plan.identity,
        replicas: settings.replicas as usize,
    };
    let is_asked = |service: &Service| goal.is_asked_of(service) && !service.is_paused();
    let changes = !facts.current.as_ref().is_some_and(is_asked);
    if changes {
        plan.service.run()?;
    }
    // From here on something has changed: an error no longer means that nothing has.
    let verdict = bring_about(settings, &goal, facts.current.is_some() && changes, &interrupt);
    verdict.map(|verdict| report(settings, &facts.image, verdict, changes)).or_else(|error| {
        eprintln!("error: {error:#}");
        eprintln!("The state is unknown: cargo xtask status, or cargo xtask deploy again.");
        Ok(Exit::Unknown)
    })
}

/// Waits; if there is a version to go back to, a deadline that passes brings it back.
fn bring_about(
    settings: &Settings,
    goal: &Goal<'_>,
    updated: bool,
    interrupt: &Interrupt,
) -> Result<Verdict> {
    let verdict = goal.wait(settings.deadline.0, interrupt)?;
    if verdict != Verdict::Converged && verdict != Verdict::Interrupted {
        converge::explain(&settings.service)?;
    }
    if verdict != Verdict::Expired || !updated {
        return Ok(verdict);
    }
    eprintln!("\nNo verdict within {}: rolling back.", settings.deadline);
    docker(["service", "rollback", "--detach", &settings.service]).read()?;
    goal.wait(settings.deadline.0, interrupt)
}

fn report(settings: &Settings, image: &str, verdict: Verdict, changed: bool) -> Exit {
    let service = &settings.service;
    match verdict {
        Verdict::Converged => {
            let news = if changed { "Deployed" } else { "No change" };
            println!("{news}: {service} runs {image}, {} healthy.", settings.replicas);
            warn_if_unreachable(settings);
            Exit::Done
        }
        Verdict::RolledBack => {
            let serving = Service::find(service).ok().flatten().unwrap_or_default();
            eprintln!("\nRolled back: the new {service} ({image}) failed.");
            eprintln!("The one before it serves ({}).", serving.image);
            Exit::RolledBack
        }
        Verdict::Paused => {
            eprintln!(
                "\nSwarm has paused the update. To go back: docker service rollback {service}"
            );
            Exit::Unknown
        }
        Verdict::Failing => {
            eprintln!("\nEvery container so far has failed, and Swarm goes on trying.");
            eprintln!("To see: cargo xtask status. To give up: cargo xtask destroy");
            Exit::Unknown
        }
        Verdict::Expired => {
            eprintln!("\nNot healthy within {}, and Swarm goes on trying.", settings.deadline);
            eprintln!("To see: cargo xtask status. To give up: cargo xtask destroy");
            Exit::Unknown
        }
        Verdict::Interrupted => {
            eprintln!("\nStopped waiting; Swarm goes on by itself.");
            eprintln!("To see: cargo xtask status. To wait again: cargo xtask deploy");
            Exit::Interrupted
        }
    }
}

/// A healthy service can still be out of reach: the routing mesh needs IPVS in the kernel.
fn warn_if_unreachable(settings: &Settings) {
    if settings.publish == Publish::None || !preflight::engine_is_local() {
        return;
    }
    let address = format!("127.0.0.1:{}", settings.port);
    match http::get(&address, "/health") {
        Ok(answer) => println!("http://{address}/health answers {} {}", answer.status, answer.body),
        Err(error) => {
            eprintln!("warning: http://{address}/health does not answer: {error:#}");
            if settings.publish == Publish::Ingress {
                eprintln!("Does this kernel lack IPVS (`modprobe ip_vs`)? Try --publish host.");
            }
        }
    }
}
