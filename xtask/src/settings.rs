//! `infra/deploy.toml` as a value. The file is read at run time and holds every key; nothing here
//! fills one in. Which values fit together is in `check`, Docker's flags are in `desired`.

mod check;
mod suggest;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use toml::Table;

use crate::source::Source;
use crate::units::{Bytes, Span};

/// How long Swarm's nodes may take to tell each other that a container has failed.
const GOSSIP: Duration = Duration::from_secs(2);
/// The name of the secret that holds the URL of a shared store.
const DATABASE_SECRET: &str = "database";
pub(crate) const START_FIRST: &str = "start-first";
pub(crate) const STOP_FIRST: &str = "stop-first";

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The file that these are from, if it is not `infra/deploy.toml`.
    #[serde(skip)]
    pub(crate) file: Option<PathBuf>,
    pub(crate) service: String,
    pub(crate) image: String,
    pub(crate) image_max_bytes: u64,
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
    pub(crate) program: Program,
    pub(crate) probe: Binary,
    pub(crate) lambda: Binary,
    pub(crate) health: Health,
    pub(crate) restart: Restart,
    pub(crate) update: Rollout,
    pub(crate) rollback: Rollout,
    pub(crate) limits: Limits,
    pub(crate) database: Database,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) secrets: BTreeMap<String, Source>,
    pub(crate) configs: BTreeMap<String, Source>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Publish {
    /// Every node answers on the port
    Ingress,
    /// The port of the node a replica runs on
    Host,
    /// Not published
    None,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EndpointMode {
    /// One address for all replicas
    Vip,
    /// The addresses of all replicas
    Dnsrr,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Order {
    Auto,
    StartFirst,
    StopFirst,
}

/// The service's binary.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Program {
    pub(crate) binary: String,
    pub(crate) package: String,
    pub(crate) max_bytes: u64,
    /// Where it listens inside its container.
    pub(crate) port: u16,
    pub(crate) environment_prefix: String,
}

/// The binary of the probe, or of the host for AWS Lambda.
#[allow(clippy::struct_field_names, reason = "these are the keys")]
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Binary {
    pub(crate) binary: String,
    pub(crate) package: String,
    pub(crate) max_bytes: u64,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Health {
    pub(crate) interval: Span,
    pub(crate) timeout: Span,
    pub(crate) probe_timeout: Span,
    pub(crate) retries: u32,
    pub(crate) start_period: Span,
    pub(crate) start_interval: Span,
    pub(crate) exit_when_unhealthy: Span,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Restart {
    pub(crate) delay: Span,
    pub(crate) drain_delay: Span,
    pub(crate) shutdown_timeout: Span,
    pub(crate) stop_grace: Span,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rollout {
    pub(crate) order: Order,
    pub(crate) parallelism: u32,
    pub(crate) delay: Span,
    pub(crate) monitor: Span,
    pub(crate) max_failure_ratio: f64,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) memory: Bytes,
    pub(crate) cpus: f64,
    pub(crate) pids: u32,
    pub(crate) data: Bytes,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    /// Where the URL of a shared store comes from; without one, the store is embedded.
    #[serde(deserialize_with = "source_or_empty")]
    pub(crate) url: Option<Source>,
    pub(crate) start_period: Span,
    /// Cargo features of the program with an embedded or a shared store; if empty, its defaults.
    pub(crate) embedded_features: Vec<String>,
    pub(crate) shared_features: Vec<String>,
}

/// Names the line of an error, and does not repeat it: a secret may have been pasted there.
fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        anyhow!("{}, line {line}: {}", path.display(), error.message())
    })
}

impl Publish {
    /// As Docker calls it.
    pub(crate) fn mode(self) -> Option<&'static str> {
        match self {
            Self::Ingress => Some("ingress"),
            Self::Host => Some("host"),
            Self::None => None,
        }
    }
}

impl EndpointMode {
    /// As Docker calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Vip => "vip",
            Self::Dnsrr => "dnsrr",
        }
    }
}

fn source_or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Source>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let source = (!text.is_empty()).then(|| Source::try_from(text)).transpose();
    source.map_err(D::Error::custom)
}

impl Settings {
    /// Reads a file, without yet checking whether its values fit together: flags may change them.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let table: Table = parse(path, &text)?;
        let missing = suggest::missing(&table);
        if !missing.is_empty() {
            bail!("{} lacks keys; add:{missing}", path.display());
        }
        parse(path, &text)
    }

    pub(crate) fn variable(&self, name: &str) -> String {
        format!("{}_{name}", self.program.environment_prefix)
    }

    /// The variables that every container gets, apart from those of the image.
    pub(crate) fn container_environment(&self) -> BTreeMap<String, String> {
        let mut environment = self.environment.clone();
        let mut set = |name: &str, value: String| {
            environment.insert(self.variable(name), value);
        };
        set("DRAIN_DELAY", self.restart.drain_delay.to_string());
        set("SHUTDOWN_TIMEOUT", self.restart.shutdown_timeout.to_string());
        if !self.health.exit_when_unhealthy.0.is_zero() {
            set("EXIT_WHEN_UNHEALTHY", self.health.exit_when_unhealthy.to_string());
        }
        if self.testability {
            set("TESTABILITY", "true".to_owned());
        }
        if self.database.url.is_some() {
            set("DATABASE_FILE", format!("/run/secrets/{DATABASE_SECRET}"));
        }
        environment
    }

    /// All secrets, that of the database among them.
    pub(crate) fn all_secrets(&self) -> BTreeMap<&str, &Source> {
        let named = self.secrets.iter().map(|(name, source)| (name.as_str(), source));
        named.chain(self.database.url.iter().map(|url| (DATABASE_SECRET, url))).collect()
    }

    pub(crate) fn features(&self) -> &[String] {
        match self.database.url {
            Some(_) => &self.database.shared_features,
            None => &self.database.embedded_features,
        }
    }

    /// How long failed probes of a new container are not counted.
    pub(crate) fn start_period(&self) -> Span {
        let own = self.health.start_period;
        match self.database.url {
            Some(_) => Span(own.0.max(self.database.start_period.0)),
            None => own,
        }
    }

    /// The order of an update or a rollback, once `auto` is decided.
    pub(crate) fn order(&self, rollout: &Rollout) -> &'static str {
        match (rollout.order, self.publish) {
            (Order::StartFirst, _) | (Order::Auto, Publish::Ingress | Publish::None) => START_FIRST,
            (Order::StopFirst, _) | (Order::Auto, Publish::Host) => STOP_FIRST,
        }
    }

    /// The longest time from the failure of a container until Swarm counts it.
    pub(crate) fn failure_detection_time(&self) -> Duration {
        let probe = self.health.interval.0 + self.health.timeout.0;
        self.start_period().0 + probe * self.health.retries + GOSSIP + self.restart.stop_grace.0
    }
}
