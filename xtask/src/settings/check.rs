//! Which values of `infra/deploy.toml` fit together. Everything that does not is said at once.

use std::time::Duration;

use anyhow::{Result, bail};

use super::{EndpointMode, Health, Limits, Order, Publish, Restart, Rollout, Settings};
use crate::units::Span;

/// Variables of the service that contradict what the plan relies on, and the key to use instead.
/// Names that the service no longer knows are among them: it would refuse to start.
const OWNED: [(&str, &str); 11] = [
    ("ADDRESS", "the probe and the published port need every address of the container"),
    ("DATABASE", "only /data can be written to; for a shared store, use `url` in [database]"),
    ("DATABASE_FILE", "use `url` in [database]"),
    ("DRAIN_DELAY", "use `drain_delay` in [restart]"),
    ("DRAIN_TIMEOUT", "use `shutdown_timeout` in [restart]"),
    ("EXIT_WHEN_UNHEALTHY", "use `exit_when_unhealthy` in [health]"),
    ("HEAD_TIMEOUT", "it is now called HEADER_TIMEOUT"),
    ("IDLE_TIMEOUT", "it is now called KEEP_ALIVE_TIMEOUT"),
    ("PORT", "use `port` for the published port, `port` in [program] for that in the container"),
    ("SHUTDOWN_TIMEOUT", "use `shutdown_timeout` in [restart]"),
    ("TESTABILITY", "use `testability`"),
];

impl Settings {
    /// Refuses what does not fit together, all of it at once.
    pub(crate) fn check(&self) -> Result<()> {
        let mut problems = Problems(Vec::new());
        self.check_names(&mut problems);
        self.check_image(&mut problems);
        self.check_health(&mut problems);
        self.check_network(&mut problems);
        self.check_rollout("update", &self.update, &mut problems);
        self.check_rollout("rollback", &self.rollback, &mut problems);
        self.check_limits(&mut problems);
        self.check_environment(&mut problems);
        if problems.0.is_empty() {
            return Ok(());
        }
        bail!("the settings do not fit together:\n  {}", problems.0.join("\n  "))
    }

    fn check_names(&self, problems: &mut Problems) {
        let names = [("service", &self.service), ("network", &self.network)];
        let binaries =
            [("program.binary", &self.program.binary), ("probe.binary", &self.probe.binary)];
        for (key, name) in names.into_iter().chain(binaries) {
            let is_name = is_made_of(name, |c| c.is_ascii_alphanumeric(), "-_");
            problems.when(!is_name || name.len() > 63, || {
                format!("{key} = {name:?}: up to 63 letters, digits, - and _, the first a letter or digit")
            });
        }
        problems.when(self.program.binary == self.probe.binary, || {
            "program.binary and probe.binary are the same".to_owned()
        });
        let prefix = &self.program.environment_prefix;
        problems.when(!is_made_of(prefix, |c| c.is_ascii_uppercase(), "_"), || {
            format!("program.environment_prefix = {prefix:?}: upper-case letters, digits and _")
        });
        let texts = [("source", &self.source)].into_iter();
        for (key, text) in texts.chain(self.constraints.iter().map(|rule| ("constraints", rule))) {
            problems.when(text.contains(char::is_control), || {
                format!("{key}: {text:?} has a control character")
            });
        }
        for (table, sources) in [("secrets", &self.secrets), ("configs", &self.configs)] {
            for name in sources.keys() {
                let is_name = is_made_of(name, |c| c.is_ascii_lowercase(), "_");
                // Swarm's limit is 64; a hash of 16 digits and two hyphens are added.
                problems.when(!is_name || self.service.len() + name.len() > 46, || {
                    format!(
                        "{table}.{name}: lower-case letters, digits and _, the first a letter; with \
                         the name of the service at most 46"
                    )
                });
            }
        }
        problems.when(self.database.url.is_some() && self.secrets.contains_key("database"), || {
            "secrets.database: [database] makes a secret of this name".to_owned()
        });
    }

    fn check_image(&self, problems: &mut Problems) {
        let image = &self.image;
        let tagged = image.rsplit('/').next().is_some_and(|last| last.contains(':'));
        problems.when(tagged || image.contains('@'), || {
            format!("image = {image:?}: leave the tag out, it is the hash of the content")
        });
        let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        problems.when(!is_made_of(image, first, "-_./:"), || {
            format!(
                "image = {image:?}: lower-case letters, digits and - _ . / only, the first a letter or \
                 digit"
            )
        });
        let host = image.split_once('/').map_or("", |(host, _)| host);
        problems.when(self.push && !host.contains(['.', ':']) && host != "localhost", || {
            format!("push = true with image = {image:?}: it names no registry to push to")
        });
    }

    fn check_health(&self, problems: &mut Problems) {
        let Health { interval, timeout, probe_timeout, retries, start_interval, .. } = self.health;
        problems.when(retries == 0, || "health.retries = 0: Docker takes it for 3".to_owned());
        for (key, span) in
            [("interval", interval), ("timeout", timeout), ("probe_timeout", probe_timeout)]
        {
            let is_none = span.0 < Duration::from_millis(1);
            problems.when(is_none, || format!("health.{key} = \"{span}\": at least 1ms"));
        }
        problems.when(probe_timeout.0 >= timeout.0, || {
            format!(
                "health.probe_timeout = \"{probe_timeout}\" is not below health.timeout = \
                 \"{timeout}\": Docker would kill the probe before it could give its reason"
            )
        });
        problems.when(!start_interval.0.is_zero() && self.start_period().0.is_zero(), || {
            format!(
                "health.start_interval = \"{start_interval}\" with health.start_period = \"0s\": it \
                 has no period to apply to"
            )
        });
        let Restart { drain_delay, shutdown_timeout, stop_grace, .. } = self.restart;
        let needed = Span(drain_delay.0 + shutdown_timeout.0);
        problems.when(stop_grace.0 <= needed.0, || {
            format!(
                "restart.stop_grace = \"{stop_grace}\" is not above {needed}, drain_delay and \
                 shutdown_timeout together: the service would be killed with requests in flight"
            )
        });
    }

    fn check_network(&self, problems: &mut Problems) {
        problems.when(self.port == 0, || "port = 0: no port can be published as 0".to_owned());
        problems.when(self.program.port == 0, || {
            "program.port = 0: the probe has to know the port".to_owned()
        });
        let ingress = self.publish == Publish::Ingress;
        problems.when(ingress && self.endpoint_mode == EndpointMode::Dnsrr, || {
            "publish = \"ingress\" with endpoint_mode = \"dnsrr\": the routing mesh needs the one \
             address of \"vip\"; take publish = \"host\" or \"none\""
                .to_owned()
        });
    }

    fn check_rollout(&self, table: &str, rollout: &Rollout, problems: &mut Problems) {
        let host = self.publish == Publish::Host;
        problems.when(rollout.order == Order::StartFirst && host, || {
            format!(
                "{table}.order = \"start-first\" with publish = \"host\": the new container cannot \
                 have the port while the old one holds it"
            )
        });
        let needed = Span(self.failure_detection_time());
        problems.when(rollout.monitor.0 <= needed.0, || {
            format!(
                "{table}.monitor = \"{}\" is not above {needed}, the longest time until a failure is \
                 seen (start_period + retries * (interval + timeout) + 2s + stop_grace): a bad \
                 version would count as good",
                rollout.monitor
            )
        });
        problems.when(self.deadline.0 <= rollout.monitor.0 + needed.0, || {
            format!(
                "deadline = \"{}\" is not above {table}.monitor and {needed} for a failure to be \
                 seen: deploy would give up before Swarm decides",
                self.deadline
            )
        });
        let ratio = rollout.max_failure_ratio;
        problems.when(!(0.0..=1.0).contains(&ratio), || {
            format!("{table}.max_failure_ratio = {ratio}: from 0 to 1")
        });
    }

    fn check_limits(&self, problems: &mut Problems) {
        let Limits { memory, cpus, pids, data } = &self.limits;
        problems.when(memory.0 < 6 << 20, || {
            format!("limits.memory = \"{memory}\": Docker's least is 6M")
        });
        problems.when(data.0 >= memory.0, || {
            format!(
                "limits.data = \"{data}\" is not below limits.memory = \"{memory}\": what is in \
                 /data counts as memory"
            )
        });
        problems.when(!(0.01..=1024.0).contains(cpus), || {
            format!("limits.cpus = {cpus}: from 0.01 to 1024")
        });
        problems.when(*pids < 8, || {
            format!("limits.pids = {pids}: the service and its probe need at least 8")
        });
    }

    fn check_environment(&self, problems: &mut Problems) {
        for (name, value) in &self.environment {
            let odd = |c: char| c == '=' || c.is_control() || c.is_whitespace();
            problems.when(name.is_empty() || name.contains(odd), || {
                format!("environment.{name:?} is not the name of a variable")
            });
            problems.when(value.contains('\0'), || {
                format!("environment.{name}: a variable cannot hold a zero byte")
            });
            let owned = OWNED.iter().find(|(owned, _)| *name == self.variable(owned));
            problems.0.extend(owned.map(|(_, why)| format!("environment.{name}: {why}")));
            let port = self.program.port;
            let same = *name == self.variable("METRICS_PORT") && value.trim().parse() == Ok(port);
            problems.when(same, || {
                format!("environment.{name} = {value:?}: the service itself listens there")
            });
        }
    }
}

/// Whether a text is of such characters, digits and these others, and starts with one of the first.
fn is_made_of(text: &str, first: fn(char) -> bool, others: &str) -> bool {
    let fits = |c: char| first(c) || c.is_ascii_digit() || others.contains(c);
    text.starts_with(first) && text.chars().all(fits)
}

/// What does not fit so far.
struct Problems(Vec<String>);

impl Problems {
    fn when(&mut self, wrong: bool, why: impl FnOnce() -> String) {
        if wrong {
            self.0.push(why());
        }
    }
}
