//! Whatever a service was, a deployment makes it what the settings say, to the letter.

use serde_json::Value;

use crate::fixture::{Engine, docker, inspect};

/// Settings that differ from each other in everything that can be set.
const SETTINGS: [(&[&str], &str); 10] = [
    (&["--publish=ingress", "--port=27001"], ""),
    (&["--publish=ingress", "--port=27002"], "restart.delay = \"1s\"\nlimits.pids = 64"),
    (
        &["--publish=host", "--port=27001"],
        "limits = { memory = \"48M\", cpus = 0.5, data = \"8M\" }",
    ),
    (
        &["--publish=host", "--port=27002", "--testability"],
        "environment = { A = \"1\", B = \"2\" }",
    ),
    (
        &["--publish=none"],
        "environment = { B = \"3\", C = \"a b, $c\" }\nhealth.exit_when_unhealthy = \"1s\"",
    ),
    (&["--publish=none", "--endpoint-mode=dnsrr"], "constraints = [\"node.role==manager\"]"),
    (&["--publish=host", "--port=27001", "--endpoint-mode=dnsrr"], "secrets = { a = \"env:ONE\" }"),
    (&["--publish=ingress", "--port=27001"], "secrets = { a = \"env:TWO\", b = \"env:ONE\" }"),
    (&["--publish=none", "--network=xtask-test-settings-2"], "configs = { a = \"env:ONE\" }"),
    (
        &["--publish=host", "--port=27003"],
        "restart.drain_delay = \"1s\"\n\
         update = { order = \"stop-first\", parallelism = 2, delay = \"1s\", max_failure_ratio = 0.1 }",
    ),
];

/// What was asked of Swarm, with names for networks, and without what is empty.
fn spec(engine: &Engine) -> Value {
    let mut spec = engine.spec();
    for network in spec["TaskTemplate"]["Networks"].as_array_mut().unwrap() {
        network["Target"] = inspect("network", network["Target"].as_str().unwrap())["Name"].take();
    }
    without_empty(spec)
}

fn without_empty(value: Value) -> Value {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        value => value == 0 || value == false || value == "",
    };
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter();
            // A secret of the same content has another id when it was removed in between.
            let fields = fields.filter(|(name, _)| name != "SecretID" && name != "ConfigID");
            let fields = fields.map(|(name, value)| (name, without_empty(value)));
            Value::Object(fields.filter(|(_, value)| !is_empty(value)).collect())
        }
        Value::Array(items) => {
            let mut items: Vec<_> = items.into_iter().map(without_empty).collect();
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        value => value,
    }
}

#[test]
#[ignore = "needs an engine, see main.rs"]
fn whatever_a_service_was_after_a_deploy_it_is_what_the_settings_say() {
    let engine = Engine::new("xtask-test-settings");
    let fresh: Vec<_> = SETTINGS
        .iter()
        .map(|settings| {
            engine.deploy(*settings);
            let spec = spec(&engine);
            docker(&["service", "rm", engine.name]);
            spec
        })
        .collect();
    engine.deploy(SETTINGS[0]);
    // From each to each other one, there and back.
    let pairs = (0..10).flat_map(|from| (from + 1..10).map(move |to| [from, to, from]));
    let mut now = 0;
    for next in pairs.flatten() {
        if next != now {
            engine.deploy(SETTINGS[next]);
            assert_eq!(spec(&engine), fresh[next], "from {now} to {next}");
            now = next;
        }
    }
    assert!(engine.deploy(SETTINGS[now]).starts_with("No change"));
    // By hand, as people do.
    for change in [
        &["--publish-add=published=27009,target=6767,mode=host"][..],
        &[
            "--env-add=X=1",
            "--user=0",
            "--hostname=x",
            "--label-add=x=1",
            "--container-label-add=y=1",
        ],
        &["--limit-memory=100000000", "--reserve-memory=8000000", "--limit-cpu=2"],
        &[
            "--mount-add=type=tmpfs,destination=/more",
            "--host-add=a:10.0.0.1",
            "--cap-add=NET_ADMIN",
        ],
        &[
            "--no-healthcheck",
            "--dns-add=1.1.1.1",
            "--stop-signal=SIGINT",
            "--restart-max-attempts=3",
        ],
        &[
            "--args=--help",
            "--entrypoint=/x",
            "--group-add=5",
            "--read-only=false",
            "--workdir=/data",
        ],
    ] {
        docker(&[&["service", "update", "--detach", "--quiet"], change, &[engine.name]].concat());
        assert_ne!(spec(&engine), fresh[now], "{change:?}");
        engine.deploy(SETTINGS[now]);
        assert_eq!(spec(&engine), fresh[now], "after {change:?}");
    }
    let other = engine.xtask(&["destroy", "--all", "--network=xtask-test-settings-2"], "");
    assert_eq!(other.code, Some(0), "{}", other.err);
}

#[test]
#[ignore = "needs an engine, see main.rs"]
fn a_text_reaches_the_image_and_the_container_as_it_was_written() {
    let engine = Engine::new("xtask-test-text");
    let odd = "it's $HOME \"and\" ${PATH} `more` \\n \\\\ 100% ñ ก e\u{301} #{x} *";
    let text = toml::Value::String(odd.to_owned());
    let lines = toml::Value::String(format!("{odd}\nsecond line\ttab"));
    engine.deploy((&["--publish=none"], &format!("source = {text}\nenvironment.ODD = {lines}")));
    let image = docker(&[
        "service",
        "inspect",
        "--format={{.Spec.TaskTemplate.ContainerSpec.Image}}",
        engine.name,
    ]);
    let labels: Value = serde_json::from_str(&docker(&[
        "image",
        "inspect",
        "--format={{json .Config.Labels}}",
        image.trim(),
    ]))
    .unwrap();
    assert_eq!(labels["org.opencontainers.image.source"], odd);
    let variables = spec(&engine)["TaskTemplate"]["ContainerSpec"]["Env"].to_string();
    let wanted = serde_json::to_string(&format!("ODD={odd}\nsecond line\ttab")).unwrap();
    assert!(variables.contains(&wanted), "{variables}");
}

#[test]
#[ignore = "needs an engine, see main.rs"]
fn a_secret_is_swapped_with_its_content_and_the_old_one_removed() {
    let engine = Engine::new("xtask-test-secret");
    let list = || {
        docker(&[
            "secret",
            "ls",
            "--format={{.Name}}",
            "--filter=label=xtask.service=xtask-test-secret",
        ])
    };
    engine.deploy((&["--publish=none"], "secrets = { key = \"env:ONE\" }"));
    let first = list();
    assert!(first.starts_with("xtask-test-secret-key-"), "{first}");
    engine.deploy((&["--publish=none"], "secrets = { key = \"env:TWO\" }"));
    let second = list();
    assert_eq!(second.lines().count(), 1, "{second}");
    assert_ne!(first, second);
    engine.deploy((&["--publish=none"], ""));
    assert_eq!(list(), "");
}
