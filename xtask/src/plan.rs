//! The steps that build the image and bring the service up, as values. `emit` and `--dry-run` print
//! them, `image` and `deploy` run them. Checks, waiting, rollback and clean-up are `deploy`'s own.
//! A plan is made from facts that are handed in; it asks no engine.

use std::fmt;

use anyhow::Result;

use crate::arg::Arg;
use crate::command::Cmd;
use crate::desired::{Desired, Facts};
use crate::docker::docker;
use crate::service::Service;
use crate::settings::{Order, STOP_FIRST, Settings};
use crate::stored::{SERVICE_LABEL, Stored};

pub(crate) struct Plan {
    pub(crate) stored: Vec<Step>,
    pub(crate) network: Step,
    pub(crate) service: Step,
    /// The flags of the update that makes the service the desired one, or `create`; none if it is.
    pub(crate) changes: Vec<String>,
}

/// Is printed as shell script, or run: if `test` succeeds, `then`, else `otherwise`.
pub(crate) struct Step {
    why: &'static str,
    test: Option<Cmd>,
    then: Option<Cmd>,
    otherwise: Cmd,
}

impl Plan {
    pub(crate) fn new(settings: &Settings, facts: &Facts) -> Result<Self> {
        let desired = Desired::new(settings, facts);
        // Other nodes need the credentials of this one to pull what was pushed.
        let registry = if settings.push { "--with-registry-auth" } else { "--no-resolve-image" };
        let create = docker(["service", "create", "--detach", registry])
            .args([format!("--name={}", settings.service)])
            .args(desired.create())
            .args([facts.reference.clone()]);
        let mut changes = vec!["create".to_owned()];
        let mut flags = [desired.update(), vec![Arg::words("stale")]].concat();
        if let Some(current) = &facts.current {
            flags = desired.changes(current)?.into_iter().map(|change| change.flag).collect();
            changes = flags.iter().map(Arg::to_string).collect();
            flags.extend(order_of_move(settings, current, &changes)?);
        }
        let update = docker(["service", "update", "--detach", registry])
            .args(flags)
            .args([settings.service.clone()]);
        Ok(Self {
            stored: facts.stored.iter().map(|stored| stored_step(settings, stored)).collect(),
            network: Step::unless(
                docker(["network", "inspect", &settings.network]),
                "The overlay network, attachable so that other containers can join it.",
                docker(["network", "create", "--driver=overlay", "--attachable"])
                    .args([settings.network.clone()]),
            ),
            service: Step {
                why: "The service: updated in place if it is there, so that there is no gap.",
                test: Some(docker(["service", "inspect", &settings.service])),
                then: Some(update),
                otherwise: create,
            },
            changes,
        })
    }
}

/// The old container keeps a port of its node until it stops. A second update restores the order.
fn order_of_move(
    settings: &Settings,
    current: &Service,
    changes: &[String],
) -> Result<Option<Arg>> {
    let mut ports = current.spec.ports()?.into_iter();
    let holds =
        ports.any(|port| port.publish_mode == "host" && port.published_port == settings.port);
    let moves = changes.iter().any(|flag| flag.starts_with("--publish"));
    let is_moved = holds && moves && settings.update.order == Order::Auto;
    Ok(is_moved.then(|| format!("--update-order={STOP_FIRST}").into()))
}

fn stored_step(settings: &Settings, stored: &Stored) -> Step {
    let Stored { kind, source, name, .. } = stored;
    let why = "Named by the hash of its content: one that is there is the right one.";
    let label = format!("--label={SERVICE_LABEL}={}", settings.service);
    let create = docker([kind, "create", &label]).args([name.clone(), "-".into()]);
    Step::unless(docker([*kind, "inspect"]).args([name.clone()]), why, create.input(source.clone()))
}

/// What Swarm is told to run. A pushed image goes by its name, to which `docker service` adds the
/// digest. One that is only here goes by its id, which this asks for: for a name without a digest,
/// Swarm would ask a registry at each start of a container. Healing would wait for it, and would
/// run whatever it has under that name.
pub(crate) fn reference(settings: &Settings, image: &Arg) -> Option<Cmd> {
    let ask = docker(["image", "inspect", "--format={{.Id}}"]).args([image.clone()]);
    (!settings.push).then_some(ask)
}

/// Builds the image and, if the settings say so, pushes it.
pub(crate) fn image_steps(
    settings: &Settings,
    image: &Arg,
    revision: &Arg,
    context: &Arg,
) -> Vec<Step> {
    let label = "--label=org.opencontainers.image.revision=" + revision;
    let build = Step::unless(
        docker(["image", "inspect"]).args([image.clone()]),
        "The image. The tag is the hash of its content: one that is there is the right one.",
        docker(["build"]).args(["--tag=" + image, label, context.clone()]),
    );
    let push = Step {
        why: "To the registry, from which the other nodes pull it.",
        test: None,
        then: None,
        otherwise: docker(["push"]).args([image.clone()]),
    };
    if settings.push { vec![build, push] } else { vec![build] }
}

impl Step {
    /// Runs a command unless the test succeeds.
    fn unless(test: Cmd, why: &'static str, otherwise: Cmd) -> Self {
        Self { why, test: Some(test), then: None, otherwise }
    }

    /// Runs it, and shows the command that changes something.
    pub(crate) fn run(&self) -> Result<()> {
        let holds = match &self.test {
            Some(test) => test.succeeds()?,
            None => false,
        };
        let command = if holds { self.then.as_ref() } else { Some(&self.otherwise) };
        let Some(command) = command else {
            return Ok(());
        };
        eprintln!("+ {command}");
        let Err(error) = command.read() else { return Ok(()) };
        // Another run may have done it at the same time.
        let is_done = match (&self.test, &self.then) {
            (Some(test), None) => test.succeeds()?,
            _ => false,
        };
        if is_done { Ok(()) } else { Err(error) }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# {}", self.why)?;
        let otherwise = |indent| self.otherwise.lines(indent);
        match (&self.test, &self.then) {
            (None, _) => writeln!(f, "{}", otherwise("")),
            (Some(test), None) => writeln!(f, "{test} >/dev/null 2>&1 ||\n  {}", otherwise("  ")),
            (Some(test), Some(then)) => {
                writeln!(f, "if {test} >/dev/null 2>&1; then\n  {}", then.lines("  "))?;
                writeln!(f, "else\n  {}\nfi", otherwise("  "))
            }
        }
    }
}
