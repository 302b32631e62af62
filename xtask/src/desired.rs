//! What the service is to be, as a table: each row has a flag of `docker service`, the value that the
//! settings ask for, and how to read the present one. From it come the flags of a new service, the
//! changes that make a present one the same, and the drift that `status` shows.

use std::fmt::Display;
use std::time::Duration;

use crate::arg::Arg;
use crate::facts::Facts;
use crate::service::{IMAGE_LABEL, Port, Service, TmpfsOptions};
use crate::settings::{EndpointMode, Settings};
use crate::units::Span;

/// On the containers: how they are published, as Swarm does not write it into a task.
const PUBLISH_LABEL: &str = "xtask.publish";

type Read<T> = fn(&Service) -> T;

pub(crate) struct Desired {
    values: Vec<Value>,
    lists: Vec<List>,
}

/// A setting with one value.
struct Value {
    flag: &'static str,
    wanted: Arg,
    now: Box<dyn Fn(&Service) -> String>,
    /// Docker's default; only a service that has another value is given it.
    is_default: bool,
}

/// A setting with any number of values.
struct List {
    flag: &'static str,
    wanted: Vec<Item>,
    now: Read<Vec<Item>>,
    /// `--FLAG-add` replaces an item of the same key; else that has to be taken away first.
    add_replaces: bool,
}

struct Item {
    /// What `--FLAG-rm` takes.
    key: Arg,
    /// What `--FLAG-add` takes.
    value: Arg,
}

pub(crate) struct Change {
    pub(crate) flag: Arg,
    /// The present value, for people.
    pub(crate) now: String,
}

impl Desired {
    pub(crate) fn new(settings: &Settings, facts: &Facts) -> Self {
        let mut values = values(settings, facts);
        values.extend(defaults());
        Self { values, lists: lists(settings, facts) }
    }

    /// The flags of a new service. An image is an argument there and no flag.
    pub(crate) fn create(&self) -> Vec<Arg> {
        self.flags(|flag| if flag == "--image" { None } else { Some("") })
    }

    /// The flags of an update for a service that was made from other values of the same settings,
    /// without asking what it is like. For scripts.
    pub(crate) fn update(&self) -> Vec<Arg> {
        self.flags(|flag| match flag {
            "--network" | "--constraint" => None,
            _ => Some("-add"),
        })
    }

    /// All flags; those of lists with this ending.
    fn flags(&self, ending: fn(&str) -> Option<&'static str>) -> Vec<Arg> {
        let values = self.values.iter().filter(|value| !value.is_default);
        let values = values.filter(|value| ending(value.flag).is_some()).map(Value::argument);
        let lists = self.lists.iter().filter_map(|list| Some((list, ending(list.flag)?)));
        let lists = lists.flat_map(|(list, ending)| {
            list.wanted.iter().map(move |item| &*format!("{}{ending}=", list.flag) + &item.value)
        });
        values.chain(lists).collect()
    }

    /// What makes this service the desired one; nothing if it is.
    pub(crate) fn changes(&self, service: &Service) -> Vec<Change> {
        let values = self.values.iter().filter_map(|value| {
            let now = (value.now)(service);
            (Arg::from(&*now) != value.wanted).then(|| Change { flag: value.argument(), now })
        });
        values.chain(self.lists.iter().flat_map(|list| list.changes(service))).collect()
    }
}

impl Value {
    fn argument(&self) -> Arg {
        &*format!("{}=", self.flag) + &self.wanted
    }
}

impl List {
    fn changes(&self, service: &Service) -> Vec<Change> {
        let now = (self.now)(service);
        let is_new = |item: &&Item| now.iter().all(|other| other.value != item.value);
        let added = self.wanted.iter().filter(is_new).map(|item| {
            let before = now.iter().find(|other| other.key == item.key);
            Change {
                flag: &*format!("{}-add=", self.flag) + &item.value,
                now: before.map_or_else(|| "not there".to_owned(), |item| item.value.to_string()),
            }
        });
        let is_surplus = |item: &&Item| {
            let mut wanted = self.wanted.iter();
            wanted.all(|other| {
                other.value != item.value && !(self.add_replaces && other.key == item.key)
            })
        };
        let removed = now.iter().filter(is_surplus).map(|item| Change {
            flag: &*format!("{}-rm=", self.flag) + &item.key,
            now: item.value.to_string(),
        });
        let mut changes: Vec<_> = added.chain(removed).collect();
        changes.dedup_by(|a, b| a.flag == b.flag);
        changes
    }
}

fn value<T: Display + 'static>(flag: &'static str, wanted: impl Display, now: Read<T>) -> Value {
    let now = Box::new(move |service: &Service| now(service).to_string());
    Value { flag, wanted: wanted.to_string().into(), now, is_default: false }
}

fn values(settings: &Settings, facts: &Facts) -> Vec<Value> {
    let mode = match settings.endpoint_mode {
        EndpointMode::Vip => "vip",
        EndpointMode::Dnsrr => "dnsrr",
    };
    let Settings { update, rollback, limits, restart, .. } = settings;
    let cpu = cpus(Duration::from_secs_f64(limits.cpus));
    let update_ratio = ratio(update.max_failure_ratio);
    let rollback_ratio = ratio(rollback.max_failure_ratio);
    vec![
        // These leave the containers alone, the image apart.
        Value {
            wanted: facts.reference.clone(),
            ..value("--image", "", |s| image(&s.container().image))
        },
        value("--replicas", settings.replicas, replicas),
        value("--endpoint-mode", mode, |s| s.spec.endpoint_spec.mode.clone()),
        value("--update-failure-action", "rollback", |s| s.update().failure_action.clone()),
        value("--update-order", settings.order(update), |s| s.update().order.clone()),
        value("--update-parallelism", update.parallelism, |s| s.update().parallelism),
        value("--update-delay", update.delay, |s| span(s.update().delay)),
        value("--update-monitor", update.monitor, |s| span(s.update().monitor)),
        value("--update-max-failure-ratio", update_ratio, |s| ratio(s.update().max_failure_ratio)),
        value("--rollback-failure-action", "pause", |s| s.rollback().failure_action.clone()),
        value("--rollback-order", settings.order(rollback), |s| s.rollback().order.clone()),
        value("--rollback-parallelism", rollback.parallelism, |s| s.rollback().parallelism),
        value("--rollback-delay", rollback.delay, |s| span(s.rollback().delay)),
        value("--rollback-monitor", rollback.monitor, |s| span(s.rollback().monitor)),
        value("--rollback-max-failure-ratio", rollback_ratio, |s| {
            ratio(s.rollback().max_failure_ratio)
        }),
        // These replace the containers.
        value("--read-only", "true", |s| s.container().read_only),
        value("--cap-drop", "ALL", capabilities),
        value("--limit-memory", limits.memory.0, |s| s.task().resources.limits.memory_bytes),
        value("--limit-cpu", cpu, |s| cpus(s.task().resources.limits.cpus())),
        value("--limit-pids", limits.pids, |s| s.task().resources.limits.pids),
        value("--restart-condition", "any", |s| s.task().restart_policy.condition.clone()),
        value("--restart-delay", restart.delay, |s| span(s.task().restart_policy.delay)),
        value("--stop-grace-period", restart.stop_grace, |s| span(s.container().stop_grace_period)),
    ]
}

/// What the plan leaves to Docker, should a person have changed it.
fn defaults() -> impl Iterator<Item = Value> {
    let rows: [(&str, &str, Read<String>); 17] = [
        ("--user", "", |s| s.container().user.clone()),
        ("--workdir", "", |s| s.container().dir.clone()),
        ("--hostname", "", |s| s.container().hostname.clone()),
        ("--entrypoint", "", |s| s.container().command.join(" ")),
        ("--args", "", |s| s.container().args.join(" ")),
        ("--stop-signal", "", |s| s.container().stop_signal.clone()),
        ("--tty", "false", |s| s.container().tty.to_string()),
        ("--health-cmd", "", |s| s.container().healthcheck.test.join(" ")),
        ("--health-interval", "0s", |s| span(s.container().healthcheck.interval)),
        ("--health-timeout", "0s", |s| span(s.container().healthcheck.timeout)),
        ("--health-retries", "0", |s| s.container().healthcheck.retries.to_string()),
        ("--health-start-period", "0s", |s| span(s.container().healthcheck.start_period)),
        ("--reserve-cpu", "0", |s| cpus(s.task().resources.reservations.cpus())),
        ("--reserve-memory", "0", |s| s.task().resources.reservations.memory_bytes.to_string()),
        ("--replicas-max-per-node", "0", |s| s.task().placement.max_replicas.to_string()),
        ("--restart-max-attempts", "0", |s| s.task().restart_policy.max_attempts.to_string()),
        ("--restart-window", "0s", |s| span(s.task().restart_policy.window)),
    ];
    rows.into_iter()
        .map(|(flag, wanted, now)| Value { is_default: true, ..value(flag, wanted, now) })
}

fn lists(settings: &Settings, facts: &Facts) -> Vec<List> {
    let port = settings.publish.mode().map(|mode| Port {
        protocol: "tcp".to_owned(),
        target_port: settings.program.port,
        published_port: settings.port,
        publish_mode: mode.to_owned(),
    });
    let published = port.as_ref().map_or_else(
        || "none".to_owned(),
        |port| format!("{}:{}/{}", port.published_port, port.target_port, port.publish_mode),
    );
    let options = TmpfsOptions { size_bytes: settings.limits.data.0, mode: 0o1777 };
    let data = mount("tmpfs", "", "/data", &options);
    let image = Item { key: IMAGE_LABEL.into(), value: &*format!("{IMAGE_LABEL}=") + &facts.image };
    let stored = |kind: &str| {
        let of_kind = facts.stored.iter().filter(move |stored| stored.kind == kind);
        of_kind.map(|stored| Item::file(&stored.name, &stored.target)).collect()
    };
    let replaced = |flag, wanted, now| List { flag, wanted, now, add_replaces: true };
    let other = |flag, wanted, now| List { flag, wanted, now, add_replaces: false };
    vec![
        replaced("--label", vec![image], |s| s.spec.labels.iter().map(pair).collect()),
        replaced("--container-label", vec![pair((PUBLISH_LABEL, &published))], |s| {
            s.container().labels.iter().map(pair).collect()
        }),
        replaced("--mount", vec![data], |s| {
            let mounts = s.container().mounts.iter();
            mounts.map(|m| mount(&m.kind, &m.source, &m.target, &m.tmpfs_options)).collect()
        }),
        replaced("--env", settings.container_environment().iter().map(pair).collect(), |s| {
            let variables = s.container().env.iter();
            variables.map(|text| pair(text.split_once('=').unwrap_or((text, "")))).collect()
        }),
        other("--network", same([&settings.network]), |s| same(&s.networks)),
        other("--constraint", same(&settings.constraints), |s| {
            same(&s.task().placement.constraints)
        }),
        other("--publish", port.iter().map(publish).collect(), |s| {
            s.spec.endpoint_spec.ports.iter().map(publish).collect()
        }),
        other("--secret", stored("secret"), |s| {
            let secrets = s.container().secrets.iter();
            secrets.map(|one| Item::file(&(&*one.secret_name).into(), &one.file.name)).collect()
        }),
        other("--config", stored("config"), |s| {
            let configs = s.container().configs.iter();
            configs.map(|one| Item::file(&(&*one.config_name).into(), &one.file.name)).collect()
        }),
        // The plan has none of these.
        other("--host", Vec::new(), |s| {
            let entries = s.container().hosts.iter().filter_map(|entry| entry.split_once(' '));
            same(entries.map(|(address, name)| format!("{name}:{address}")))
        }),
        other("--group", Vec::new(), |s| same(&s.container().groups)),
        other("--sysctl", Vec::new(), |s| s.container().sysctls.iter().map(pair).collect()),
        other("--dns", Vec::new(), |s| same(&s.container().dns_config.nameservers)),
        other("--dns-search", Vec::new(), |s| same(&s.container().dns_config.search)),
        other("--dns-option", Vec::new(), |s| same(&s.container().dns_config.options)),
    ]
}

impl Item {
    fn file(name: &Arg, target: &str) -> Self {
        Self { key: name.clone(), value: "source=" + name + &*format!(",target={target}") }
    }
}

/// Items that are their own keys.
fn same<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Vec<Item> {
    let item = |text: T| Item { key: text.as_ref().into(), value: text.as_ref().into() };
    texts.into_iter().map(item).collect()
}

fn pair<K: AsRef<str>, V: AsRef<str>>((name, value): (K, V)) -> Item {
    let (name, value) = (name.as_ref(), value.as_ref());
    Item { key: name.into(), value: format!("{name}={value}").into() }
}

fn mount(kind: &str, source: &str, target: &str, options: &TmpfsOptions) -> Item {
    let from = if source.is_empty() { String::new() } else { format!("source={source},") };
    let TmpfsOptions { size_bytes, mode } = options;
    let value = format!(
        "type={kind},{from}destination={target},tmpfs-size={size_bytes},tmpfs-mode={mode:o}"
    );
    Item { key: target.into(), value: value.into() }
}

fn publish(port: &Port) -> Item {
    let Port { protocol, target_port, published_port, publish_mode } = port;
    let place = format!("target={target_port},protocol={protocol},mode={publish_mode}");
    Item { value: format!("published={published_port},{place}").into(), key: place.into() }
}

/// `docker service` adds a digest to a name, but not to an id.
fn image(reference: &str) -> String {
    reference.split_once('@').map_or(reference, |(name, _)| name).to_owned()
}

fn replicas(service: &Service) -> String {
    service.replicas().map_or_else(|| "global".to_owned(), |count| count.to_string())
}

fn capabilities(service: &Service) -> String {
    let container = service.container();
    let added = container.capability_add.iter().map(|name| format!("+{name}"));
    container.capability_drop.iter().cloned().chain(added).collect::<Vec<_>>().join(",")
}

fn span(nanoseconds: u64) -> String {
    Span(Duration::from_nanos(nanoseconds)).to_string()
}

/// Processors, counted in billionths as Docker does: a second stands for one.
fn cpus(count: Duration) -> String {
    count.as_secs_f64().to_string()
}

/// Docker stores it in 32 bits.
fn ratio(share: f64) -> String {
    ((share * 1e6).round() / 1e6).to_string()
}
