//! What the service is to be, as a table: each row has a flag of `docker service`, the value that
//! the settings ask for, and where Docker keeps the present one. From it come the flags of a new
//! service, the changes to a present one, and the drift that `status` shows. It asks no engine.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::arg::Arg;
use crate::service::{FileReference, IMAGE_LABEL, Mount, Port, Service, TmpfsOptions, is_empty};
use crate::settings::{Rollout, Settings};
use crate::stored::Stored;
use crate::units::Span;

/// On the containers: how they are published, as Swarm does not write it into a task.
const PUBLISH_LABEL: &str = "xtask.publish";

/// What the settings do not say: it is known once the binaries are built and the engine is asked.
pub(crate) struct Facts {
    /// The image with its tag.
    pub(crate) image: Arg,
    /// What Swarm is told to run: see `plan::reference`.
    pub(crate) reference: Arg,
    pub(crate) stored: Vec<Stored>,
    /// The service as it is now, if it is there.
    pub(crate) current: Option<Service>,
}

/// What the plan leaves to Docker: the flag that undoes a change by hand, and where it is.
const DEFAULTS: [(&str, &str); 18] = [
    ("--user=", "ContainerSpec/User"),
    ("--workdir=", "ContainerSpec/Dir"),
    ("--hostname=", "ContainerSpec/Hostname"),
    ("--entrypoint=", "ContainerSpec/Command"),
    ("--args=", "ContainerSpec/Args"),
    ("--stop-signal=", "ContainerSpec/StopSignal"),
    ("--cap-add=RESET", "ContainerSpec/CapabilityAdd"),
    ("--tty=false", "ContainerSpec/TTY"),
    ("--health-cmd=", "ContainerSpec/Healthcheck/Test"),
    ("--health-interval=0s", "ContainerSpec/Healthcheck/Interval"),
    ("--health-timeout=0s", "ContainerSpec/Healthcheck/Timeout"),
    ("--health-retries=0", "ContainerSpec/Healthcheck/Retries"),
    ("--health-start-period=0s", "ContainerSpec/Healthcheck/StartPeriod"),
    ("--reserve-cpu=0", "Resources/Reservations/NanoCPUs"),
    ("--reserve-memory=0", "Resources/Reservations/MemoryBytes"),
    ("--replicas-max-per-node=0", "Placement/MaxReplicas"),
    ("--restart-max-attempts=0", "RestartPolicy/MaxAttempts"),
    ("--restart-window=0s", "RestartPolicy/Window"),
];

pub(crate) struct Desired {
    values: Vec<Value>,
    lists: Vec<List>,
}

/// A setting with one value.
struct Value {
    flag: String,
    wanted: Arg,
    /// Where Docker keeps it in the spec.
    path: String,
    /// Makes of what is there the text that the flag takes.
    read: fn(&Json) -> Result<String>,
}

/// A setting with any number of values.
struct List {
    flag: &'static str,
    wanted: Vec<Item>,
    now: Box<ReadItems>,
}

type ReadItems = dyn Fn(&Service) -> Result<Vec<Item>>;

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
        Self { values: values(settings, facts), lists: lists(settings, facts) }
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
        let values = self.values.iter().filter(|value| ending(&value.flag).is_some());
        let lists = self.lists.iter().filter_map(|list| Some((list, ending(list.flag)?)));
        let lists = lists.flat_map(|(list, ending)| {
            list.wanted.iter().map(move |item| &*format!("{}{ending}=", list.flag) + &item.value)
        });
        values.map(Value::argument).chain(lists).collect()
    }

    /// What makes this service the desired one; nothing if it is.
    pub(crate) fn changes(&self, service: &Service) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for value in &self.values {
            let now = (value.read)(service.spec.value(&value.path));
            let now = now.with_context(|| format!("cannot understand {}", value.path))?;
            if Arg::from(&*now) != value.wanted {
                changes.push(Change { flag: value.argument(), now });
            }
        }
        for (flag, path) in DEFAULTS {
            let now = service.spec.value(&format!("/TaskTemplate/{path}"));
            if !is_empty(now) {
                changes.push(Change { flag: flag.into(), now: now.to_string() });
            }
        }
        for list in &self.lists {
            changes.extend(list.changes(&(list.now)(service)?));
        }
        Ok(changes)
    }
}

impl Value {
    fn argument(&self) -> Arg {
        &*format!("{}=", self.flag) + &self.wanted
    }
}

impl List {
    /// `--FLAG-add` replaces an item of the same key; else that has to be taken away first.
    fn add_replaces(&self) -> bool {
        ["--label", "--container-label", "--mount", "--env"].contains(&self.flag)
    }

    fn changes(&self, now: &[Item]) -> Vec<Change> {
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
                other.value != item.value && !(self.add_replaces() && other.key == item.key)
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

fn values(settings: &Settings, facts: &Facts) -> Vec<Value> {
    type Row<'a> = (&'a str, &'a dyn Display, fn(&Json) -> Result<String>, &'a str);
    fn table<const N: usize>(flags: &str, path: &str, rows: [Row<'_>; N]) -> [Value; N] {
        rows.map(|(flag, wanted, read, key)| Value {
            flag: format!("{flags}{flag}"),
            wanted: wanted.to_string().into(),
            path: format!("{path}{key}"),
            read,
        })
    }
    let rollout = |name: &str, path: &str, rollout: &Rollout, failure_action: &str| {
        let rows: [Row<'_>; 6] = [
            ("failure-action", &failure_action, plain, "FailureAction"),
            ("order", &settings.order(rollout), plain, "Order"),
            ("parallelism", &rollout.parallelism, plain, "Parallelism"),
            ("delay", &rollout.delay, span, "Delay"),
            ("monitor", &rollout.monitor, span, "Monitor"),
            ("max-failure-ratio", &share(rollout.max_failure_ratio), ratio, "MaxFailureRatio"),
        ];
        table(name, path, rows)
    };
    let Settings { update, rollback, limits, restart, .. } = settings;
    let endpoint_mode = settings.endpoint_mode.name();
    // These leave the containers alone, the image apart.
    let service: [Row<'_>; 2] = [
        ("--replicas", &settings.replicas, plain, "Mode/Replicated/Replicas"),
        ("--endpoint-mode", &endpoint_mode, plain, "EndpointSpec/Mode"),
    ];
    // These replace the containers.
    let task: [Row<'_>; 8] = [
        ("--read-only", &true, plain, "ContainerSpec/ReadOnly"),
        ("--cap-drop", &"ALL", plain, "ContainerSpec/CapabilityDrop"),
        ("--limit-memory", &limits.memory.0, plain, "Resources/Limits/MemoryBytes"),
        ("--limit-cpu", &limits.cpus, cpus, "Resources/Limits/NanoCPUs"),
        ("--limit-pids", &limits.pids, plain, "Resources/Limits/Pids"),
        ("--restart-condition", &"any", plain, "RestartPolicy/Condition"),
        ("--restart-delay", &restart.delay, span, "RestartPolicy/Delay"),
        ("--stop-grace-period", &restart.stop_grace, span, "ContainerSpec/StopGracePeriod"),
    ];
    let image = Value {
        flag: "--image".to_owned(),
        wanted: facts.reference.clone(),
        path: inside("Image"),
        read: image,
    };
    let mut values = vec![image];
    values.extend(table("", "/", service));
    values.extend(rollout("--update-", "/UpdateConfig/", update, "rollback"));
    values.extend(rollout("--rollback-", "/RollbackConfig/", rollback, "pause"));
    values.extend(table("", "/TaskTemplate/", task));
    values
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
    let label = pair((PUBLISH_LABEL, &published));
    let size = settings.limits.data.0;
    let data = format!("type=tmpfs,destination=/data,tmpfs-size={size},tmpfs-mode=1777");
    let data = Item { key: "/data".into(), value: data.into() };
    let constraints = texts(same)(settings.constraints.clone());
    let image = Item { key: IMAGE_LABEL.into(), value: &*format!("{IMAGE_LABEL}=") + &facts.image };
    let stored = |kind: &str| {
        let of_kind = facts.stored.iter().filter(move |stored| stored.kind == kind);
        of_kind.map(|stored| file(&stored.name, &stored.target)).collect()
    };
    let none = Vec::new;
    vec![
        list("--label", vec![image], "/Labels", pairs),
        list("--container-label", vec![label], &inside("Labels"), pairs),
        list("--mount", vec![data], &inside("Mounts"), each(mount)),
        list("--env", pairs(settings.container_environment()), &inside("Env"), texts(variable)),
        List {
            flag: "--network",
            wanted: vec![same(&settings.network)],
            now: Box::new(|service| Ok(texts(same)(service.networks.clone()))),
        },
        list("--constraint", constraints, "/TaskTemplate/Placement/Constraints", texts(same)),
        list("--publish", port.iter().map(publish).collect(), "/EndpointSpec/Ports", each(publish)),
        list("--secret", stored("secret"), &inside("Secrets"), each(reference)),
        list("--config", stored("config"), &inside("Configs"), each(reference)),
        // The plan has none of these.
        list("--host", none(), &inside("Hosts"), texts(host)),
        list("--group", none(), &inside("Groups"), texts(same)),
        list("--sysctl", none(), &inside("Sysctls"), pairs),
        list("--dns", none(), &inside("DNSConfig/Nameservers"), texts(same)),
        list("--dns-search", none(), &inside("DNSConfig/Search"), texts(same)),
        list("--dns-option", none(), &inside("DNSConfig/Options"), texts(same)),
    ]
}

/// The path of something in the spec of the containers.
fn inside(key: &str) -> String {
    format!("/TaskTemplate/ContainerSpec/{key}")
}

fn list<T: DeserializeOwned + Default + 'static>(
    flag: &'static str,
    wanted: Vec<Item>,
    path: &str,
    items: impl Fn(T) -> Vec<Item> + 'static,
) -> List {
    let path = path.to_owned();
    List { flag, wanted, now: Box::new(move |service| Ok(items(service.spec.at(&path)?))) }
}

fn texts(item: fn(&str) -> Item) -> impl Fn(Vec<String>) -> Vec<Item> {
    move |all| all.iter().map(|text| item(text)).collect()
}

fn each<T>(item: fn(&T) -> Item) -> impl Fn(Vec<T>) -> Vec<Item> {
    move |all| all.iter().map(item).collect()
}

fn reference(one: &FileReference) -> Item {
    file(&one.name.as_str().into(), &one.file.name)
}

/// An item that is its own key.
fn same(text: &str) -> Item {
    Item { key: text.into(), value: text.into() }
}

fn pairs(all: BTreeMap<String, String>) -> Vec<Item> {
    all.into_iter().map(pair).collect()
}

fn pair((name, value): (impl Display, impl Display)) -> Item {
    Item { key: name.to_string().into(), value: format!("{name}={value}").into() }
}

fn variable(text: &str) -> Item {
    pair(text.split_once('=').unwrap_or((text, "")))
}

/// Docker keeps an address and a name, and its flag takes them the other way round.
fn host(entry: &str) -> Item {
    let (address, name) = entry.split_once(' ').unwrap_or((entry, ""));
    same(&format!("{name}:{address}"))
}

fn file(name: &Arg, target: &str) -> Item {
    Item { key: name.clone(), value: "source=" + name + format!(",target={target}").into() }
}

fn mount(mount: &Mount) -> Item {
    let Mount { kind, source, target, tmpfs_options: TmpfsOptions { size_bytes, mode } } = mount;
    let from = if source.is_empty() { String::new() } else { format!("source={source},") };
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

/// A text, a number, a switch or several of them as they are; nothing if there is none.
fn plain(value: &Json) -> Result<String> {
    Ok(match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Bool(_) | Json::Number(_) => value.to_string(),
        Json::Array(values) => values.iter().map(plain).collect::<Result<Vec<_>>>()?.join(","),
        Json::Object(_) => bail!("{value} is not one value"),
    })
}

fn span(value: &Json) -> Result<String> {
    nanoseconds(value).map(|time| Span(time).to_string())
}

/// Docker counts billionths of a processor: a second stands for one.
fn cpus(value: &Json) -> Result<String> {
    nanoseconds(value).map(|time| time.as_secs_f64().to_string())
}

/// Docker leaves 0 out.
fn nanoseconds(value: &Json) -> Result<Duration> {
    let count: Option<u64> = Deserialize::deserialize(value)?;
    Ok(Duration::from_nanos(count.unwrap_or_default()))
}

fn ratio(value: &Json) -> Result<String> {
    let ratio: Option<f64> = Deserialize::deserialize(value)?;
    Ok(share(ratio.unwrap_or_default()))
}

/// Docker stores it in 32 bits.
fn share(ratio: f64) -> String {
    ((ratio * 1e6).round() / 1e6).to_string()
}

/// `docker service` adds a digest to a name, but not to an id.
fn image(value: &Json) -> Result<String> {
    let reference = plain(value)?;
    Ok(reference.split_once('@').map_or(&*reference, |(name, _)| name).to_owned())
}
