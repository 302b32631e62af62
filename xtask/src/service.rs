//! Swarm's services and tasks, as `docker service inspect` and `docker inspect` print them. Only what
//! xtask compares or shows is here.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde::de::IgnoredAny;

use crate::docker::{Network, docker, find, from_docker, inspect};

/// On the service: the image with its tag, as people know it.
pub(crate) const IMAGE_LABEL: &str = "xtask.image";

from_docker! {
    struct Service {
        spec: Spec,
        previous_spec: Option<IgnoredAny>,
        update_status: Option<UpdateStatus>,
        /// The names of the networks in `spec`.
        #[serde(skip)]
        networks: Vec<String>,
    }

    struct Spec {
        name: String,
        task_template: TaskTemplate,
        mode: Mode,
        labels: BTreeMap<String, String> = default,
        update_config: RolloutConfig = default,
        rollback_config: RolloutConfig = default,
        endpoint_spec: EndpointSpec = default,
    }

    /// What a task is made of, the published ports aside.
    struct TaskTemplate {
        container_spec: ContainerSpec,
        force_update: u64,
        resources: Resources = default,
        restart_policy: RestartPolicy = default,
        placement: Placement = default,
        networks: Vec<Attachment> = default,
    }

    /// Docker leaves out what is empty, apart from the image.
    struct ContainerSpec {
        image: String,
        labels: BTreeMap<String, String> = default,
        env: Vec<String> = default,
        mounts: Vec<Mount> = default,
        secrets: Vec<SecretReference> = default,
        configs: Vec<ConfigReference> = default,
        /// In nanoseconds.
        stop_grace_period: u64 = default,
        read_only: bool = default,
        capability_add: Vec<String> = default,
        capability_drop: Vec<String> = default,
        user: String = default,
        dir: String = default,
        hostname: String = default,
        command: Vec<String> = default,
        args: Vec<String> = default,
        groups: Vec<String> = default,
        /// An address and a name each.
        hosts: Vec<String> = default,
        stop_signal: String = default,
        #[serde(rename = "TTY")]
        tty: bool = default,
        sysctls: BTreeMap<String, String> = default,
        healthcheck: Healthcheck = default,
        #[serde(rename = "DNSConfig")]
        dns_config: DnsConfig = default,
    }

    struct Healthcheck {
        test: Vec<String> = default,
        interval: u64 = default,
        timeout: u64 = default,
        retries: u64 = default,
        start_period: u64 = default,
    }

    struct DnsConfig {
        nameservers: Vec<String> = default,
        search: Vec<String> = default,
        options: Vec<String> = default,
    }

    struct Mount {
        #[serde(rename = "Type")]
        kind: String,
        target: String,
        source: String = default,
        tmpfs_options: TmpfsOptions = default,
    }

    struct TmpfsOptions {
        size_bytes: u64 = default,
        mode: u32 = default,
    }

    struct SecretReference {
        file: FileTarget,
        secret_name: String,
    }

    struct ConfigReference {
        file: FileTarget,
        config_name: String,
    }

    struct FileTarget {
        name: String,
    }

    struct Resources {
        limits: Amounts = default,
        reservations: Amounts = default,
    }

    struct Amounts {
        #[serde(rename = "NanoCPUs")]
        nano_cpus: u64 = default,
        memory_bytes: u64 = default,
        pids: u64 = default,
    }

    struct RestartPolicy {
        condition: String = default,
        delay: u64 = default,
        max_attempts: u64 = default,
        window: u64 = default,
    }

    struct Placement {
        constraints: Vec<String> = default,
        max_replicas: u64 = default,
    }

    struct Attachment {
        target: String,
    }

    struct Mode {
        replicated: Option<Replicated>,
    }

    struct Replicated {
        replicas: u32,
    }

    struct RolloutConfig {
        parallelism: u64 = default,
        delay: u64 = default,
        failure_action: String = default,
        monitor: u64 = default,
        max_failure_ratio: f64 = default,
        order: String = default,
    }

    struct EndpointSpec {
        mode: String = default,
        ports: Vec<Port> = default,
    }

    struct Port {
        protocol: String,
        target_port: u16,
        publish_mode: String,
        /// Swarm chooses one if there is none.
        published_port: u16 = default,
    }

    struct UpdateStatus {
        /// `updating`, `completed`, `rollback_started`...
        state: String,
        message: String,
    }

    /// A service of others, of any kind.
    struct Neighbour {
        spec: NeighbourSpec,
    }

    struct NeighbourSpec {
        name: String,
        endpoint_spec: EndpointSpec = default,
    }

    /// One try at running one replica.
    struct Task {
        #[serde(rename = "ID")]
        id: String,
        created_at: String,
        spec: TaskTemplate,
        status: TaskStatus,
        desired_state: String,
        slot: u32 = default,
        /// Not there before Swarm has chosen one.
        #[serde(rename = "NodeID")]
        node: String = default,
    }

    struct TaskStatus {
        timestamp: String,
        state: String,
        container_status: Option<ContainerStatus>,
        err: String = default,
    }

    struct ContainerStatus {
        #[serde(rename = "ContainerID")]
        container: String = default,
        exit_code: i64 = default,
    }
}

impl Amounts {
    /// Processors, counted in billionths: a second stands for one.
    pub(crate) fn cpus(&self) -> Duration {
        Duration::from_nanos(self.nano_cpus)
    }
}

impl Service {
    /// The service of this name, if there is one.
    pub(crate) fn find(name: &str) -> Result<Option<Self>> {
        // Docker's filter takes a name for a prefix.
        let filter = format!("--filter=name={name}");
        let names = docker(["service", "ls", "--format={{json .Name}}", &filter]).read()?;
        let quoted = serde_json::to_string(name)?;
        if !names.lines().any(|line| line == quoted) {
            return Ok(None);
        }
        let mut found: Option<Self> = find("service", name)?;
        if let Some(service) = &mut found {
            for attachment in &service.spec.task_template.networks {
                let network: Option<Network> = find("network", &attachment.target)?;
                let name = network.map_or(attachment.target.clone(), |found| found.name);
                service.networks.push(name);
            }
        }
        Ok(found)
    }

    pub(crate) fn task(&self) -> &TaskTemplate {
        &self.spec.task_template
    }

    pub(crate) fn container(&self) -> &ContainerSpec {
        &self.spec.task_template.container_spec
    }

    pub(crate) fn update(&self) -> &RolloutConfig {
        &self.spec.update_config
    }

    pub(crate) fn rollback(&self) -> &RolloutConfig {
        &self.spec.rollback_config
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
