//! `deploy --dry-run`, `status` and `destroy` for a service that is there.

use expect_test::expect;

use crate::fixture::Fixture;

/// Everything that a person may have added by hand.
const SERVICE: &str = r#"echo '[{"Spec":{"Name":"accountservice","Labels":{"xtask.image":"x:1","mine":"1"},"TaskTemplate":{
    "ContainerSpec":{"Image":"sha256:1","Env":["OLD=1","NEW=0"],"User":"0","Hosts":["10.0.0.1 db"],"CapabilityAdd":["CAP_NET_ADMIN"],
        "Labels":{"theirs":"2"},"Healthcheck":{"Test":["NONE"]},
        "Mounts":[{"Type":"volume","Source":"v","Target":"/v"},{"Type":"tmpfs","Target":"/data","TmpfsOptions":{"SizeBytes":1,"Mode":1023}}],
        "Secrets":[{"File":{"Name":"key"},"SecretID":"i","SecretName":"old"}]},
    "Resources":{"Reservations":{"MemoryBytes":5}},
    "Placement":{"Constraints":["node.role==worker"]},
    "Networks":[{"Target":"n1"}],"ForceUpdate":0},
    "Mode":{"Replicated":{"Replicas":1}},
    "EndpointSpec":{"Mode":"vip","Ports":[
        {"Protocol":"tcp","TargetPort":6767,"PublishedPort":6767,"PublishMode":"host"},
        {"Protocol":"udp","TargetPort":53,"PublishedPort":53,"PublishMode":"ingress"}]}}}]'"#;

fn deployed(answers: &[(&str, &str)]) -> Fixture {
    let network = r#"echo '[{"Id":"n1","Name":"old_network","Driver":"overlay","Scope":"swarm"}]'"#;
    let ours = [
        ("service ls --format*", "echo '\"accountservice\"'"),
        ("service ls*", "echo s1"),
        ("inspect --type service*", SERVICE),
        ("inspect --type network n1", network),
    ];
    Fixture::new(&[answers, &ours].concat())
}

#[test]
fn a_dry_run_shows_every_command_and_changes_nothing() {
    let fixture = Fixture::new(&[]);
    let script = fixture.xtask(&["deploy", "--dry-run", "--publish=host"]).succeeds();
    for command in ["docker build", "docker network create", "docker service create"] {
        assert!(script.contains(command), "{command} is not in {script}");
    }
    expect![[r#"
        service ls --format={{json .Name}} --filter=name=accountservice
    "#]]
    .assert_eq(&fixture.notes());
}

#[test]
fn what_is_no_longer_wanted_is_taken_away() {
    let fixture = deployed(&[]);
    let config = fixture.config("environment.NEW = \"1\"");
    let script = fixture.xtask(&["deploy", "--dry-run", &config]).succeeds();
    let update = script.split("docker service update").nth(1).unwrap();
    let update = update.split("else\n").next().unwrap();
    let changed: Vec<_> = update
        .lines()
        .map(|line| line.trim().trim_end_matches(" \\"))
        .filter(|line| !line.contains("rollback") && !line.contains("limit"))
        .collect();
    expect![[r#"
        \
        --detach
        --no-resolve-image
        --image="$reference"
        --update-order=start-first
        --update-parallelism=1
        --update-monitor=22s
        --read-only=true
        --cap-drop=ALL
        --restart-condition=any
        --restart-delay=500ms
        --stop-grace-period=7s
        --user=
        --cap-add=RESET
        --health-cmd=
        --reserve-memory=0
        --label-add=xtask.image="$image"
        --label-rm=mine
        --container-label-add=xtask.publish=6767:6767/ingress
        --container-label-rm=theirs
        --mount-add=type=tmpfs,destination=/data,tmpfs-size=33554432,tmpfs-mode=1777
        --mount-rm=/v
        --env-add=ACCOUNTSERVICE_DRAIN_DELAY=0s
        --env-add=ACCOUNTSERVICE_SHUTDOWN_TIMEOUT=4s
        --env-add=NEW=1
        --env-rm=OLD
        --network-add=my_network
        --network-rm=old_network
        --constraint-rm=node.role==worker
        --publish-add=published=6767,target=6767,protocol=tcp,mode=ingress
        --publish-rm=target=6767,protocol=tcp,mode=host
        --publish-rm=target=53,protocol=udp,mode=ingress
        --secret-rm=old
        --host-rm=db:10.0.0.1
        --update-order=stop-first
        accountservice"#]]
    .assert_eq(&changed.join("\n"));
}

#[test]
fn a_service_that_runs_once_on_each_node_cannot_be_updated() {
    let global = SERVICE.replace(r#"{"Replicated":{"Replicas":1}}"#, r#"{"Global":{}}"#);
    let fixture = deployed(&[("inspect --type service*", &global)]);
    fixture.deploy(&[]).fails(5, "runs once on each node, which cannot be changed");
}

/// The network and the service are not there when they are looked for, and are when they are made.
#[test]
fn what_another_run_makes_at_the_same_time_is_taken_as_it_is() {
    let fixture = deployed(&[
        ("network inspect*", "[ -e \"$0.network\" ]"),
        ("network create*", "touch \"$0.network\"; echo 'network exists' >&2; exit 1"),
        ("service ls --format*", "[ ! -e \"$0.service\" ] || echo '\"accountservice\"'"),
        ("service inspect*", "[ -e \"$0.service\" ]"),
        ("service create*", "touch \"$0.service\"; echo 'service exists' >&2; exit 1"),
        ("service update*", "echo 'here the test ends' >&2; exit 1"),
        ("image inspect*", "true"),
        ("inspect --type image*", "echo '[{\"Id\":\"sha256:2\",\"Size\":1}]'"),
    ]);
    let ended = fixture.deploy(&["--publish=none"]);
    ended.fails(4, "Another deployment has created it: updating.\n+ docker service update");
    ended.fails(4, "here the test ends");
    let notes = fixture.notes();
    let updates = notes.lines().filter(|note| note.starts_with("service update"));
    let updates: Vec<_> = updates.collect();
    assert_eq!(updates.len(), 1, "{notes}");
    assert!(updates[0].contains(" --env-rm=OLD "), "{updates:?}");
}

#[test]
fn the_status_of_what_is_not_there_is_no_error() {
    let fixture = Fixture::new(&[]);
    let out = fixture.xtask(&["status"]).succeeds();
    assert_eq!(out, "accountservice is not deployed: cargo xtask deploy\n");
    let json: serde_json::Value =
        serde_json::from_str(&fixture.xtask(&["status", "--json"]).succeeds()).unwrap();
    assert_eq!(json["is_deployed"], false);
}

#[test]
fn destroy_does_what_it_can_and_names_what_it_left() {
    let images = r#"echo '[
        {"Id":"sha256:1","Size":1,"RepoTags":["someprefix/accountservice:a","mine:1"],"RepoDigests":[]},
        {"Id":"sha256:2","Size":1,"RepoTags":[],"RepoDigests":["someprefix/accountservice@sha256:9"]}]'"#;
    let network = r#"echo '[{"Id":"n","Name":"my_network","Driver":"overlay","Scope":"swarm"}]'"#;
    let fixture = Fixture::new(&[
        ("inspect --type network*", network),
        ("network rm*", "echo 'network is in use by service other' >&2; exit 1"),
        ("secret ls*", "true"),
        ("config ls*", "true"),
        ("image ls*", "printf 'sha256:1\\nsha256:1\\nsha256:2\\n'"),
        ("inspect --type image*", images),
        ("image inspect*", "true"),
        (
            "image rm someprefix/accountservice:a",
            "echo 'image is being used by container 5' >&2; exit 1",
        ),
        ("image rm*", "true"),
    ]);
    let ended = fixture.xtask(&["destroy", "--all"]);
    assert_eq!(ended.code, Some(6), "{}", ended.err);
    assert!(ended.err.contains("Left: the network my_network: "), "{}", ended.err);
    assert!(ended.err.contains("in use by service other"), "{}", ended.err);
    assert!(ended.err.contains("Left: the image someprefix/accountservice:a: "), "{}", ended.err);
    assert_eq!(
        ended.out,
        "accountservice is gone.\nThe image someprefix/accountservice@sha256:9 is gone.\n"
    );
    assert!(!fixture.notes().contains("mine:1"), "{}", fixture.notes());
}
