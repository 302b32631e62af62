//! What `deploy` checks before it changes anything.

use std::process::Command;

use expect_test::expect;

use crate::fixture::{Fixture, run};

#[test]
fn without_docker_it_says_how_to_get_it() {
    let fixture = Fixture::new(&[]);
    for command in ["deploy", "image", "status", "heal", "destroy"] {
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        let ended = run(xtask.arg(command).env("PATH", fixture.path().join("nothing")));
        let code = if command == "deploy" { 5 } else { 1 };
        ended.fails(
            code,
            "there is no `docker` command: install Docker, for example with `apt-get install",
        );
    }
}

#[test]
fn without_an_engine_it_says_how_to_start_one() {
    let refusal = "echo 'Cannot connect to the Docker daemon at unix:///x.' >&2; exit 1";
    let fixture = Fixture::new(&[("version*", refusal), ("--version", "true")]);
    fixture.deploy(&[]).check(5, &expect![[r#"
        preflight failed:
          no engine answers: start it, for example with `systemctl start docker`, or name another with DOCKER_HOST or `docker context use NAME`. Docker says: `docker version '--format={{json .Server}}'` ended with exit status: 1: Cannot connect to the Docker daemon at unix:///x.
    "#]]);
    for command in ["image", "status", "heal", "destroy"] {
        fixture.xtask(&[command]).fails(1, "no engine answers: start it");
    }
}

#[test]
fn without_a_swarm_it_says_how_to_make_one() {
    let info = r#"echo '{"SystemTime":"","Swarm":{"LocalNodeState":"inactive","ControlAvailable":false}}'"#;
    Fixture::new(&[("info*", info)]).deploy(&[]).check(
        5,
        &expect![[r#"
            preflight failed:
              the engine is in no swarm (its state is inactive): docker swarm init
        "#]],
    );
}

#[test]
fn an_engine_that_is_too_old_is_told_apart() {
    let old = r#"echo '{"Version":"19.03","ApiVersion":"1.40","Arch":"amd64"}'"#;
    Fixture::new(&[("version*", old)]).deploy(&[]).check(
        5,
        &expect![[r#"
            preflight failed:
              the engine speaks API 1.40; limits on processes need 1.41: install Docker 20.10 or later
        "#]],
    );
}

#[test]
fn a_worker_is_sent_to_its_manager() {
    let info =
        r#"echo '{"SystemTime":"","Swarm":{"LocalNodeState":"active","ControlAvailable":false}}'"#;
    Fixture::new(&[("info*", info)])
        .deploy(&[])
        .fails(5, "this node is a worker of its swarm: talk to a manager");
}

/// Another service with these published ports.
fn with_service(ports: &str) -> Fixture {
    let service = format!(
        r#"echo '[{{"Spec":{{"Name":"other","TaskTemplate":{{"ContainerSpec":{{"Image":"x"}},"ForceUpdate":0}},"Mode":{{"Replicated":{{"Replicas":1}}}},"EndpointSpec":{{"Mode":"vip","Ports":[{ports}]}}}}}}]'"#
    );
    Fixture::new(&[
        ("service ls --quiet", "echo id1"),
        ("inspect --type service*", &service),
        ("service ps*", "echo t1"),
        (
            "inspect --type task*",
            r#"echo '[{"ID":"t1","CreatedAt":"","NodeID":"n1","DesiredState":"running","Status":{"Timestamp":"","State":"running"},"Spec":{"ContainerSpec":{"Image":"x"},"ForceUpdate":0}}]'"#,
        ),
        ("node ls*", "printf 'n1\\nn2\\n'"),
        (
            "inspect --type node n1 n2",
            r#"echo '[{"ID":"n1","Spec":{"Availability":"active"},"Status":{"State":"ready"}},{"ID":"n2","Spec":{"Availability":"drain"},"Status":{"State":"ready"}}]'"#,
        ),
    ])
}

fn port(published: u16, protocol: &str, mode: &str) -> String {
    format!(
        r#"{{"Protocol":"{protocol}","TargetPort":80,"PublishedPort":{published},"PublishMode":"{mode}"}}"#
    )
}

#[test]
fn a_port_of_another_service_is_taken_when_the_engine_would_say_so() {
    let taken = "port 6767 is taken by the service other";
    let range = [6766, 6767, 6768].map(|number| port(number, "tcp", "ingress")).join(",");
    for (ports, publish, problem) in [
        (port(6767, "tcp", "ingress"), "ingress", Some(taken)),
        (port(6767, "tcp", "ingress"), "host", Some(taken)),
        (port(6767, "tcp", "host"), "ingress", Some(taken)),
        (range, "ingress", Some(taken)),
        (port(6767, "udp", "ingress"), "ingress", None),
        (port(16767, "tcp", "ingress"), "ingress", None),
        (port(6767, "tcp", "ingress"), "none", None),
        // Each node has its own: taken when no node is left.
        (port(6767, "tcp", "host"), "host", Some("taken by the service other on every node")),
    ] {
        let ended = with_service(&ports).deploy(&["--publish", publish]);
        match problem {
            Some(problem) => ended.fails(5, problem),
            // It comes as far as building the image.
            None => ended.fails(1, "unexpected: build"),
        }
    }
}

#[test]
fn a_port_of_a_container_is_taken() {
    let container = |inside: &str, labels: &str| {
        let json = format!(
            r#"echo '[{{"Id":"c1","Name":"/web","State":{{}},"Config":{{"Labels":{labels}}},"HostConfig":{{"NetworkMode":"bridge"}},"NetworkSettings":{{"Ports":{{"80/udp":null,"{inside}":[{{"HostIp":"","HostPort":"6767"}}]}}}}}}]'"#
        );
        Fixture::new(&[("ps*", "echo c1"), ("inspect --type container*", &json)]).deploy(&[])
    };
    container("80/tcp", "{}").fails(5, "port 6767 is taken by the container web: stop that");
    container("80/udp", "null").fails(1, "unexpected: build");
    container("80/tcp", r#"{"com.docker.swarm.service.name":"accountservice"}"#)
        .fails(1, "unexpected: build");
}

#[test]
fn a_foreign_network_is_named_with_what_to_do() {
    let network = r#"echo '[{"Id":"n","Name":"my_network","Driver":"bridge","Scope":"local"}]'"#;
    Fixture::new(&[("inspect --type network*", network)]).deploy(&[]).fails(
        5,
        "the network my_network is not an overlay network of the swarm but `bridge local`",
    );
}

#[test]
fn a_full_disk_is_told_in_dockers_words() {
    let full = "echo 'write /accountservice: no space left on device' >&2; exit 1";
    let fixture = Fixture::new(&[("image inspect*", "exit 1"), ("build*", full)]);
    fixture.deploy(&[]).fails(1, "no space left on device");
    assert!(!fixture.notes().contains("service create"), "{}", fixture.notes());
}

#[test]
fn an_unreachable_registry_is_told_before_anything_is_deployed() {
    let refused = "echo 'dial tcp 127.0.0.1:1: connect: connection refused' >&2; exit 1";
    let fixture = Fixture::new(&[("image inspect*", "true"), ("push*", refused)]);
    fixture
        .deploy(&["--push", "--image=127.0.0.1:1/accountservice"])
        .fails(1, "connection refused");
    assert!(!fixture.notes().contains("service create"), "{}", fixture.notes());
}

#[test]
fn a_secret_whose_source_is_lost_stops_the_deployment_before_anything_is_built() {
    let fixture = Fixture::new(&[]);
    let config = fixture.config("secrets.api_key = \"file:/nowhere/key\"");
    let ended = fixture.deploy(&[&config]);
    ended.fails(1, "infra/README.md, \"Secrets\", shows how to get its content back");
    ended.fails(1, "cannot read /nowhere/key");
    assert!(!fixture.notes().contains("build"), "{}", fixture.notes());
}

#[test]
fn the_outcome_for_machines_is_one_line_of_json_whatever_happens() {
    let problem = |fixture: &Fixture, code: i32, outcome: &str| {
        let ended = fixture.deploy(&["--json"]);
        assert_eq!(ended.code, Some(code), "{}", ended.err);
        let report: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(report["outcome"], outcome, "{report}");
        assert_eq!(report["exit_status"], code, "{report}");
        report["problems"][0].as_str().unwrap().to_owned()
    };
    let inactive = r#"echo '{"SystemTime":"","Swarm":{"LocalNodeState":"inactive","ControlAvailable":false}}'"#;
    let why = problem(&Fixture::new(&[("info*", inactive)]), 5, "preflight_failed");
    assert!(why.contains("docker swarm init"), "{why}");
    let why =
        problem(&Fixture::new(&[("image inspect*", "exit 1"), ("build*", "exit 3")]), 1, "error");
    assert!(why.contains("docker build"), "{why}");
    let fixture = Fixture::new(&[]);
    let ended = fixture.xtask(&["deploy", "--json", &fixture.config("port = 0")]);
    assert!(ended.out.contains(r#""outcome":"error","exit_status":1,"#), "{}", ended.out);
    assert!(ended.out.contains("no port can be published as 0"), "{}", ended.out);
}
