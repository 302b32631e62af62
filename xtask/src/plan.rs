//! What it takes to build the image and bring the service up, as a value. `emit` and `--dry-run`
//! render it, `image` and `deploy` run it, so what is shown and what is done cannot drift. Nothing
//! here talks to an engine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::command::Cmd;
use crate::docker::{IMAGE_LABEL, PLAN_LABEL, Service, VERSION_LABEL, docker};
use crate::settings::{EndpointMode, Publish, Rollout, Settings};
use crate::step::Step;

/// The variable that turns the testability route on.
pub(crate) const TESTABILITY: &str = "ACCOUNTSERVICE_TESTABILITY";
/// Where the service listens inside the container, whatever port is published.
pub(crate) const CONTAINER_PORT: u16 = 6767;
/// Nobody in particular: any number but 0 will do, and scratch has no names for them.
const USER: &str = "10001:10001";
/// The probe's own deadline, if it is not told another.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// The first engine API that knows a start interval (Docker 25).
const START_INTERVAL_API: (u32, u32) = (1, 44);

/// What is only known once the binaries are built and the engine is asked.
pub(crate) struct Facts {
    /// The image with its tag.
    pub(crate) image: String,
    /// What Swarm is told to run: see [`reference()`].
    pub(crate) reference: String,
    /// The service as it is now, if it is there.
    pub(crate) current: Option<Service>,
}

pub(crate) struct Plan {
    pub(crate) network: Step,
    pub(crate) service: Step,
    /// Identifies what a container is made of, apart from the image.
    pub(crate) version: String,
    /// Identifies what the whole service is made of, apart from the image.
    pub(crate) identity: String,
}

impl Plan {
    pub(crate) fn new(settings: &Settings, facts: &Facts) -> Self {
        let task = task_flags(settings);
        let service = service_flags(settings);
        let version = hash(task.iter().map(String::as_bytes));
        let identity = hash(task.iter().chain(&service).map(String::as_bytes));
        // Other nodes need the credentials of this one to pull what was pushed.
        let registry = if settings.push { "--with-registry-auth" } else { "--no-resolve-image" };
        let create = docker(["service", "create", "--detach", registry])
            .args([format!("--name={}", settings.service)])
            .args([format!("--label={IMAGE_LABEL}={}", facts.image)])
            .args([format!("--label={PLAN_LABEL}={identity}")])
            .args([format!("--container-label={VERSION_LABEL}={version}")])
            .args(service.iter().chain(&task).cloned())
            .args([facts.reference.clone()]);
        let update = docker(["service", "update", "--detach", registry])
            .args([format!("--image={}", facts.reference)])
            .args([format!("--label-add={IMAGE_LABEL}={}", facts.image)])
            .args([format!("--label-add={PLAN_LABEL}={identity}")])
            .args([format!("--container-label-add={VERSION_LABEL}={version}")])
            .args(service.iter().chain(&task).filter_map(|flag| as_update(flag)))
            .args(changes(settings, facts.current.as_ref()))
            .args([settings.service.clone()]);
        Self {
            network: Step {
                why: "The overlay network, attachable so that other containers can join it.",
                test: Some(docker(["network", "inspect", &settings.network])),
                then: None,
                otherwise: docker(["network", "create", "--driver=overlay", "--attachable"])
                    .args([settings.network.clone()]),
            },
            service: Step {
                why: "The service: updated in place if it is there, so that there is no gap.",
                test: Some(docker(["service", "inspect", &settings.service])),
                then: Some(update),
                otherwise: create,
            },
            version,
            identity,
        }
    }
}

/// The Dockerfile for an engine of this API version; `None` for any.
pub(crate) fn dockerfile(settings: &Settings, api: Option<(u32, u32)>) -> String {
    let health = &settings.health;
    let mut probe = vec!["/healthchecker".to_owned(), format!("-port={CONTAINER_PORT}")];
    if health.probe_timeout.0 != PROBE_TIMEOUT {
        probe.push(format!("--timeout={}", health.probe_timeout));
    }
    let probe = serde_json::to_string(&probe).unwrap_or_default();
    let mut flags = format!("--interval={} --timeout={}", health.interval, health.timeout);
    if !health.start_period.0.is_zero() {
        let _ = write!(flags, " --start-period={}", health.start_period);
    }
    if !health.start_interval.0.is_zero() && api.is_none_or(|api| api >= START_INTERVAL_API) {
        let _ = write!(flags, " --start-interval={}", health.start_interval);
    }
    let mut labels = vec![
        ("title", "accountservice"),
        ("version", env!("CARGO_PKG_VERSION")),
        ("licenses", env!("CARGO_PKG_LICENSE")),
    ];
    if !settings.source.is_empty() {
        labels.push(("source", &settings.source));
    }
    let labels = labels
        .iter()
        .map(|(name, value)| format!("org.opencontainers.image.{name}={value:?}"))
        .collect::<Vec<_>>()
        .join(" \\\n      ");
    format!(
        r#"# Emitted from infra/deploy.toml by `cargo xtask emit`; edit that instead.

# Nothing but what is copied: no shell, no libc, no package manager.
FROM scratch
LABEL {labels}
COPY accountservice healthchecker /
# An empty /data that any user may write to: where a file system in memory is mounted on it, that
# takes over the mode of this folder, but not its owner.
COPY --chown={USER} root /
USER {USER}
ENV ACCOUNTSERVICE_DATABASE=/data/accounts.db
EXPOSE {CONTAINER_PORT}
# The exec form: there is no shell here to understand another one.
HEALTHCHECK {flags} --retries={} \
  CMD {probe}
ENTRYPOINT ["/accountservice"]
"#,
        health.retries
    )
}

/// What Swarm is told to run. A pushed image goes by its name, to which `docker service` adds the
/// digest. One that is only here goes by its id, which this asks for: a name without a digest would
/// have Swarm look for it in a registry at every start of a container, which makes healing wait for
/// a machine that has nothing to do with it, and would run whatever somebody has put there.
pub(crate) fn reference(settings: &Settings, image: &str) -> Option<Cmd> {
    let ask = docker(["image", "inspect", "--format={{.Id}}", image]);
    (!settings.push).then_some(ask)
}

/// The first 16 hexadecimal digits of a SHA-256 over all parts and their lengths.
pub(crate) fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    digest.iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Builds the image and, if the settings say so, pushes it.
pub(crate) fn image_steps(
    settings: &Settings,
    image: &str,
    revision: &str,
    context: &str,
) -> Vec<Step> {
    let revision = format!("org.opencontainers.image.revision={revision}");
    let build = Step {
        why: "The image. The tag is the hash of its content: one that is there is the right one.",
        test: Some(docker(["image", "inspect", image])),
        then: None,
        otherwise: docker(["build".to_owned(), format!("--tag={image}")])
            .args([format!("--label={revision}"), context.to_owned()]),
    };
    let push = Step {
        why: "To the registry, from which the other nodes pull it.",
        test: None,
        then: None,
        otherwise: docker(["push", image]),
    };
    [Some(build), settings.push.then_some(push)].into_iter().flatten().collect()
}

/// What a container is made of: a change replaces it.
fn task_flags(settings: &Settings) -> Vec<String> {
    let limits = &settings.limits;
    let mut flags = vec![
        "--read-only".to_owned(),
        "--cap-drop=ALL".to_owned(),
        format!(
            "--mount=type=tmpfs,destination=/data,tmpfs-size={},tmpfs-mode=1777",
            limits.data.0
        ),
        format!("--limit-memory={}", limits.memory.0),
        format!("--limit-cpu={}", limits.cpus),
        format!("--limit-pids={}", limits.pids),
        "--restart-condition=any".to_owned(),
        format!("--restart-delay={}", settings.restart.delay),
        format!("--stop-grace-period={}", settings.restart.stop_grace),
    ];
    flags.extend(environment(settings).iter().map(|(name, value)| format!("--env={name}={value}")));
    flags.push(format!("--network={}", settings.network));
    flags.extend(settings.constraints.iter().map(|rule| format!("--constraint={rule}")));
    let mode = match settings.publish {
        Publish::Ingress => "ingress",
        Publish::Host => "host",
        Publish::None => return flags,
    };
    let ports = format!("published={},target={CONTAINER_PORT}", settings.port);
    flags.push(format!("--publish={ports},mode={mode}"));
    flags
}

fn environment(settings: &Settings) -> BTreeMap<String, String> {
    let mut environment = settings.environment.clone();
    if settings.testability {
        environment.insert(TESTABILITY.to_owned(), "true".to_owned());
    }
    environment
}

/// What the service is made of: a change leaves the containers alone.
fn service_flags(settings: &Settings) -> Vec<String> {
    let mut flags = vec![
        format!("--replicas={}", settings.replicas),
        format!(
            "--endpoint-mode={}",
            match settings.endpoint_mode {
                EndpointMode::Vip => "vip",
                EndpointMode::Dnsrr => "dnsrr",
            }
        ),
        "--update-failure-action=rollback".to_owned(),
        "--rollback-failure-action=pause".to_owned(),
    ];
    let mut rollout = |name: &str, rollout: &Rollout| {
        flags.extend([
            format!("--{name}-order={}", settings.order(rollout)),
            format!("--{name}-parallelism={}", rollout.parallelism),
            format!("--{name}-delay={}", rollout.delay),
            format!("--{name}-monitor={}", rollout.monitor),
            format!("--{name}-max-failure-ratio={}", rollout.max_failure_ratio),
        ]);
    };
    rollout("update", &settings.update);
    rollout("rollback", &settings.rollback);
    flags
}

/// A flag of `service create` as `service update` spells it. A network or a constraint that is
/// there already would be an error, or be there twice: they depend on the present state.
fn as_update(flag: &str) -> Option<String> {
    let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
    match name {
        "--network" | "--constraint" => None,
        "--mount" | "--env" | "--publish" => Some(format!("{name}-add={value}")),
        _ => Some(flag.to_owned()),
    }
}

/// What an update must add and take away, because of how the service is now.
fn changes(settings: &Settings, current: Option<&Service>) -> Vec<String> {
    // A port is replaced by taking it away first; taking away what is not there is no error.
    let mut flags = vec![format!("--publish-rm={CONTAINER_PORT}")];
    let Some(current) = current else {
        return flags;
    };
    let wanted = environment(settings);
    let names = current.environment.iter().filter_map(|variable| variable.split('=').next());
    let surplus = names.filter(|name| !wanted.contains_key(*name));
    flags.extend(surplus.map(|name| format!("--env-rm={name}")));
    let mut replace = |flag: &str, now: &[String], wanted: &[String]| {
        let add = wanted.iter().filter(|name| !now.contains(name));
        flags.extend(add.map(|name| format!("--{flag}-add={name}")));
        let surplus = now.iter().filter(|name| !wanted.contains(name));
        flags.extend(surplus.map(|name| format!("--{flag}-rm={name}")));
    };
    replace("constraint", &current.constraints, &settings.constraints);
    replace("network", &current.networks, std::slice::from_ref(&settings.network));
    flags
}
