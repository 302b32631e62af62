//! Deployments that never end, or that fail late, and how the next one gets out of them.

use std::process::Stdio;

use serde_json::Value;

use crate::fixture::{Engine, QUICK, docker, inspect, tasks, wait};

fn deploy(engine: &Engine, changes: &str, code: i32, message: &str) -> String {
    let ended = engine.xtask(&["deploy", "--publish=none"], &format!("{changes}{QUICK}"));
    assert_eq!(ended.code, Some(code), "{}{}", ended.out, ended.err);
    assert!(ended.err.contains(message), "{}", ended.err);
    ended.out
}

fn update_state(engine: &Engine) -> String {
    inspect("service", engine.name)["UpdateStatus"]["State"].as_str().unwrap_or_default().to_owned()
}

/// Alone on the engine, which may replace a container while it is busy with the networks of others.
#[test]
#[ignore = "needs an engine, see main.rs"]
fn alone_what_hangs_ends_with_the_deadline_and_the_next_deployment_gets_out_of_it() {
    let engine = Engine::new("xtask-test-hang");
    // No node is like that.
    let nowhere = "constraints = [\"node.labels.xtask-test==never\"]";
    deploy(&engine, nowhere, 4, "Not healthy within 8s, and Swarm keeps trying.");
    assert_eq!(engine.containers(), "");
    let out = deploy(&engine, "", 0, "");
    assert!(out.starts_with("Deployed"), "{out}");

    let (spec, container) = (engine.spec(), engine.containers());
    assert_eq!(container.lines().count(), 1, "{container}");
    let add = "--constraint-add=node.labels.xtask-test==never";
    docker(&["service", "update", "--detach", "--quiet", add, engine.name]);
    wait("update", || (update_state(&engine) == "updating").then_some(()));
    let out = deploy(&engine, "", 0, "It has not ended within 8s: rolling back.");
    assert!(out.starts_with("No change"), "{out}");
    assert_eq!((engine.containers(), engine.spec()), (container, spec));
}

/// No container is needed at the end: other tests may keep the engine busy.
#[test]
#[ignore = "needs an engine, see main.rs"]
fn a_rollback_that_hangs_is_replaced_by_the_next_deployment() {
    let engine = Engine::new("xtask-test-rollback");
    let image = engine.image(&[]);
    let nowhere = |label: &str| format!("node.labels.xtask-test=={label}");
    let made = engine.create(engine.name, &[&format!("--constraint={}", nowhere("never")), &image]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    let add = format!("--constraint-add={}", nowhere("neither"));
    docker(&["service", "update", "--detach", "--quiet", &add, engine.name]);
    wait("update", || (update_state(&engine) == "updating").then_some(()));

    let ended = engine.xtask(&["deploy", "--publish=none", "--replicas=0"], QUICK);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.starts_with("Deployed"), "{}", ended.out);
    for news in [
        "It has not ended within 8s: rolling back.",
        "That has not ended either: updating all the same.",
    ] {
        assert!(ended.err.contains(news), "{}", ended.err);
    }
    assert_eq!(engine.spec()["TaskTemplate"]["Placement"]["Constraints"], Value::Null);
}

#[test]
#[ignore = "needs an engine, see main.rs"]
fn a_deployment_that_another_one_replaces_does_not_call_itself_rolled_back() {
    let engine = Engine::new("xtask-test-replaced");
    engine.deploy((&["--publish=none"], QUICK));
    let hangs = format!("constraints = [\"node.labels.xtask-test==never\"]{QUICK}");
    let mut first = engine.command(&["deploy", "--publish=none"], &hangs);
    first.arg("--binaries").arg(engine.folder.path()).stderr(Stdio::piped());
    let first = first.spawn().unwrap();
    wait("task", || tasks(engine.name).iter().any(is_pending).then_some(()));
    engine.deploy((&["--publish=none"], QUICK));
    let ended = first.wait_with_output().unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    assert!(err.contains("\nAnother deployment has replaced this one: "), "{err}");
    assert_eq!(ended.status.code(), Some(4));
}

fn is_pending(task: &Value) -> bool {
    task["Status"]["State"] == "pending"
}

/// Swarm watches the containers of an update only.
#[test]
#[ignore = "needs an engine, see main.rs"]
fn a_first_deployment_that_fails_while_it_is_watched_is_no_success() {
    let engine = Engine::new("xtask-test-first");
    let ends = "environment.ENDS_AFTER_MS = \"2000\"";
    deploy(&engine, ends, 4, "Its containers fail, and Swarm keeps trying.");
    assert_eq!(update_state(&engine), "");
}
