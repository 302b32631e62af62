//! What was measured, as markdown tables to read and as JSON to work with.

use std::collections::BTreeMap;
use std::fmt;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::Part;
use crate::machine::Machine;

/// All of it.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
    /// The command line that repeats it.
    pub(super) command: Vec<String>,
    pub(super) rounds: u16,
    pub(super) seconds_per_sample: f64,
    pub(super) parts: BTreeMap<Part, Findings>,
}

/// What a part has found.
#[derive(Default, Serialize)]
pub(super) struct Findings {
    pub(super) rows: Vec<Row>,
    pub(super) figures: Vec<Figure>,
}

/// A server under load: medians of the samples.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) setting: String,
    pub(super) server: String,
    pub(super) requests_per_second: f64,
    pub(super) slowest_sample: f64,
    pub(super) fastest_sample: f64,
    /// Where the floor was measured in the same rounds.
    pub(super) percent_of_floor: Option<f64>,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    /// Processor time of the server.
    pub(super) cpu_us_per_request: f64,
    /// Responses that were wrong, rejected or lost.
    pub(super) errors: u64,
}

/// One figure, and its goal if it has one.
#[derive(Serialize)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) unit: &'static str,
    pub(super) goal: Option<Goal>,
    pub(super) met: Option<bool>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Figure {
    pub(super) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, goal: None, met: None }
    }

    pub(super) fn goal(mut self, goal: Goal) -> Self {
        self.met = Some(match goal {
            Goal::AtMost(most) => self.value <= most,
            Goal::AtLeast(least) => self.value >= least,
        });
        self.goal = Some(goal);
        self
    }

    fn cells(&self) -> [String; 5] {
        let goal = self.goal.map_or_else(String::new, |goal| match goal {
            Goal::AtMost(most) => format!("at most {}", precise(most)),
            Goal::AtLeast(least) => format!("at least {}", precise(least)),
        });
        let verdict = self.met.map_or("", |met| if met { "met" } else { "missed" });
        [self.name.clone(), precise(self.value), self.unit.into(), goal, verdict.into()]
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.rows.is_empty() {
            let cells = self.rows.iter().map(|row| COLUMNS.map(|(_, cell)| cell(row)));
            writeln!(f, "{}\n", table(COLUMNS.map(|(name, _)| name), cells, 2))?;
        }
        if !self.figures.is_empty() {
            let cells = self.figures.iter().map(Figure::cells);
            writeln!(f, "{}", table(["figure", "measured", "unit", "goal", ""], cells, 1))?;
        }
        Ok(())
    }
}

/// Its name, and its cell for a row.
type Column = (&'static str, fn(&Row) -> String);

const COLUMNS: [Column; 9] = [
    ("setting", |row| row.setting.clone()),
    ("server", |row| row.server.clone()),
    ("requests/s", |row| grouped(row.requests_per_second)),
    ("min", |row| grouped(row.slowest_sample)),
    ("max", |row| grouped(row.fastest_sample)),
    ("% of floor", |row| row.percent_of_floor.map_or("-".to_owned(), precise)),
    ("p50 µs", |row| grouped(row.p50_us)),
    ("p99 µs", |row| grouped(row.p99_us)),
    ("CPU µs", |row| precise(row.cpu_us_per_request)),
];

/// The first columns are text; the others are numbers.
fn table<const N: usize>(
    header: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    texts: usize,
) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(header).add_rows(rows);
    for column in table.column_iter_mut().skip(texts) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Two places where they are of interest.
fn precise(value: f64) -> String {
    match value.abs() {
        0.0..100.0 if value.fract() != 0.0 => format!("{value:.2}"),
        _ => grouped(value),
    }
}

/// A whole number with its thousands apart.
pub(super) fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value <= -0.5 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::needless_raw_string_hashes,
        reason = "expect_test writes them when it updates"
    )]

    use expect_test::expect;

    use super::*;

    fn example() -> Report {
        let row = |server: &str, rate, percent_of_floor| Row {
            setting: "l64".to_owned(),
            server: server.to_owned(),
            requests_per_second: rate,
            slowest_sample: rate - 1_000.0,
            fastest_sample: rate + 1_000.0,
            percent_of_floor,
            p50_us: 640.0,
            p99_us: 1_234.0,
            cpu_us_per_request: 8.125,
            errors: 0,
        };
        let share = Figure::new("l64: of xitca's requests/s", 1.0725, "×");
        let rest = Figure::new("at rest", 2_904.0, "KiB");
        let size = Figure::new("accountservice", 2_800_001.0, "bytes");
        let findings = Findings {
            rows: vec![row("accountservice", 96_300.0, Some(80.25)), row("floor", 120_000.0, None)],
            figures: vec![
                share.goal(Goal::AtLeast(1.05)),
                rest,
                size.goal(Goal::AtMost(2_800_000.0)),
            ],
        };
        Report {
            machine: Machine {
                cpu: "AMD EPYC".to_owned(),
                cores: 2,
                kernel: "6.18.44".to_owned(),
                architecture: "x86_64",
                file_system: "tmpfs".to_owned(),
                commit: "f3065fd".to_owned(),
            },
            command: vec!["bench".to_owned(), "--rounds=5".to_owned()],
            rounds: 5,
            seconds_per_sample: 2.0,
            parts: BTreeMap::from([(Part::Throughput, findings)]),
        }
    }

    #[test]
    fn tables_have_a_line_for_each_server_and_each_figure() {
        expect![[r#"
            | setting | server         | requests/s |     min |     max | % of floor | p50 µs | p99 µs | CPU µs |
            |---------|----------------|------------|---------|---------|------------|--------|--------|--------|
            | l64     | accountservice |     96,300 |  95,300 |  97,300 |      80.25 |    640 |  1,234 |   8.12 |
            | l64     | floor          |    120,000 | 119,000 | 121,000 |          - |    640 |  1,234 |   8.12 |

            | figure                     |  measured |  unit |              goal |        |
            |----------------------------|-----------|-------|-------------------|--------|
            | l64: of xitca's requests/s |      1.07 |     × |     at least 1.05 |    met |
            | at rest                    |     2,904 |   KiB |                   |        |
            | accountservice             | 2,800,001 | bytes | at most 2,800,000 | missed |
        "#]].assert_eq(&example().parts[&Part::Throughput].to_string());
    }

    #[test]
    fn the_json_has_all_of_it() {
        let mut example = example();
        example.parts.get_mut(&Part::Throughput).unwrap().rows.truncate(1);
        expect![[r#"
            {
              "machine": {
                "cpu": "AMD EPYC",
                "cores": 2,
                "kernel": "6.18.44",
                "architecture": "x86_64",
                "file_system": "tmpfs",
                "commit": "f3065fd"
              },
              "command": [
                "bench",
                "--rounds=5"
              ],
              "rounds": 5,
              "seconds_per_sample": 2.0,
              "parts": {
                "throughput": {
                  "rows": [
                    {
                      "setting": "l64",
                      "server": "accountservice",
                      "requests_per_second": 96300.0,
                      "slowest_sample": 95300.0,
                      "fastest_sample": 97300.0,
                      "percent_of_floor": 80.25,
                      "p50_us": 640.0,
                      "p99_us": 1234.0,
                      "cpu_us_per_request": 8.125,
                      "errors": 0
                    }
                  ],
                  "figures": [
                    {
                      "name": "l64: of xitca's requests/s",
                      "value": 1.0725,
                      "unit": "×",
                      "goal": {
                        "at_least": 1.05
                      },
                      "met": true
                    },
                    {
                      "name": "at rest",
                      "value": 2904.0,
                      "unit": "KiB",
                      "goal": null,
                      "met": null
                    },
                    {
                      "name": "accountservice",
                      "value": 2800001.0,
                      "unit": "bytes",
                      "goal": {
                        "at_most": 2800000.0
                      },
                      "met": false
                    }
                  ]
                }
              }
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&example).unwrap());
    }
}
