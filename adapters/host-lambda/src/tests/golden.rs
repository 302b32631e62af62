//! Events, each with the request that it must become: `golden.txt`.

use std::fmt::Write as _;

use crate::event::Invocation;
use crate::settings::Settings;

#[test]
fn each_event_becomes_its_request() {
    let mut failures = String::new();
    let cases = include_str!("golden.txt").split("\n# ");
    for case in cases {
        let (name, case) = case.split_once('\n').expect("a name");
        let (event, expected) = case.split_once("\n=>\n").expect("an event, an arrow, a request");
        let (setting, event) = event.split_at(event.find('{').expect("JSON"));
        let base_path = setting.trim().strip_prefix("ACCOUNTSERVICE_BASE_PATH=");
        let settings = Settings::read(|name| {
            base_path.filter(|_| name == "ACCOUNTSERVICE_BASE_PATH").map(Into::into)
        });
        let base_path = settings.expect("a base path").base_path;
        let request = Invocation::of(event.as_bytes(), &base_path).map(|it| render(&it));
        let request = request.unwrap_or_else(|error| format!("{error:#}"));
        if request.trim_end() != expected.trim_end() {
            let _ = writeln!(failures, "\n--- {name}\nexpected:\n{expected}\nrequest:\n{request}");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

fn render(invocation: &Invocation) -> String {
    let Invocation { request, prefix, .. } = invocation;
    let mut text = String::new();
    if !prefix.is_empty() {
        let _ = writeln!(text, "prefix: {prefix}");
    }
    let _ = writeln!(text, "{} {}", request.method(), request.uri());
    for (name, value) in request.headers() {
        let _ = writeln!(text, "{name}: {}", value.to_str().expect("ASCII"));
    }
    let _ = write!(text, "\n{}", String::from_utf8_lossy(request.body()));
    text
}
