//! `infra/deploy.toml` as a value: what may stand in it, the defaults, and which combinations make no
//! sense. It knows nothing of Docker's command line; that is the plan's.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::units::{Bytes, Span};

/// How long Swarm's nodes may take to tell each other that a container has failed.
const GOSSIP: Duration = Duration::from_secs(2);
/// How long the service drains by default (`--drain-timeout`).
const DRAIN: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) service: String,
    pub(crate) image: String,
    pub(crate) push: bool,
    pub(crate) source: String,
    pub(crate) replicas: u32,
    pub(crate) network: String,
    pub(crate) port: u16,
    pub(crate) publish: Publish,
    pub(crate) endpoint_mode: EndpointMode,
    pub(crate) testability: bool,
    pub(crate) deadline: Span,
    pub(crate) constraints: Vec<String>,
    pub(crate) health: Health,
    pub(crate) restart: Restart,
    pub(crate) update: Rollout,
    pub(crate) rollback: Rollout,
    pub(crate) limits: Limits,
    pub(crate) environment: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Publish {
    /// Every node answers on the port
    Ingress,
    /// The port of the node a replica runs on
    Host,
    /// Not published
    None,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EndpointMode {
    /// One address for all replicas
    Vip,
    /// The addresses of all replicas
    Dnsrr,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Order {
    Auto,
    StartFirst,
    StopFirst,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Health {
    pub(crate) interval: Span,
    pub(crate) timeout: Span,
    pub(crate) probe_timeout: Span,
    pub(crate) retries: u32,
    pub(crate) start_period: Span,
    pub(crate) start_interval: Span,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Restart {
    pub(crate) delay: Span,
    pub(crate) stop_grace: Span,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rollout {
    pub(crate) order: Order,
    pub(crate) parallelism: u32,
    pub(crate) delay: Span,
    pub(crate) monitor: Span,
    pub(crate) max_failure_ratio: f64,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) memory: Bytes,
    pub(crate) cpus: f64,
    pub(crate) pids: u32,
    pub(crate) data: Bytes,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            service: "accountservice".to_owned(),
            image: "someprefix/accountservice".to_owned(),
            push: false,
            source: String::new(),
            replicas: 1,
            network: "my_network".to_owned(),
            port: 6767,
            publish: Publish::Ingress,
            endpoint_mode: EndpointMode::Vip,
            testability: false,
            deadline: Span(Duration::from_mins(3)),
            constraints: Vec::new(),
            health: Health::default(),
            restart: Restart::default(),
            update: Rollout::default(),
            rollback: Rollout::default(),
            limits: Limits::default(),
            environment: BTreeMap::new(),
        }
    }
}

/// Measured with `cargo xtask heal`; the table is in infra/README.md.
impl Default for Health {
    fn default() -> Self {
        Self {
            interval: Span(Duration::from_secs(3)),
            timeout: Span(Duration::from_secs(3)),
            probe_timeout: Span(Duration::from_secs(2)),
            retries: 2,
            start_period: Span(Duration::ZERO),
            start_interval: Span(Duration::ZERO),
        }
    }
}

impl Default for Restart {
    fn default() -> Self {
        Self { delay: Span(Duration::from_millis(500)), stop_grace: Span(DRAIN + GOSSIP) }
    }
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            order: Order::Auto,
            parallelism: 1,
            delay: Span(Duration::ZERO),
            monitor: Span(Duration::from_secs(22)),
            max_failure_ratio: 0.0,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: Bytes(64 << 20), cpus: 1.0, pids: 128, data: Bytes(32 << 20) }
    }
}

impl Settings {
    /// Reads a file, without yet asking whether its values fit together: flags may still change them.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is not valid", path.display()))
    }

    /// The order of an update or a rollback, once `auto` is decided.
    pub(crate) fn order(&self, rollout: &Rollout) -> &'static str {
        match (rollout.order, self.publish) {
            (Order::StartFirst, _) | (Order::Auto, Publish::Ingress | Publish::None) => {
                "start-first"
            }
            (Order::StopFirst, _) | (Order::Auto, Publish::Host) => "stop-first",
        }
    }

    /// How long a container that has turned bad can go unnoticed.
    pub(crate) fn time_to_failure(&self) -> Duration {
        let probe = self.health.interval.0 + self.health.timeout.0;
        self.health.start_period.0
            + probe * self.health.retries
            + GOSSIP
            + self.restart.stop_grace.0
    }

    /// Refuses what makes no sense, all of it at once.
    pub(crate) fn check(&self) -> Result<()> {
        let mut wrong = Wrong(Vec::new());
        self.check_names(&mut wrong);
        self.check_health(&mut wrong);
        self.check_network(&mut wrong);
        self.check_rollout("update", &self.update, &mut wrong);
        self.check_rollout("rollback", &self.rollback, &mut wrong);
        self.check_limits(&mut wrong);
        self.check_environment(&mut wrong);
        if wrong.0.is_empty() {
            return Ok(());
        }
        bail!("the settings make no sense:\n  {}", wrong.0.join("\n  "))
    }

    fn check_names(&self, wrong: &mut Wrong) {
        for (key, name) in [("service", &self.service), ("network", &self.network)] {
            let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
            let first = name.starts_with(|c: char| c.is_ascii_alphanumeric());
            wrong.when(!first || !name.chars().all(fits) || name.len() > 63, || {
                format!("{key} = {name:?}: up to 63 letters, digits, - and _, the first a letter or digit")
            });
        }
        let image = &self.image;
        let tagged = image.rsplit('/').next().is_some_and(|last| last.contains(':'));
        wrong.when(tagged || image.contains('@'), || {
            format!("image = {image:?}: leave the tag out, it is the hash of the content")
        });
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_./:".contains(c);
        let first = image.starts_with(|c: char| c.is_ascii_alphanumeric());
        wrong.when(!first || !image.chars().all(fits), || {
            format!(
                "image = {image:?}: lower-case letters, digits and - _ . / only, the first a letter or \
                 digit"
            )
        });
        let host = image.split_once('/').map_or("", |(host, _)| host);
        wrong.when(self.push && !host.contains(['.', ':']) && host != "localhost", || {
            format!("push = true with image = {image:?}: it names no registry to push to")
        });
        let texts = [&self.source].into_iter().chain(&self.constraints);
        for text in texts.chain(self.environment.values()) {
            wrong.when(text.contains(char::is_control), || {
                format!("{text:?} has a control character, which a command line cannot carry")
            });
        }
    }

    fn check_health(&self, wrong: &mut Wrong) {
        let health = &self.health;
        let least = Duration::from_millis(1);
        wrong.when(health.retries == 0, || "health.retries = 0: Docker takes it for 3".to_owned());
        let spans = [("interval", health.interval), ("timeout", health.timeout)];
        for (key, span) in spans.into_iter().chain([("probe_timeout", health.probe_timeout)]) {
            wrong.when(span.0 < least, || format!("health.{key} = \"{span}\": at least 1ms"));
        }
        wrong.when(health.probe_timeout.0 >= health.timeout.0, || {
            format!(
                "health.probe_timeout = \"{}\" is not below health.timeout = \"{}\": Docker would \
                 kill the probe before it could give its reason",
                health.probe_timeout, health.timeout
            )
        });
        wrong.when(!health.start_interval.0.is_zero() && health.start_period.0.is_zero(), || {
            format!(
                "health.start_interval = \"{}\" with health.start_period = \"0s\": it has no period \
                 to apply to",
                health.start_interval
            )
        });
        let grace = self.restart.stop_grace;
        wrong.when(grace.0 <= DRAIN, || {
            format!(
                "restart.stop_grace = \"{grace}\" is not above the 5s for which the service drains: \
                 it would be killed with requests in flight"
            )
        });
    }

    fn check_network(&self, wrong: &mut Wrong) {
        wrong.when(self.port == 0, || "port = 0: no port can be published as 0".to_owned());
        let ingress = self.publish == Publish::Ingress;
        wrong.when(ingress && self.endpoint_mode == EndpointMode::Dnsrr, || {
            "publish = \"ingress\" with endpoint_mode = \"dnsrr\": the routing mesh needs the one \
             address of \"vip\"; take publish = \"host\" or \"none\""
                .to_owned()
        });
    }

    fn check_rollout(&self, table: &str, rollout: &Rollout, wrong: &mut Wrong) {
        let host = self.publish == Publish::Host;
        wrong.when(rollout.order == Order::StartFirst && host, || {
            format!(
                "{table}.order = \"start-first\" with publish = \"host\": the new container cannot \
                 have the port while the old one holds it"
            )
        });
        let needed = Span(self.time_to_failure());
        wrong.when(rollout.monitor.0 <= needed.0, || {
            format!(
                "{table}.monitor = \"{}\" is not above {needed}, the time a failure takes to be \
                 seen (start_period + retries * (interval + timeout) + 2s + stop_grace): a bad \
                 version would count as good",
                rollout.monitor
            )
        });
        wrong.when(self.deadline.0 <= rollout.monitor.0 + needed.0, || {
            format!(
                "deadline = \"{}\" is not above {table}.monitor and {needed} for a failure to be \
                 seen: deploy would give up before Swarm decides",
                self.deadline
            )
        });
        let ratio = rollout.max_failure_ratio;
        wrong.when(!(0.0..=1.0).contains(&ratio), || {
            format!("{table}.max_failure_ratio = {ratio}: from 0 to 1")
        });
    }

    fn check_limits(&self, wrong: &mut Wrong) {
        let Limits { memory, cpus, pids, data } = &self.limits;
        wrong.when(memory.0 < 6 << 20, || {
            format!("limits.memory = \"{memory}\": Docker's least is 6M")
        });
        wrong.when(data.0 >= memory.0, || {
            format!(
                "limits.data = \"{data}\" is not below limits.memory = \"{memory}\": what is in \
                 /data counts as memory"
            )
        });
        wrong.when(!(0.01..=1024.0).contains(cpus), || {
            format!("limits.cpus = {cpus}: from 0.01 to 1024")
        });
        wrong.when(*pids < 8, || {
            format!("limits.pids = {pids}: the service and its probe need at least 8")
        });
    }

    fn check_environment(&self, wrong: &mut Wrong) {
        for name in self.environment.keys() {
            let odd = |c: char| c == '=' || c.is_control();
            wrong.when(name.is_empty() || name.contains(odd), || {
                format!("environment.{name:?} is not the name of a variable")
            });
            let owned = match name.as_str() {
                "ACCOUNTSERVICE_TESTABILITY" => "the key `testability` sets it",
                "ACCOUNTSERVICE_DATABASE" => "only /data can be written to",
                _ => continue,
            };
            wrong.0.push(format!("environment.{name}: {owned}"));
        }
    }
}

/// What is wrong so far.
struct Wrong(Vec<String>);

impl Wrong {
    fn when(&mut self, wrong: bool, why: impl FnOnce() -> String) {
        if wrong {
            self.0.push(why());
        }
    }
}

#[cfg(test)]
mod tests {
    use toml::{Table, Value};

    use super::*;

    fn keys(table: &Table, prefix: &str) -> Vec<String> {
        let nested = table.iter().flat_map(|(key, value)| match value {
            Value::Table(table) if !table.is_empty() => keys(table, &format!("{prefix}{key}.")),
            _ => vec![format!("{prefix}{key}")],
        });
        nested.collect()
    }

    /// The values are whatever people set them to; the file must name every key all the same.
    #[test]
    fn the_file_that_people_edit_names_every_key() {
        let file = include_str!("../../infra/deploy.toml").parse::<Table>().unwrap();
        let file = keys(&file, "");
        let known = keys(&Table::try_from(Settings::default()).unwrap(), "");
        let missing: Vec<_> = known.iter().filter(|key| !file.contains(key)).collect();
        assert!(missing.is_empty(), "infra/deploy.toml does not name {missing:?}");
    }

    #[test]
    fn the_defaults_fit_together() {
        Settings::default().check().unwrap();
    }
}
