//! What was measured, as tables to read and as JSON to work with.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::thread;

use serde::Serialize;

use super::statistics::range;
use crate::command::{command, read};

/// All of it.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
    /// The command line that repeats it.
    pub(super) command: Vec<String>,
    pub(super) rounds: usize,
    pub(super) seconds_per_sample: f64,
    pub(super) rows: Vec<Row>,
    pub(super) figures: Vec<Figure>,
}

#[derive(Serialize)]
pub(super) struct Machine {
    pub(super) cpu: String,
    pub(super) cores: usize,
    pub(super) kernel: String,
    pub(super) architecture: &'static str,
    /// Where the databases are.
    pub(super) file_system: String,
    pub(super) commit: String,
}

/// A server under load: medians of the samples.
#[derive(Clone, Serialize)]
pub(super) struct Row {
    pub(super) part: &'static str,
    pub(super) setting: String,
    pub(super) server: String,
    pub(super) requests_per_second: f64,
    pub(super) slowest_sample: f64,
    pub(super) fastest_sample: f64,
    /// Where the floor was measured in the same rounds.
    pub(super) percent_of_floor: Option<f64>,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    /// Processor time of the server, in user and system mode.
    pub(super) cpu_us_per_request: f64,
    pub(super) user_us_per_request: f64,
    /// Answers on the connection with the fewest, as a share of the mean.
    pub(super) slowest_connection_percent: f64,
    /// Wrong and lost answers.
    pub(super) errors: u64,
    /// Samples that were taken again because other processes were busy, and those that they disturbed
    /// to the last.
    pub(super) retries: usize,
    pub(super) disturbed: usize,
    /// Requests per second and p99 of each round.
    pub(super) rates: Vec<f64>,
    pub(super) p99s_us: Vec<f64>,
}

/// One figure, and its goal if it has one.
#[derive(Clone, Serialize)]
pub(super) struct Figure {
    pub(super) part: &'static str,
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) unit: &'static str,
    /// Where the median of the single rounds lies, with a probability of 95 %.
    pub(super) range: Option<[f64; 2]>,
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
    pub(super) fn new(
        part: &'static str,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
    ) -> Self {
        Self { part, name: name.into(), value, unit, range: None, goal: None, met: None }
    }

    /// Tells how far what the single rounds say can be believed.
    pub(super) fn rounds(self, values: &[f64]) -> Self {
        Self { range: range(values), ..self }
    }

    pub(super) fn goal(mut self, goal: Goal) -> Self {
        self.met = Some(match goal {
            Goal::AtMost(most) => self.value <= most,
            Goal::AtLeast(least) => self.value >= least,
        });
        self.goal = Some(goal);
        self
    }
}

impl Machine {
    pub(super) fn look(folder: &Path) -> Self {
        let read = |program: &str, args: &[&str]| {
            let text = read(&mut command(program, args));
            text.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
        };
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpus.lines().find(|line| line.starts_with("model name"));
        let model = model.and_then(|line| line.split_once(": "));
        let folder = folder.display().to_string();
        let kernel = read("uname", &["--kernel-release"]);
        Self {
            cpu: model.map_or("unknown", |(_, model)| model).to_owned(),
            cores: thread::available_parallelism().map_or(0, usize::from),
            // What comes after the first dash is the name that somebody gave to a build.
            kernel: kernel.split('-').next().unwrap_or_default().to_owned(),
            architecture: std::env::consts::ARCH,
            file_system: read("stat", &["--file-system", "--format=%T", &folder]),
            commit: read("git", &["rev-parse", "--short", "HEAD"]),
        }
    }
}

const HEADS: [&str; 12] = [
    "setting",
    "server",
    "requests/s",
    "min",
    "max",
    "% of floor",
    "p50 µs",
    "p99 µs",
    "CPU µs",
    "user µs",
    "slowest %",
    "retries",
];

/// A line for each row, under a head.
pub(super) fn rows(rows: &[Row]) -> String {
    let mut cells = vec![HEADS.map(str::to_owned).to_vec()];
    for row in rows {
        let disturbed = if row.disturbed > 0 {
            format!(", {} disturbed", row.disturbed)
        } else {
            String::new()
        };
        cells.push(vec![
            row.setting.clone(),
            row.server.clone(),
            grouped(row.requests_per_second),
            grouped(row.slowest_sample),
            grouped(row.fastest_sample),
            row.percent_of_floor.map_or("-".to_owned(), |share| format!("{share:.1}")),
            grouped(row.p50_us),
            grouped(row.p99_us),
            format!("{:.2}", row.cpu_us_per_request),
            format!("{:.2}", row.user_us_per_request),
            format!("{:.0}", row.slowest_connection_percent),
            format!("{}{disturbed}", row.retries),
        ]);
    }
    table(&cells, 2)
}

/// A line for each figure, with its goal and whether it is met.
pub(super) fn figures(figures: &[Figure]) -> String {
    let mut cells =
        vec![["figure", "measured", "unit", "95 % range", "goal", ""].map(str::to_owned).to_vec()];
    for figure in figures {
        let goal = figure.goal.map_or_else(String::new, |goal| match goal {
            Goal::AtMost(most) => format!("<= {}", precise(most)),
            Goal::AtLeast(least) => format!(">= {}", precise(least)),
        });
        let verdict = figure.met.map_or("", |met| if met { "met" } else { "missed" });
        let range = figure
            .range
            .map_or_else(String::new, |[from, to]| format!("{} to {}", precise(from), precise(to)));
        cells.push(vec![
            figure.name.clone(),
            precise(figure.value),
            figure.unit.to_owned(),
            range,
            goal,
            verdict.to_owned(),
        ]);
    }
    table(&cells, 1)
}

/// Columns as wide as they have to be; the first ones are texts, and begin on the left.
fn table(cells: &[Vec<String>], texts: usize) -> String {
    let width =
        |column: usize| cells.iter().filter_map(|row| Some(row.get(column)?.chars().count())).max();
    let mut lines = String::new();
    for row in cells {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = width(column).unwrap_or_default();
            // Writing to a string cannot fail.
            let _ = if column < texts {
                write!(line, "{cell:<width$}  ")
            } else {
                write!(line, "{cell:>width$}  ")
            };
        }
        let _ = writeln!(lines, "{}", line.trim_end());
    }
    lines
}

/// With as many places as are of interest.
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
pub(super) mod tests {
    #![allow(
        clippy::needless_raw_string_hashes,
        reason = "expect_test writes them when it updates"
    )]

    use expect_test::expect;

    use super::*;

    /// A report of two servers, one with a name that needs care, and of two figures.
    pub(in super::super) fn example() -> Report {
        let row = |server: &str, rate| Row {
            part: "throughput",
            setting: "l64".to_owned(),
            server: server.to_owned(),
            requests_per_second: rate,
            slowest_sample: rate - 1_000.0,
            fastest_sample: rate + 1_000.0,
            percent_of_floor: Some(rate / 1_200.0),
            p50_us: 640.0,
            p99_us: 1_234.0,
            cpu_us_per_request: 8.125,
            user_us_per_request: 2.5,
            slowest_connection_percent: 99.6,
            errors: 0,
            retries: 2,
            disturbed: usize::from(server == "floor"),
            rates: vec![rate - 1_000.0, rate, rate + 1_000.0],
            p99s_us: vec![1_234.0, 1_200.0, 1_300.0],
        };
        let rest = Figure::new("memory", "at rest", 2_904.0, "KiB");
        let share = Figure::new("throughput", "l64: share of the floor", 80.25, "%");
        Report {
            machine: Machine {
                cpu: "AMD <EPYC>".to_owned(),
                cores: 2,
                kernel: "6.18.44".to_owned(),
                architecture: "x86_64",
                file_system: "tmpfs".to_owned(),
                commit: "f3065fd".to_owned(),
            },
            command: vec!["bench".to_owned(), "--rounds=5".to_owned()],
            rounds: 5,
            seconds_per_sample: 2.0,
            rows: vec![row("accountservice", 96_300.0), row("floor", 120_000.0)],
            figures: vec![
                rest.goal(Goal::AtMost(3_000.0)),
                share.rounds(&[79.5, 80.5, 81.0, 78.0, 80.0, 82.0]).goal(Goal::AtLeast(82.0)),
            ],
        }
    }

    #[test]
    fn a_table_has_a_line_for_each_server() {
        expect![[r#"
            setting  server          requests/s      min      max  % of floor  p50 µs  p99 µs  CPU µs  user µs  slowest %         retries
            l64      accountservice      96,300   95,300   97,300        80.2     640   1,234    8.12     2.50        100               2
            l64      floor              120,000  119,000  121,000       100.0     640   1,234    8.12     2.50        100  2, 1 disturbed
        "#]].assert_eq(&rows(&example().rows));
    }

    #[test]
    fn a_goal_stands_beside_what_was_measured() {
        expect![[r#"
            figure                   measured  unit  95 % range      goal
            at rest                     2,904   KiB              <= 3,000     met
            l64: share of the floor     80.25     %    78 to 82     >= 82  missed
        "#]]
        .assert_eq(&figures(&example().figures));
    }

    #[test]
    fn the_json_has_all_of_it() {
        let mut example = example();
        example.rows.truncate(1);
        expect![[r#"
            {
              "machine": {
                "cpu": "AMD <EPYC>",
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
              "rows": [
                {
                  "part": "throughput",
                  "setting": "l64",
                  "server": "accountservice",
                  "requests_per_second": 96300.0,
                  "slowest_sample": 95300.0,
                  "fastest_sample": 97300.0,
                  "percent_of_floor": 80.25,
                  "p50_us": 640.0,
                  "p99_us": 1234.0,
                  "cpu_us_per_request": 8.125,
                  "user_us_per_request": 2.5,
                  "slowest_connection_percent": 99.6,
                  "errors": 0,
                  "retries": 2,
                  "disturbed": 0,
                  "rates": [
                    95300.0,
                    96300.0,
                    97300.0
                  ],
                  "p99s_us": [
                    1234.0,
                    1200.0,
                    1300.0
                  ]
                }
              ],
              "figures": [
                {
                  "part": "memory",
                  "name": "at rest",
                  "value": 2904.0,
                  "unit": "KiB",
                  "range": null,
                  "goal": {
                    "at_most": 3000.0
                  },
                  "met": true
                },
                {
                  "part": "throughput",
                  "name": "l64: share of the floor",
                  "value": 80.25,
                  "unit": "%",
                  "range": [
                    78.0,
                    82.0
                  ],
                  "goal": {
                    "at_least": 82.0
                  },
                  "met": false
                }
              ]
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&example).unwrap());
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let text = [0.0, 999.4, 1_000.0, 1_234_567.0, -45_678.0].map(grouped);
        assert_eq!(text, ["0", "999", "1,000", "1,234,567", "-45,678"]);
    }
}
