//! Swarm's services and tasks, as `docker inspect` prints them, and what their states mean. What a
//! service is to be is in `desired`.

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};

use crate::docker::{Network, docker, find, from_docker, inspect};

/// On the service: the image with its tag, as people know it.
pub(crate) const IMAGE_LABEL: &str = "xtask.image";

from_docker! {
    /// A service of any kind, also one of others.
    struct Service {
        spec: Spec,
        previous_spec: Option<IgnoredAny>,
        update_status: Option<UpdateStatus>,
        endpoint: Endpoint = default,
        /// The names of the networks in `spec`.
        #[serde(skip)]
        networks: Vec<String>,
    }

    struct Spec {
        name: String,
        /// Everything else; `at` reads it.
        #[serde(flatten)]
        rest: Value,
    }

    struct Attachment {
        target: String,
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

    /// A secret or a config in a container.
    struct FileReference {
        file: FileTarget,
        #[serde(rename = "SecretName", alias = "ConfigName")]
        name: String,
    }

    struct FileTarget {
        name: String,
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

    struct Endpoint {
        ports: Vec<Port> = default,
    }

    /// One try at running one replica.
    struct Task {
        #[serde(rename = "ID")]
        id: String,
        created_at: String,
        /// The `TaskTemplate` of the service as it was then; published ports are not in it.
        spec: Value,
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

impl Spec {
    /// What is at a path such as `/UpdateConfig/Delay`; null if nothing is.
    pub(crate) fn value(&self, path: &str) -> &Value {
        self.rest.pointer(path).unwrap_or(&Value::Null)
    }

    /// The same, as this type. Docker leaves out what is empty or 0 there.
    pub(crate) fn at<T: DeserializeOwned + Default>(&self, path: &str) -> Result<T> {
        let value = Option::<T>::deserialize(self.value(path));
        Ok(value
            .with_context(|| format!("cannot understand {path} of {}", self.name))?
            .unwrap_or_default())
    }

    /// What it publishes.
    pub(crate) fn ports(&self) -> Result<Vec<Port>> {
        self.at("/EndpointSpec/Ports")
    }

    /// `None` for a service that runs once on each node.
    pub(crate) fn replicas(&self) -> Result<Option<u32>> {
        self.at("/Mode/Replicated/Replicas")
    }

    /// What Swarm was told to run.
    pub(crate) fn reference(&self) -> Result<String> {
        let image: Option<String> = self.at("/TaskTemplate/ContainerSpec/Image")?;
        image.with_context(|| format!("{} has no image", self.name))
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
            for attachment in service.spec.at::<Vec<Attachment>>("/TaskTemplate/Networks")? {
                let network: Option<Network> = find("network", &attachment.target)?;
                let name = network.map_or(attachment.target, |found| found.name);
                service.networks.push(name);
            }
        }
        Ok(found)
    }

    /// What it publishes, with the ports that Swarm has chosen.
    pub(crate) fn ports(&self) -> Result<Vec<Port>> {
        let mut ports = self.spec.ports()?;
        ports.extend_from_slice(&self.endpoint.ports);
        Ok(ports)
    }

    /// The image with its tag.
    pub(crate) fn image(&self) -> &str {
        let name = self.spec.value("/Labels").get(IMAGE_LABEL).and_then(Value::as_str);
        name.unwrap_or("an unknown image")
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

    /// Made from the service as it is now.
    pub(crate) fn is_of(&self, service: &Service) -> bool {
        is_same(&self.spec, service.spec.value("/TaskTemplate"))
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

/// Whether a task's spec is a service's, into which Docker fills empty values and the runtime.
fn is_same(task: &Value, service: &Value) -> bool {
    if let (Value::Object(in_task), Value::Object(in_service)) = (task, service) {
        let mut keys = in_task.keys().chain(in_service.keys()).filter(|key| *key != "Runtime");
        return keys.all(|key| is_same(&task[key], &service[key]));
    }
    task == service || (is_empty(task) && is_empty(service))
}

/// Docker writes some values that are empty and leaves out others.
pub(crate) fn is_empty(value: &Value) -> bool {
    value.is_null() || [json!(""), json!(0), json!(false), json!([]), json!({})].contains(value)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::is_same;

    /// As Docker 20.10 prints it, shortened.
    fn of_task() -> Value {
        json!({
            "ContainerSpec": {
                "Image": "sha256:1", "Env": ["A=1", "B=2"], "Init": false, "StopGracePeriod": 7,
                "DNSConfig": {}, "Isolation": "default",
                "Mounts": [{ "Type": "tmpfs", "Target": "/data" }],
            },
            "Resources": { "Limits": { "Pids": 128 }, "Reservations": {} },
            "RestartPolicy": { "Condition": "any", "Delay": 5, "MaxAttempts": 0 },
            "Placement": {},
            "Networks": [{ "Target": "n1" }],
            "ForceUpdate": 0,
        })
    }

    /// Changes what is at these paths.
    fn with(mut spec: Value, changes: &[(&str, Value)]) -> Value {
        for (path, value) in changes {
            let (parent, key) = path.rsplit_once('/').unwrap();
            spec.pointer_mut(parent).unwrap()[key] = value.clone();
        }
        spec
    }

    #[test]
    fn a_task_is_of_a_service_with_more_empty_values_and_of_none_with_others() {
        let fills = [
            ("/Runtime", json!("container")),
            ("/ContainerSpec/Privileges", json!({})),
            ("/ContainerSpec/User", json!("")),
            ("/ContainerSpec/Secrets", json!([])),
            ("/ContainerSpec/Hosts", Value::Null),
            ("/Resources/Limits/NanoCPUs", json!(0)),
        ];
        assert!(is_same(&of_task(), &with(of_task(), &fills)));
        assert!(is_same(&with(of_task(), &fills), &of_task()));
        for change in [
            ("/ContainerSpec/Image", json!("sha256:2")),
            ("/ContainerSpec/Env", json!(["A=1"])),
            ("/ContainerSpec/Init", json!(true)),
            ("/ContainerSpec/User", json!("0")),
            ("/ContainerSpec/Mounts", json!([])),
            ("/Networks", json!([{ "Target": "n2" }])),
            ("/Placement/Constraints", json!(["node.role==manager"])),
            ("/ForceUpdate", json!(1)),
        ] {
            assert!(!is_same(&of_task(), &with(of_task(), &[change])));
        }
    }
}
