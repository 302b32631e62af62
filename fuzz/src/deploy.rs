//! The settings of a deployment, `deploy.toml`: any text.

use std::time::Duration;

use crate::settings::Settings;

/// A text is refused with a reason, or it becomes settings that survive being written and read. Those
/// that are said to make sense do.
pub fn deploy(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let settings: Settings = match toml::from_str(text) {
        Ok(settings) => settings,
        Err(error) => return assert!(!error.to_string().is_empty(), "refused for no reason"),
    };
    // Both must give an answer, whether the settings make sense or not.
    let to_failure = settings.time_to_failure();
    let orders = [&settings.update, &settings.rollback].map(|rollout| settings.order(rollout));
    if let Err(error) = settings.check() {
        return assert!(!error.to_string().is_empty(), "refused for no reason");
    }

    let written = toml::to_string(&settings).expect("what was read can be written");
    let read: Settings = toml::from_str(&written).expect("what was written can be read");
    assert_eq!(read, settings);
    check_flags(&settings, &written);
    assert!(to_failure >= Duration::from_secs(2), "{to_failure:?}");
    for rollout in [&settings.update, &settings.rollback] {
        assert!(rollout.monitor.0 > to_failure, "a bad version would count as good");
        assert!(settings.deadline.0 > rollout.monitor.0);
    }
    assert!(settings.health.probe_timeout.0 < settings.health.timeout.0);
    assert!(orders.iter().all(|order| matches!(*order, "start-first" | "stop-first")));
}

/// Names become arguments of `docker` and lines of a shell script: none may be taken for a flag, and
/// none may end its line.
fn check_flags(settings: &Settings, written: &str) {
    for name in [&settings.service, &settings.network, &settings.image] {
        assert!(name.starts_with(|c: char| c.is_ascii_alphanumeric()), "{name:?} is a flag");
    }
    for name in [&settings.service, &settings.network, &settings.image] {
        assert!(!name.contains(|c: char| c.is_whitespace() || c.is_control()), "{name:?}");
    }
    for text in settings.environment.values().chain(&settings.constraints) {
        assert!(!text.contains(char::is_control), "{text:?} ends its line: {written}");
    }
    for name in settings.environment.keys() {
        assert!(
            !name.is_empty() && !name.contains(|c: char| c == '=' || c.is_control()),
            "{name:?} is no name"
        );
    }
}
