//! What the service is to be, as a table: each row has the flag of `docker service create`, the value
//! that the settings ask for, and how to read the present value. From it come the flags of a new
//! service, the changes that make a present one the same, and the drift that `status` shows.

use std::time::Duration;

use crate::command::Arg;
use crate::plan::Facts;
use crate::service::{IMAGE_LABEL, Mount, Port, Service, TmpfsOptions};
use crate::settings::{EndpointMode, Settings};
use crate::units::Span;

/// On the containers: how they are published, as Swarm does not write it into a task.
const PUBLISH_LABEL: &str = "xtask.publish";

pub(crate) struct Desired {
    values: Vec<Value>,
    lists: Vec<List>,
}

/// A setting with one value.
struct Value {
    flag: &'static str,
    wanted: Arg,
    now: fn(&Service) -> String,
    /// Left to Docker's default: only given to a service that has something else.
    is_default: bool,
}

/// A setting with any number of values.
struct List {
    flag: &'static str,
    wanted: Vec<Item>,
    now: fn(&Service) -> Vec<Item>,
    /// `--FLAG-add` replaces an item of the same key; else that has to be taken away first.
    add_replaces: bool,
}

struct Item {
    /// What `--FLAG-rm` takes.
    key: Arg,
    /// What `--FLAG-add` takes.
    value: Arg,
}

/// One difference between a service and the settings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) flag: Arg,
    /// The present value, for people.
    pub(crate) now: String,
}

impl Desired {
    pub(crate) fn new(settings: &Settings, facts: &Facts) -> Self {
        let mut values = service_values(settings, facts);
        values.extend(container_values(settings));
        values.extend(defaults());
        Self { values, lists: lists(settings, facts) }
    }

    /// The flags of a new service. An image is an argument there and no flag.
    pub(crate) fn create(&self) -> Vec<Arg> {
        let values =
            self.values.iter().filter(|value| !value.is_default && value.flag != "--image");
        let lists = self.lists.iter().flat_map(|list| {
            let flag = format!("{}=", list.flag);
            list.wanted.iter().map(move |item| flag.as_str() + &item.value)
        });
        values.map(Value::argument).chain(lists).collect()
    }

    /// The flags of an update for a service that was made from other values of the same settings,
    /// without asking what it is like. For scripts.
    pub(crate) fn update(&self) -> Vec<Arg> {
        let values = self.values.iter().filter(|value| !value.is_default).map(Value::argument);
        let lists =
            self.lists.iter().filter(|list| !["--network", "--constraint"].contains(&list.flag));
        let lists = lists.flat_map(|list| {
            let flag = format!("{}-add=", list.flag);
            list.wanted.iter().map(move |item| flag.as_str() + &item.value)
        });
        values.chain(lists).collect()
    }

    /// What makes this service the desired one; nothing if it is.
    pub(crate) fn changes(&self, service: &Service) -> Vec<Change> {
        let values = self.values.iter().filter_map(|value| {
            let now = (value.now)(service);
            (Arg::from(now.as_str()) != value.wanted)
                .then(|| Change { flag: value.argument(), now })
        });
        let mut changes: Vec<_> = values.collect();
        for list in &self.lists {
            let now = (list.now)(service);
            let add = |item: &&Item| now.iter().all(|other| other.value != item.value);
            changes.extend(list.wanted.iter().filter(add).map(|item| {
                let same = now.iter().find(|other| other.key == item.key);
                let now =
                    same.map_or_else(|| "not there".to_owned(), |item| item.value.to_string());
                Change { flag: format!("{}-add=", list.flag).as_str() + &item.value, now }
            }));
            let mut surplus: Vec<_> = now
                .iter()
                .filter(|item| list.wanted.iter().all(|other| other.value != item.value))
                .filter(|item| {
                    !list.add_replaces || list.wanted.iter().all(|other| other.key != item.key)
                })
                .map(|item| Change {
                    flag: format!("{}-rm=", list.flag).as_str() + &item.key,
                    now: item.value.to_string(),
                })
                .collect();
            surplus.dedup_by(|a, b| a.flag == b.flag);
            changes.extend(surplus);
        }
        changes
    }
}

impl Value {
    fn argument(&self) -> Arg {
        format!("{}=", self.flag).as_str() + &self.wanted
    }
}

fn value(flag: &'static str, wanted: impl Into<Arg>, now: fn(&Service) -> String) -> Value {
    Value { flag, wanted: wanted.into(), now, is_default: false }
}

/// A change of these leaves the containers alone, the image apart.
fn service_values(settings: &Settings, facts: &Facts) -> Vec<Value> {
    let mode = match settings.endpoint_mode {
        EndpointMode::Vip => "vip",
        EndpointMode::Dnsrr => "dnsrr",
    };
    let (update, rollback) = (&settings.update, &settings.rollback);
    vec![
        Value {
            flag: "--image",
            wanted: facts.reference.clone(),
            now: |service| {
                let image = &service.container().image;
                // `docker service` adds a digest to a name, but not to an id.
                image.split_once('@').map_or(image.as_str(), |(name, _)| name).to_owned()
            },
            is_default: false,
        },
        value("--replicas", settings.replicas.to_string(), |service| {
            service.replicas().map_or_else(|| "global".to_owned(), |count| count.to_string())
        }),
        value("--endpoint-mode", mode, |service| service.spec.endpoint_spec.mode.clone()),
        value("--update-failure-action", "rollback", |s| {
            s.spec.update_config.failure_action.clone()
        }),
        value("--rollback-failure-action", "pause", |s| {
            s.spec.rollback_config.failure_action.clone()
        }),
        value("--update-order", settings.order(update), |s| s.spec.update_config.order.clone()),
        value("--update-parallelism", update.parallelism.to_string(), |s| {
            s.spec.update_config.parallelism.to_string()
        }),
        value("--update-delay", update.delay.to_string(), |s| span(s.spec.update_config.delay)),
        value("--update-monitor", update.monitor.to_string(), |s| {
            span(s.spec.update_config.monitor)
        }),
        value("--update-max-failure-ratio", ratio(update.max_failure_ratio), |s| {
            ratio(s.spec.update_config.max_failure_ratio)
        }),
        value("--rollback-order", settings.order(rollback), |s| {
            s.spec.rollback_config.order.clone()
        }),
        value("--rollback-parallelism", rollback.parallelism.to_string(), |s| {
            s.spec.rollback_config.parallelism.to_string()
        }),
        value("--rollback-delay", rollback.delay.to_string(), |s| {
            span(s.spec.rollback_config.delay)
        }),
        value("--rollback-monitor", rollback.monitor.to_string(), |s| {
            span(s.spec.rollback_config.monitor)
        }),
        value("--rollback-max-failure-ratio", ratio(rollback.max_failure_ratio), |s| {
            ratio(s.spec.rollback_config.max_failure_ratio)
        }),
    ]
}

/// A change of these replaces the containers.
fn container_values(settings: &Settings) -> Vec<Value> {
    let limits = &settings.limits;
    vec![
        value("--read-only", "true", |service| service.container().read_only.to_string()),
        value("--cap-drop", "ALL", |service| {
            let container = service.container();
            let added = container.capability_add.iter().map(|name| format!("+{name}"));
            container.capability_drop.iter().cloned().chain(added).collect::<Vec<_>>().join(",")
        }),
        value("--limit-memory", limits.memory.0.to_string(), |service| {
            service.spec.task_template.resources.limits.memory_bytes.to_string()
        }),
        value("--limit-cpu", cpus(Duration::from_secs_f64(limits.cpus)), |service| {
            cpus(Duration::from_nanos(service.spec.task_template.resources.limits.nano_cpus))
        }),
        value("--limit-pids", limits.pids.to_string(), |service| {
            service.spec.task_template.resources.limits.pids.to_string()
        }),
        value("--restart-condition", "any", |s| {
            s.spec.task_template.restart_policy.condition.clone()
        }),
        value("--restart-delay", settings.restart.delay.to_string(), |s| {
            span(s.spec.task_template.restart_policy.delay)
        }),
        value("--stop-grace-period", settings.restart.stop_grace.to_string(), |service| {
            span(service.container().stop_grace_period)
        }),
    ]
}

/// What the plan leaves to Docker, should a person have changed it.
fn defaults() -> impl Iterator<Item = Value> {
    let rows: [(&str, &str, fn(&Service) -> String); 17] = [
        ("--user", "", |service| service.container().user.clone()),
        ("--workdir", "", |service| service.container().dir.clone()),
        ("--hostname", "", |service| service.container().hostname.clone()),
        ("--entrypoint", "", |service| service.container().command.join(" ")),
        ("--args", "", |service| service.container().args.join(" ")),
        ("--stop-signal", "", |service| service.container().stop_signal.clone()),
        ("--tty", "false", |service| service.container().tty.to_string()),
        ("--health-cmd", "", |service| service.container().healthcheck.test.join(" ")),
        ("--health-interval", "0s", |service| span(service.container().healthcheck.interval)),
        ("--health-timeout", "0s", |service| span(service.container().healthcheck.timeout)),
        ("--health-retries", "0", |service| service.container().healthcheck.retries.to_string()),
        ("--health-start-period", "0s", |s| span(s.container().healthcheck.start_period)),
        ("--reserve-cpu", "0", |service| {
            cpus(Duration::from_nanos(service.spec.task_template.resources.reservations.nano_cpus))
        }),
        ("--reserve-memory", "0", |service| {
            service.spec.task_template.resources.reservations.memory_bytes.to_string()
        }),
        ("--replicas-max-per-node", "0", |service| {
            service.spec.task_template.placement.max_replicas.to_string()
        }),
        ("--restart-max-attempts", "0", |service| {
            service.spec.task_template.restart_policy.max_attempts.to_string()
        }),
        ("--restart-window", "0s", |s| span(s.spec.task_template.restart_policy.window)),
    ];
    rows.into_iter().map(|(flag, wanted, now)| Value {
        flag,
        wanted: wanted.into(),
        now,
        is_default: true,
    })
}

fn lists(settings: &Settings, facts: &Facts) -> Vec<List> {
    let environment = settings.container_environment();
    let port = port(settings);
    let published = port.as_ref().map_or_else(|| "none".to_owned(), published);
    let data = mount(&Mount {
        kind: "tmpfs".to_owned(),
        source: String::new(),
        target: "/data".to_owned(),
        tmpfs_options: TmpfsOptions { size_bytes: settings.limits.data.0, mode: 0o1777 },
    });
    let stored = |kind: &str| {
        let of_kind = facts.stored.iter().filter(move |stored| stored.kind == kind);
        of_kind.map(|stored| Item::file(&stored.name, &stored.target)).collect()
    };
    let mut lists = vec![
        List {
            flag: "--label",
            wanted: vec![Item {
                key: IMAGE_LABEL.into(),
                value: (&*format!("{IMAGE_LABEL}=")) + &facts.image,
            }],
            now: |service| service.spec.labels.iter().map(pair).collect(),
            add_replaces: true,
        },
        List {
            flag: "--container-label",
            wanted: vec![pair((PUBLISH_LABEL, published.as_str()))],
            now: |service| service.container().labels.iter().map(pair).collect(),
            add_replaces: true,
        },
        List {
            flag: "--mount",
            wanted: vec![data],
            now: |service| service.container().mounts.iter().map(mount).collect(),
            add_replaces: true,
        },
        List {
            flag: "--env",
            wanted: environment.iter().map(pair).collect(),
            now: |service| {
                let variables = service.container().env.iter();
                variables.map(|text| pair(text.split_once('=').unwrap_or((text, "")))).collect()
            },
            add_replaces: true,
        },
        List {
            flag: "--network",
            wanted: vec![Item::same(&settings.network)],
            now: |service| service.networks.iter().map(Item::same).collect(),
            add_replaces: false,
        },
        List {
            flag: "--constraint",
            wanted: settings.constraints.iter().map(Item::same).collect(),
            now: |service| {
                service.spec.task_template.placement.constraints.iter().map(Item::same).collect()
            },
            add_replaces: false,
        },
        List {
            flag: "--publish",
            wanted: port.iter().map(publish).collect(),
            now: |service| service.spec.endpoint_spec.ports.iter().map(publish).collect(),
            add_replaces: false,
        },
        List {
            flag: "--secret",
            wanted: stored("secret"),
            now: |service| {
                let secrets = service.container().secrets.iter();
                secrets
                    .map(|one| Item::file(&one.secret_name.as_str().into(), &one.file.name))
                    .collect()
            },
            add_replaces: false,
        },
        List {
            flag: "--config",
            wanted: stored("config"),
            now: |service| {
                let configs = service.container().configs.iter();
                configs
                    .map(|one| Item::file(&one.config_name.as_str().into(), &one.file.name))
                    .collect()
            },
            add_replaces: false,
        },
    ];
    lists.extend(unwanted_lists());
    lists
}

/// Lists that are to be empty.
fn unwanted_lists() -> impl Iterator<Item = List> {
    let rows: [(&str, fn(&Service) -> Vec<Item>); 6] = [
        ("--host", |service| {
            let hosts = service.container().hosts.iter();
            let entry = hosts.map(|entry| entry.split_once(' ').unwrap_or((entry, "")));
            entry.map(|(address, name)| Item::same(format!("{name}:{address}"))).collect()
        }),
        ("--group", |service| service.container().groups.iter().map(Item::same).collect()),
        ("--sysctl", |service| service.container().sysctls.iter().map(pair).collect()),
        ("--dns", |s| s.container().dns_config.nameservers.iter().map(Item::same).collect()),
        ("--dns-search", |s| s.container().dns_config.search.iter().map(Item::same).collect()),
        ("--dns-option", |s| s.container().dns_config.options.iter().map(Item::same).collect()),
    ];
    rows.into_iter().map(|(flag, now)| List { flag, wanted: Vec::new(), now, add_replaces: false })
}

impl Item {
    fn same(text: impl AsRef<str>) -> Self {
        Self { key: text.as_ref().into(), value: text.as_ref().into() }
    }

    fn file(name: &Arg, target: &str) -> Self {
        Self { key: name.clone(), value: "source=" + name + &*format!(",target={target}") }
    }
}

fn pair<K: AsRef<str>, V: AsRef<str>>((name, value): (K, V)) -> Item {
    let (name, value) = (name.as_ref(), value.as_ref());
    Item { key: name.into(), value: format!("{name}={value}").into() }
}

fn mount(mount: &Mount) -> Item {
    let Mount { kind, source, target, tmpfs_options: options } = mount;
    let from = if source.is_empty() { String::new() } else { format!("source={source},") };
    let value = format!(
        "type={kind},{from}destination={target},tmpfs-size={},tmpfs-mode={:o}",
        options.size_bytes, options.mode
    );
    Item { key: target.as_str().into(), value: value.into() }
}

fn port(settings: &Settings) -> Option<Port> {
    let mode = settings.publish.mode()?;
    Some(Port {
        protocol: "tcp".to_owned(),
        target_port: settings.program.port,
        published_port: settings.port,
        publish_mode: mode.to_owned(),
    })
}

fn published(port: &Port) -> String {
    format!("{}:{}/{}", port.published_port, port.target_port, port.publish_mode)
}

fn publish(port: &Port) -> Item {
    let Port { protocol, target_port, published_port, publish_mode } = port;
    let place = format!("target={target_port},protocol={protocol},mode={publish_mode}");
    Item { value: format!("published={published_port},{place}").into(), key: place.into() }
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
