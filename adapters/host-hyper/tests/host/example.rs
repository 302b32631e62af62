//! The example `orders` as a process: a service without accounts that has all that a host gives.

use std::process::{Command, Output};

use accountservice_host::testing::{Client, Process, SERVING, SERVING_METRICS, build_binary};

#[test]
fn the_probe_finds_the_example_healthy_and_its_routes_are_in_the_metrics() {
    let build = |arguments| build_binary(arguments).expect("it builds");
    let example = build(&["--package=accountservice-host-hyper", "--example=orders"]);
    let probe = build(&["--package=healthchecker"]);
    let mut command = Command::new(example);
    let command = command.env("PORT", "0").env("METRICS_PORT", "0");
    let mut process = Process::spawn(command).expect("the example runs");
    let port = process.port(SERVING);
    let metrics_port = process.port(SERVING_METRICS);
    let run_probe = || -> Output {
        let output = Command::new(&probe).arg(format!("-port={port}")).output();
        output.expect("the probe runs")
    };
    let connect = |port| Client::connect(([127, 0, 0, 1], port).into());

    let output = run_probe();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let mut client = connect(port);
    let response = client.get("/orders/7");
    assert_eq!(response.body(), r#"{"id":7,"item":"tea"}"#);
    assert_eq!(response.headers()["x-request-id"].len(), 16);
    assert_eq!(client.get("/orders/seven").status(), 404);

    let metrics =
        || String::from_utf8_lossy(connect(metrics_port).get("/metrics").body()).into_owned();
    let text = metrics();
    let line = r#"http_requests_total{route="/orders/{id}",status="200"} 1"#;
    assert!(text.lines().any(|other| other == line), "{text}");
    assert!(text.lines().any(|line| line == "healthy 1"), "{text}");

    assert_eq!(client.get("/testability/healthy/false").status(), 200);
    assert_eq!(run_probe().status.code(), Some(1));
    assert!(metrics().lines().any(|line| line == "healthy 0"));
    drop(client);
    process.stop();
}
