//! A picture of the throughput, for the docs: bars for each server, as a share of the floor.

use std::fmt::Write as _;

use super::report::{Report, Row, grouped};
use super::server::{FLOOR, OURS};
use super::throughput::MODES;

/// Where the bars begin, and how long the longest is.
const LEFT: f64 = 150.0;
const FULL: f64 = 460.0;
const WIDTH: f64 = 760.0;
const STEP: f64 = 22.0;

/// Colours that are legible on white and on black; where the reader's are known, better ones.
const STYLE: &str = "\
  text { font: 13px system-ui, sans-serif; fill: #6e7681 }
  .title { font-size: 16px; font-weight: 600 }
  .ours { font-weight: 600 }
  rect { fill: #8b949e }
  rect.ours { fill: #d9730d }
  rect.floor { fill: none; stroke: #8b949e }
  line { stroke: #8b949e; stroke-opacity: .3 }
  @media (prefers-color-scheme: light) { text { fill: #24292f } }
  @media (prefers-color-scheme: dark) { text { fill: #d0d7de } }
";

pub(super) fn draw(report: &Report) -> String {
    let mut body = String::new();
    let mut top = 92.0;
    let shares = report.rows.iter().filter_map(|row| row.percent_of_floor);
    let scale = FULL / shares.fold(100.0, f64::max);
    for (mode, connections, depth) in MODES {
        let mut rows: Vec<&Row> = report
            .rows
            .iter()
            .filter(|row| row.part == "throughput" && row.setting == mode)
            .collect();
        rows.sort_by(|a, b| {
            b.percent_of_floor.unwrap_or(0.0).total_cmp(&a.percent_of_floor.unwrap_or(0.0))
        });
        if rows.is_empty() {
            continue;
        }
        let depth = if depth > 1 { format!(", {depth} requests pipelined") } else { String::new() };
        text(
            &mut body,
            16.0,
            top,
            "title",
            "start",
            &format!("{mode}: {connections} connections{depth}"),
        );
        let (from, to) = (top + 8.0, rows.iter().fold(top + 10.0, |to, _| to + STEP));
        for percent in [0.0, 25.0, 50.0, 75.0, 100.0] {
            let x = LEFT + scale * percent;
            // Writing to a string cannot fail.
            let _ = writeln!(body, r#"<line x1="{x:.1}" y1="{from}" x2="{x:.1}" y2="{to}"/>"#);
            text(&mut body, x, to + 14.0, "axis", "middle", &format!("{percent} %"));
        }
        for row in rows {
            top += STEP;
            bar(&mut body, row, top, scale);
        }
        top += 62.0;
    }
    text(
        &mut body,
        LEFT + FULL / 2.0,
        top - 14.0,
        "axis",
        "middle",
        "requests per second, as a share of the floor",
    );
    let machine = &report.machine;
    let title = "Throughput of one worker on one core";
    let notes = [
        "The floor is an epoll loop that parses nothing; all were measured in the same rounds."
            .to_owned(),
        format!(
            "{}, Linux {}; medians of {} samples of {} s",
            machine.cpu, machine.kernel, report.rounds, report.seconds_per_sample
        ),
    ];
    let mut head = String::new();
    text(&mut head, 16.0, 26.0, "title", "start", title);
    for (y, note) in [46.0, 64.0].into_iter().zip(notes) {
        text(&mut head, 16.0, y, "note", "start", &note);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{top}\" \
         viewBox=\"0 0 {WIDTH} {top}\" role=\"img\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n\
         {head}{body}</svg>\n"
    )
}

/// A server's name, its bar, and its figures.
fn bar(body: &mut String, row: &Row, y: f64, scale: f64) {
    let class = match row.server.as_str() {
        OURS => "ours",
        FLOOR => "floor",
        _ => "rival",
    };
    let share = row.percent_of_floor.unwrap_or_default();
    let (length, top) = (scale * share, y - 7.0);
    text(body, LEFT - 8.0, y + 5.0, class, "end", &row.server);
    let _ = writeln!(
        body,
        r#"<rect class="{class}" x="{LEFT}" y="{top}" width="{length:.1}" height="15" rx="2"/>"#
    );
    let figures = format!("{share:.0} %, {}/s", grouped(row.requests_per_second));
    text(body, LEFT + length + 8.0, y + 5.0, class, "start", &figures);
}

fn text(body: &mut String, x: f64, y: f64, class: &str, anchor: &str, what: &str) {
    let what = what.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        body,
        r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{what}</text>"#
    );
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::example;
    use super::*;

    /// Every element is closed, in order, and nothing but elements begins with `<`.
    fn is_well_formed(picture: &str) -> bool {
        let mut open = Vec::new();
        for piece in picture.split('<').skip(1) {
            let Some((tag, _)) = piece.split_once('>') else { return false };
            match tag.strip_prefix('/') {
                Some(name) if open.pop() != Some(name) => return false,
                Some(_) => {}
                None if tag.ends_with('/') => {}
                None => open.extend(tag.split(' ').next()),
            }
        }
        open.is_empty()
    }

    #[test]
    fn the_picture_is_well_formed_and_says_what_it_shows() {
        let picture = draw(&example());
        assert!(is_well_formed(&picture), "{picture}");
        for text in [
            "Throughput of one worker on one core",
            "l64: 64 connections",
            r#"text-anchor="end">accountservice</text>"#,
            r#"text-anchor="end">floor</text>"#,
            "100 %, 120,000/s",
            "80 %, 96,300/s",
            "AMD &lt;EPYC>",
            "requests per second, as a share of the floor",
        ] {
            assert!(picture.contains(text), "{text} is not in {picture}");
        }
    }

    #[test]
    fn ours_stands_out() {
        let picture = draw(&example());
        assert_eq!(picture.matches("<rect class=\"ours\"").count(), 1);
        assert!(picture.find(">floor<") < picture.find(">accountservice<"), "the fastest is first");
    }

    #[test]
    fn no_bar_leaves_the_picture() {
        let mut example = example();
        example.rows[0].percent_of_floor = Some(200.0);
        assert!(draw(&example).contains(r#"width="460.0""#));
    }
}
