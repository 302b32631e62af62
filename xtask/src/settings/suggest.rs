//! What to write for a key that a settings file lacks. These lines are shown, never used: the values
//! that count are those of the file.

use std::fmt::Write as _;

use toml::{Table, Value};

/// Every key with a value that fits the others.
const SUGGESTIONS: &str = r#"
service = "accountservice"
image = "someprefix/accountservice"
image_max_bytes = 3_500_000
push = false
source = ""
replicas = 1
network = "my_network"
port = 6767
publish = "ingress"
endpoint_mode = "vip"
testability = false
deadline = "3m"
constraints = []
program = { binary = "accountservice", package = "accountservice", max_bytes = 2_800_000, port = 6767, environment_prefix = "ACCOUNTSERVICE" }
probe = { binary = "healthchecker", package = "healthchecker", max_bytes = 450_000 }
lambda = { binary = "bootstrap", package = "accountservice-host-lambda", max_bytes = 3_500_000 }
health = { interval = "3s", timeout = "3s", probe_timeout = "2s", retries = 2, start_period = "0s", start_interval = "0s", exit_when_unhealthy = "0s" }
restart = { delay = "500ms", drain_delay = "0s", shutdown_timeout = "4s", stop_grace = "7s" }
update = { order = "auto", parallelism = 1, delay = "0s", monitor = "22s", max_failure_ratio = 0.0 }
rollback = { order = "auto", parallelism = 1, delay = "0s", monitor = "22s", max_failure_ratio = 0.0 }
limits = { memory = "64M", cpus = 1.0, pids = 128, data = "32M" }
database = { url = "", start_period = "60s", embedded_features = ["native-db"], shared_features = ["postgres"] }
environment = {}
secrets = {}
configs = {}
"#;

/// The lines to add, table by table; empty if nothing is missing.
pub(super) fn missing(file: &Table) -> String {
    let suggestions: Table = toml::from_str(SUGGESTIONS).unwrap_or_default();
    let mut tables = String::new();
    let mut top = String::new();
    for (key, value) in &suggestions {
        match (value.as_table(), file.get(key).map(Value::as_table)) {
            // Not a table in the file: the parser says so better.
            (Some(_), Some(None)) | (None, Some(_)) => {}
            (Some(keys), in_file) => {
                let has = |key| in_file.flatten().is_some_and(|table| table.contains_key(key));
                let mut lines = String::new();
                for (key, value) in keys.iter().filter(|(key, _)| !has(*key)) {
                    let _ = write!(lines, "\n  {key} = {}", text(value));
                }
                if in_file.is_none() || !lines.is_empty() {
                    let _ = write!(tables, "\n  [{key}]{lines}");
                }
            }
            (None, None) => {
                let _ = write!(top, "\n  {key} = {}", text(value));
            }
        }
    }
    if !top.is_empty() {
        top.insert_str(0, "\n  (above the first table)");
    }
    top + &tables
}

/// A value of the list above, in TOML: none of them is written differently in JSON.
fn text(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::SUGGESTIONS;

    #[test]
    fn the_suggested_lines_are_every_key_and_fit_together() {
        let settings: Settings = toml::from_str(SUGGESTIONS).unwrap();
        settings.check().unwrap();
    }
}
