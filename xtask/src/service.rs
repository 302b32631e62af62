//! Swarm's services and tasks, as `docker service inspect` and `docker inspect` print them. Only what
//! xtask compares or shows is here.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::docker::{Network, docker, find, inspect};

/// On the service: the image with its tag, as people know it.
pub(crate) const IMAGE_LABEL: &str = "xtask.image";

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Service {
    pub(crate) spec: Spec,
    previous_spec: Option<IgnoredAny>,
    pub(crate) update_status: Option<UpdateStatus>,
    /// The names of the networks in `spec`.
    #[serde(skip)]
    pub(crate) networks: Vec<String>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Spec {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) task_template: TaskTemplate,
    mode: Mode,
    #[serde(default)]
    pub(crate) update_config: RolloutConfig,
    #[serde(default)]
    pub(crate) rollback_config: RolloutConfig,
    #[serde(default)]
    pub(crate) endpoint_spec: EndpointSpec,
}

/// What a task is made of, the published ports aside.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TaskTemplate {
    pub(crate) container_spec: ContainerSpec,
    #[serde(default)]
    pub(crate) resources: Resources,
    #[serde(default)]
    pub(crate) restart_policy: RestartPolicy,
    #[serde(default)]
    pub(crate) placement: Placement,
    #[serde(default)]
    networks: Vec<Attachment>,
    force_update: u64,
}

/// Docker leaves out what is empty, apart from the image.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ContainerSpec {
    pub(crate) image: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) env: Vec<String>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) secrets: Vec<SecretReference>,
    pub(crate) configs: Vec<ConfigReference>,
    /// In nanoseconds.
    pub(crate) stop_grace_period: u64,
    pub(crate) read_only: bool,
    pub(crate) capability_add: Vec<String>,
    pub(crate) capability_drop: Vec<String>,
    pub(crate) user: String,
    pub(crate) dir: String,
    pub(crate) hostname: String,
    pub(crate) command: Vec<String>,
    pub(crate) args: Vec<String>,
    pub(crate) groups: Vec<String>,
    /// An address and a name each.
    pub(crate) hosts: Vec<String>,
    pub(crate) stop_signal: String,
    #[serde(rename = "TTY")]
    pub(crate) tty: bool,
    pub(crate) sysctls: BTreeMap<String, String>,
    pub(crate) healthcheck: Healthcheck,
    #[serde(rename = "DNSConfig")]
    pub(crate) dns_config: DnsConfig,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Healthcheck {
    pub(crate) test: Vec<String>,
    pub(crate) interval: u64,
    pub(crate) timeout: u64,
    pub(crate) retries: u64,
    pub(crate) start_period: u64,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct DnsConfig {
    pub(crate) nameservers: Vec<String>,
    pub(crate) search: Vec<String>,
    pub(crate) options: Vec<String>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Mount {
    #[serde(rename = "Type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) source: String,
    pub(crate) target: String,
    #[serde(default)]
    pub(crate) tmpfs_options: TmpfsOptions,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct TmpfsOptions {
    pub(crate) size_bytes: u64,
    pub(crate) mode: u32,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SecretReference {
    pub(crate) file: FileTarget,
    pub(crate) secret_name: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ConfigReference {
    pub(crate) file: FileTarget,
    pub(crate) config_name: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FileTarget {
    pub(crate) name: String,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Resources {
    pub(crate) limits: Amounts,
    pub(crate) reservations: Amounts,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Amounts {
    #[serde(rename = "NanoCPUs")]
    pub(crate) nano_cpus: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) pids: u64,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct RestartPolicy {
    pub(crate) condition: String,
    pub(crate) delay: u64,
    pub(crate) max_attempts: u64,
    pub(crate) window: u64,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Placement {
    pub(crate) constraints: Vec<String>,
    pub(crate) max_replicas: u64,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
struct Attachment {
    target: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
struct Mode {
    replicated: Option<Replicated>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
struct Replicated {
    replicas: u32,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct RolloutConfig {
    pub(crate) parallelism: u64,
    pub(crate) delay: u64,
    pub(crate) failure_action: String,
    pub(crate) monitor: u64,
    pub(crate) max_failure_ratio: f64,
    pub(crate) order: String,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct EndpointSpec {
    pub(crate) mode: String,
    pub(crate) ports: Vec<Port>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Port {
    pub(crate) protocol: String,
    pub(crate) target_port: u16,
    /// Swarm chooses one if there is none.
    #[serde(default)]
    pub(crate) published_port: u16,
    pub(crate) publish_mode: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateStatus {
    /// `updating`, `completed`, `rollback_started`...
    pub(crate) state: String,
    pub(crate) message: String,
}

impl Service {
    /// The service of this name, if there is one.
    pub(crate) fn find(name: &str) -> Result<Option<Self>> {
        // Docker's filter takes a name for a prefix.
        let all = Self::all(Some(format!("--filter=name={name}")))?;
        let Some(mut found) = all.into_iter().find(|service| service.spec.name == name) else {
            return Ok(None);
        };
        for attachment in &found.spec.task_template.networks {
            let network: Option<Network> = find("network", &attachment.target)?;
            found.networks.push(network.map_or(attachment.target.clone(), |found| found.name));
        }
        Ok(Some(found))
    }

    /// All services with this filter.
    pub(crate) fn all(filter: Option<String>) -> Result<Vec<Self>> {
        inspect("service", &docker(["service", "ls", "--quiet"]).args(filter).read()?)
    }

    pub(crate) fn container(&self) -> &ContainerSpec {
        &self.spec.task_template.container_spec
    }

    /// `None` for a service that runs once on each node.
    pub(crate) fn replicas(&self) -> Option<u32> {
        self.spec.mode.replicated.as_ref().map(|mode| mode.replicas)
    }

    /// The image with its tag.
    pub(crate) fn image(&self) -> &str {
        self.spec.labels.get(IMAGE_LABEL).map_or("an unknown image", String::as_str)
    }

    pub(crate) fn has_previous(&self) -> bool {
        self.previous_spec.is_some()
    }

    /// The state of the last update; empty if it was never updated.
    pub(crate) fn update_state(&self) -> &str {
        self.update_status.as_ref().map_or("", |status| &status.state)
    }

    /// Swarm has stopped halfway through an update or a rollback.
    pub(crate) fn is_paused(&self) -> bool {
        ["paused", "rollback_paused"].contains(&self.update_state())
    }

    pub(crate) fn is_updating(&self) -> bool {
        ["updating", "rollback_started"].contains(&self.update_state())
    }
}

/// One try at running one replica.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Task {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) slot: u32,
    pub(crate) created_at: String,
    pub(crate) spec: TaskTemplate,
    /// Not there before Swarm has chosen one.
    #[serde(default, rename = "NodeID")]
    pub(crate) node: String,
    pub(crate) status: TaskStatus,
    pub(crate) desired_state: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TaskStatus {
    pub(crate) timestamp: String,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) err: String,
    container_status: Option<ContainerStatus>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerStatus {
    #[serde(default, rename = "ContainerID")]
    container: String,
    #[serde(default)]
    exit_code: i64,
}

impl Task {
    /// All tasks of a service that Swarm remembers, the newest of each slot first.
    pub(crate) fn of(service: &str) -> Result<Vec<Self>> {
        let list = docker(["service", "ps", "--quiet", "--no-trunc", service]).read()?;
        let mut tasks: Vec<Self> = inspect("task", &list)?;
        tasks.sort_by(|a, b| (a.slot, &b.created_at).cmp(&(b.slot, &a.created_at)));
        Ok(tasks)
    }

    /// Running and, as there is a health check, healthy.
    pub(crate) fn is_up(&self) -> bool {
        self.status.state == "running" && self.is_wanted()
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.desired_state == "running"
    }

    /// It has ended though it never should. One that was unhealthy and then stopped as it was told
    /// to counts as complete.
    pub(crate) fn has_ended(&self) -> bool {
        ["complete", "failed", "rejected"].contains(&self.status.state.as_str())
    }

    pub(crate) fn container(&self) -> Option<&str> {
        let status = self.status.container_status.as_ref()?;
        (!status.container.is_empty()).then_some(&status.container)
    }

    /// The exit status of a container that has ended.
    pub(crate) fn exit_status(&self) -> Option<i64> {
        let status = self.status.container_status.as_ref()?;
        let over = self.has_ended() || self.status.state == "shutdown";
        over.then_some(status.exit_code)
    }
}
