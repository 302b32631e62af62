//! Settings files for the tests of the command line and of the engine. They do not depend on the
//! names and ports of `infra/deploy.toml`.

use toml::{Table, Value};

/// Every key with a value.
const SETTINGS: &str = include_str!("../../src/settings/suggestions.toml");

/// A settings file with these keys changed.
pub(crate) fn changed(changes: &str) -> String {
    let mut settings: Table = SETTINGS.parse().unwrap();
    merge(&mut settings, changes.parse().unwrap());
    settings.to_string()
}

fn merge(settings: &mut Table, changes: Table) {
    for (key, change) in changes {
        match (settings.get_mut(&key), change) {
            (Some(Value::Table(table)), Value::Table(changes)) => merge(table, changes),
            (_, change) => drop(settings.insert(key, change)),
        }
    }
}
