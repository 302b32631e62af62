//! The text of the Dockerfile, made from the settings. `emit` writes it for people to read, `image`
//! builds from it.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};
use toml::Table;

use crate::settings::Settings;
use crate::workspace::root;

/// Any number but 0 will do, and an image from scratch has no names for them.
const USER: &str = "10001:10001";
/// How long the probe waits for a response, if it is not told.
pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// The first engine API that knows a start interval (Docker 25).
const START_INTERVAL_API: (u32, u32) = (1, 44);

/// The Dockerfile for an engine of this API version; `None` for any.
pub(crate) fn dockerfile(settings: &Settings, api: Option<(u32, u32)>) -> Result<String> {
    let (program, probe) = (&settings.program, &settings.probe);
    // The service refuses two databases.
    let database = match settings.database.url {
        Some(_) => String::new(),
        None => format!("{}=/data/accounts.db \\\n    ", settings.variable("DATABASE")),
    };
    Ok(format!(
        r#"# Emitted from infra/deploy.toml by `cargo xtask emit`; edit that instead.

# Nothing but what is copied: no shell, no libc, no package manager.
FROM scratch
LABEL {labels}
COPY {binary} {probe} /
# An empty /data that any user may write to: where a file system in memory is mounted on it, that
# takes over the mode of this folder, but not its owner.
COPY --chown={USER} root /
USER {USER}
ENV {database}{prefix}_PORT={port}
EXPOSE {port}
# The exec form: there is no shell here to understand another one.
HEALTHCHECK {health}
ENTRYPOINT ["/{binary}"]
"#,
        labels = labels(settings)?,
        binary = program.binary,
        probe = probe.binary,
        prefix = program.environment_prefix,
        port = program.port,
        health = health_check(settings, api)?,
    ))
}

fn labels(settings: &Settings) -> Result<String> {
    let file = root()?.join("Cargo.toml");
    let manifest = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let manifest: Table = toml::from_str(&manifest)
        .with_context(|| format!("cannot understand {}", file.display()))?;
    let package = manifest.get("workspace").and_then(|workspace| workspace.get("package"));
    let text = |key| {
        let value = package.and_then(|package| package.get(key)?.as_str());
        value.with_context(|| format!("{} has no workspace.package.{key}", file.display()))
    };
    let labels = [
        ("title", settings.program.binary.as_str()),
        ("version", text("version")?),
        ("licenses", text("license")?),
        ("source", &settings.source),
    ];
    let labels = labels.into_iter().filter(|(_, value)| !value.is_empty());
    let labels =
        labels.map(|(name, value)| format!("org.opencontainers.image.{name}={}", quote(value)));
    Ok(labels.collect::<Vec<_>>().join(" \\\n      "))
}

fn health_check(settings: &Settings, api: Option<(u32, u32)>) -> Result<String> {
    let health = &settings.health;
    let mut probe =
        vec![format!("/{}", settings.probe.binary), format!("-port={}", settings.program.port)];
    if health.probe_timeout.0 != PROBE_TIMEOUT {
        probe.push(format!("--timeout={}", health.probe_timeout));
    }
    let mut flags = format!("--interval={} --timeout={}", health.interval, health.timeout);
    let start_period = settings.start_period();
    if !start_period.0.is_zero() {
        let _ = write!(flags, " --start-period={start_period}");
    }
    if !health.start_interval.0.is_zero() && api.is_none_or(|api| api >= START_INTERVAL_API) {
        let _ = write!(flags, " --start-interval={}", health.start_interval);
    }
    let probe = serde_json::to_string(&probe)?;
    Ok(format!("{flags} --retries={} \\\n  CMD {probe}", health.retries))
}

/// A text in double quotes, as the Dockerfile's parser reads it: it expands variables there.
fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        if ['"', '\\', '$'].contains(&c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted + "\""
}
