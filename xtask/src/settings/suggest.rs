//! What to write for a key that a settings file lacks. These lines are shown, never used: the
//! values that count are those of the file.

use toml::{Table, Value};

/// Every key with a value that fits the others.
const SUGGESTIONS: &str = include_str!("suggestions.toml");

/// The lines to add, table by table; empty if nothing is missing.
pub(super) fn missing(file: &Table) -> String {
    let suggestions: Table = toml::from_str(SUGGESTIONS).unwrap_or_default();
    let (mut top, mut tables) = (String::new(), String::new());
    for (key, value) in &suggestions {
        match (value.as_table(), file.get(key).map(Value::as_table)) {
            // Not a table in the file: the parser says so better.
            (Some(_), Some(None)) | (None, Some(_)) => {}
            (Some(keys), in_file) => {
                let has = |key| in_file.flatten().is_some_and(|table| table.contains_key(key));
                let lines = keys.iter().filter(|(key, _)| !has(*key)).map(line);
                let lines: String = lines.collect();
                if in_file.is_none() || !lines.is_empty() {
                    tables.extend(["\n  [", key, "]", &lines]);
                }
            }
            (None, None) => top += &line((key, value)),
        }
    }
    let place = if top.is_empty() { "" } else { "\n  (above the first table)" };
    format!("{place}{top}{tables}")
}

/// A line of TOML: none of the values above is written differently in JSON.
fn line((key, value): (&String, &Value)) -> String {
    format!("\n  {key} = {}", serde_json::to_string(value).unwrap_or_default())
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
