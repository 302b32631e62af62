//! The command line as users and scripts see it: what it says, and its exit status. Where an engine
//! is needed, a `docker` that answers from a table stands in; the real one is for `cargo xtask e2e`.

#![allow(clippy::needless_raw_string_hashes, reason = "expect_test writes them when it updates")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use expect_test::{Expect, expect};
use tempfile::TempDir;

/// A healthy engine that is in a swarm, where nothing is deployed.
const ENGINE: &[(&str, &str)] = &[
    ("version*", r#"echo '{"Version":"28.0","ApiVersion":"1.48","Arch":"amd64"}'"#),
    ("info*Swarm*", r#"echo '{"LocalNodeState":"active","ControlAvailable":true}'"#),
    ("context inspect*", "echo ssh://elsewhere"),
    ("network inspect*", "exit 1"),
    ("service ls*", "true"),
    ("ps*", "true"),
];

/// A folder with a `docker` that answers from a table and notes what it was asked.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new(answers: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let case = |(asked, answer): &(&str, &str)| {
            format!("  {}) {answer} ;;", asked.replace(' ', "\\ "))
        };
        let cases = answers.iter().map(case).collect::<Vec<_>>().join("\n");
        let notes = folder.path().join("notes").display().to_string();
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$*\" >>'{notes}'\ncase \"$*\" in\n{cases}\n  \
             *) echo \"unexpected: $*\" >&2; exit 99 ;;\nesac\n"
        );
        let docker = folder.path().join("docker");
        fs::write(&docker, script).unwrap();
        fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    /// Writes a file into the folder.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path: PathBuf = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Binaries that pass for static ones: the bare header of an ELF file for `x86_64`.
    fn binaries(&self) -> String {
        let mut header = vec![0; 64];
        header[..6].copy_from_slice(b"\x7fELF\x02\x01");
        header[18] = 62;
        self.file("accountservice", &header);
        self.file("healthchecker", &header);
        format!("--binaries={}", self.folder.path().display())
    }

    /// Runs xtask with this `docker` first in its path.
    fn xtask(&self, args: &[&str]) -> Ended {
        let path = format!("{}:{}", self.folder.path().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        run(command.args(args).env("PATH", path).env("CARGO_TARGET_DIR", self.folder.path()))
    }

    fn deploy(&self) -> Ended {
        self.xtask(&["deploy", &self.binaries()])
    }

    fn notes(&self) -> String {
        fs::read_to_string(self.folder.path().join("notes")).unwrap_or_default()
    }
}

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ended {
    fn check(&self, code: i32, err: &Expect) {
        err.assert_eq(&self.err);
        assert_eq!(self.code, Some(code));
    }
}

fn run(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The engine of the table, with other answers to some questions.
fn but(answers: &[(&'static str, &'static str)]) -> Bench {
    Bench::new(&[answers, ENGINE].concat())
}

fn settings(text: &str) -> Ended {
    let bench = but(&[]);
    let file = bench.file("deploy.toml", text);
    let out = format!("--out={}", bench.folder.path().display());
    let mut ended = bench.xtask(&["emit", "--config", &file, &out]);
    ended.err = ended.err.replace(&file, "deploy.toml");
    ended
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    settings("replicas = 2\nreplica = 3\n").check(1, &expect![[r#"
        error: deploy.toml is not valid: TOML parse error at line 2, column 1
          |
        2 | replica = 3
          | ^^^^^^^
        unknown field `replica`, expected one of `service`, `image`, `push`, `source`, `replicas`, `network`, `port`, `publish`, `endpoint_mode`, `testability`, `deadline`, `constraints`, `health`, `restart`, `update`, `rollback`, `limits`, `environment`

    "#]]);
}

#[test]
fn a_value_with_a_wrong_unit_says_what_is_right() {
    settings("[health]\ninterval = \"3 parsecs\"\n").check(1, &expect![[r#"
        error: deploy.toml is not valid: TOML parse error at line 2, column 12
          |
        2 | interval = "3 parsecs"
          |            ^^^^^^^^^^^
        "3 parsecs" is not a duration such as 500ms, 3s, 2m: unknown time unit "parsecs", supported units: ns, us/µs, ms, sec, min, hours, days, weeks, months, years (and few variations)

    "#]]);
}

#[test]
fn everything_that_makes_no_sense_is_said_at_once() {
    let text = r#"
        service = "-odd"
        image = "me/accountservice:latest"
        port = 0
        publish = "host"
        deadline = "20s"
        [health]
        probe_timeout = "3s"
        start_interval = "1s"
        [restart]
        stop_grace = "2s"
        [update]
        order = "start-first"
        monitor = "5s"
        [limits]
        memory = "16M"
        [environment]
        ACCOUNTSERVICE_DATABASE = "/elsewhere"
    "#;
    settings(text).check(1, &expect![[r#"
        error: the settings make no sense:
          service = "-odd": up to 63 letters, digits, - and _, the first a letter or digit
          image = "me/accountservice:latest": leave the tag out, it is the hash of the content
          health.probe_timeout = "3s" is not below health.timeout = "3s": Docker would kill the probe before it could give its reason
          health.start_interval = "1s" with health.start_period = "0s": it has no period to apply to
          restart.stop_grace = "2s" is not above the 5s for which the service drains: it would be killed with requests in flight
          port = 0: no port can be published as 0
          update.order = "start-first" with publish = "host": the new container cannot have the port while the old one holds it
          update.monitor = "5s" is not above 16s, the time a failure takes to be seen (start_period + retries * (interval + timeout) + 2s + stop_grace): a bad version would count as good
          deadline = "20s" is not above update.monitor and 16s for a failure to be seen: deploy would give up before Swarm decides
          deadline = "20s" is not above rollback.monitor and 16s for a failure to be seen: deploy would give up before Swarm decides
          limits.data = "32M" is not below limits.memory = "16M": what is in /data counts as memory
          environment.ACCOUNTSERVICE_DATABASE: only /data can be written to
    "#]]);
}

#[test]
fn the_routing_mesh_cannot_do_without_the_one_address() {
    settings("endpoint_mode = \"dnsrr\"").check(1, &expect![[r#"
        error: the settings make no sense:
          publish = "ingress" with endpoint_mode = "dnsrr": the routing mesh needs the one address of "vip"; take publish = "host" or "none"
    "#]]);
}

#[test]
fn pushing_needs_a_registry_to_push_to() {
    settings("push = true").check(
        1,
        &expect![[r#"
        error: the settings make no sense:
          push = true with image = "someprefix/accountservice": it names no registry to push to
    "#]],
    );
}

#[test]
fn the_committed_files_are_what_the_plan_says() {
    but(&[]).xtask(&["emit", "--check"]).check(0, &expect![[""]]);
}

#[test]
fn a_stale_file_is_named_with_the_command_that_mends_it() {
    let bench = but(&[]);
    let folder = bench.folder.path().display().to_string();
    let out = format!("--out={folder}");
    assert_eq!(bench.xtask(&["emit", &out]).code, Some(0));
    bench.file("swarm.sh", "edited by hand");
    let mut ended = bench.xtask(&["emit", "--check", &out]);
    ended.err = ended.err.replace(&folder, "infra");
    ended.check(
        1,
        &expect![[r#"
        error: infra/swarm.sh: not what infra/deploy.toml says: cargo xtask emit
    "#]],
    );
}

#[test]
fn a_value_reaches_docker_through_the_script_as_it_was_written() {
    let bench = but(&[("image inspect*", "echo sha256:1"), ("*", "true")]);
    let odd = r#"it's $HOME "and" `more`; $image"#;
    let file = bench.file("deploy.toml", format!("environment.ODD = '''{odd}'''"));
    let infra = bench.folder.path().join("infra");
    fs::create_dir(&infra).unwrap();
    let out = format!("--out={}", infra.display());
    assert_eq!(bench.xtask(&["emit", "--config", &file, &out]).code, Some(0));
    let path = format!("{}:{}", bench.folder.path().display(), std::env::var("PATH").unwrap());
    let mut sh = Command::new("sh");
    let ended = run(sh.arg(infra.join("swarm.sh")).arg("name:tag").env("PATH", path));
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(bench.notes().contains(&format!("--env-add=ODD={odd} ")), "{}", bench.notes());
}

#[test]
fn a_dry_run_shows_every_command_and_changes_nothing() {
    let bench = but(&[]);
    let ended = bench.xtask(&["deploy", "--dry-run", "--publish=host"]);
    assert_eq!(ended.code, Some(0));
    for command in ["docker build", "docker network create", "docker service create"] {
        assert!(ended.out.contains(command), "{command} is not in {}", ended.out);
    }
    expect![[r#"
        service ls --format={{.Name}} --filter=name=accountservice
    "#]]
    .assert_eq(&bench.notes());
}

#[test]
fn what_is_no_longer_wanted_is_taken_away() {
    let service = r#"echo '{"Spec":{"TaskTemplate":{
        "ContainerSpec":{"Image":"x","Env":["OLD=1","NEW=0"]},
        "Placement":{"Constraints":["node.role==worker"]},
        "Networks":[{"Target":"n1"}]}}}'"#;
    let bench = but(&[
        ("service ls*", "echo accountservice"),
        ("service inspect*", service),
        ("network inspect*n1", "echo old_network"),
    ]);
    let file = bench.file("deploy.toml", "environment.NEW = \"1\"");
    let script = bench.xtask(&["deploy", "--dry-run", "--config", &file]).out;
    let changed = script.lines().filter(|line| line.contains("-add=") || line.contains("-rm="));
    let changed: Vec<_> = changed.filter(|line| !line.contains("label")).map(str::trim).collect();
    expect![[r#"
        --mount-add=type=tmpfs,destination=/data,tmpfs-size=33554432,tmpfs-mode=1777 \
        --env-add=NEW=1 \
        --publish-add=published=6767,target=6767,mode=ingress \
        --publish-rm=6767 \
        --env-rm=OLD \
        --constraint-rm=node.role==worker \
        --network-add=my_network \
        --network-rm=old_network \"#]]
    .assert_eq(&changed.join("\n"));
}

#[test]
fn without_docker_it_says_how_to_get_it() {
    let bench = but(&[]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    run(command.arg("deploy").env("PATH", bench.folder.path().join("nothing")))
        .check(5, &expect![[r#"
            preflight failed:
              there is no `docker` command: install Docker, for example with `apt-get install docker.io`
        "#]]);
}

#[test]
fn without_an_engine_it_says_how_to_start_one() {
    let refusal = "echo 'Cannot connect to the Docker daemon at unix:///x.' >&2; exit 1";
    but(&[("version*", refusal), ("--version", "true")]).deploy().check(5, &expect![[r#"
        preflight failed:
          no engine answers: start it, for example with `systemctl start docker`, or name another with DOCKER_HOST or `docker context use NAME`. Docker says: `docker version '--format={{json .Server}}'` ended with exit status: 1: Cannot connect to the Docker daemon at unix:///x.
    "#]]);
}

#[test]
fn without_a_swarm_it_says_how_to_make_one() {
    let swarm = r#"echo '{"LocalNodeState":"inactive","ControlAvailable":false}'"#;
    but(&[("info*", swarm)]).deploy().check(
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
    but(&[("version*", old)]).deploy().check(
        5,
        &expect![[r#"
        preflight failed:
          the engine speaks API 1.40; limits on processes need 1.41: install Docker 20.10 or later
    "#]],
    );
}

#[test]
fn a_worker_is_sent_to_its_manager() {
    let swarm = r#"echo '{"LocalNodeState":"active","ControlAvailable":false}'"#;
    but(&[("info*", swarm)]).deploy().check(5, &expect![[r#"
        preflight failed:
          this node is a worker of its swarm: talk to a manager, with `docker context use NAME` or DOCKER_HOST=ssh://USER@MANAGER
    "#]]);
}

#[test]
fn a_foreign_network_and_a_taken_port_are_reported_together() {
    let bench =
        but(&[("network inspect*", "echo bridge local"), ("ps*publish=6767*", "echo somebody")]);
    bench.deploy().check(5, &expect![[r#"
        preflight failed:
          the network my_network is not an overlay network of the swarm but `bridge local`: choose another with --network NAME, or remove it with `docker network rm my_network`
          port 6767 is taken by the container somebody: stop that, or choose another with --port N
    "#]]);
}

#[test]
fn a_port_of_another_service_is_taken() {
    but(&[("service ls*Ports*", "echo 'other *:6767->80/tcp'")]).deploy().check(
        5,
        &expect![[r#"
        preflight failed:
          port 6767 is taken by the service other: stop that, or choose another with --port N
    "#]],
    );
}

#[test]
fn a_full_disk_is_told_in_dockers_words() {
    let full = "echo 'write /accountservice: no space left on device' >&2; exit 1";
    let bench = but(&[("image inspect*", "exit 1"), ("build*", full)]);
    let ended = bench.deploy();
    assert!(ended.err.contains("no space left on device"), "{}", ended.err);
    assert_eq!(ended.code, Some(1));
    assert!(!bench.notes().contains("service create"), "{}", bench.notes());
}

#[test]
fn an_unreachable_registry_is_told_before_anything_is_deployed() {
    let refused = "echo 'dial tcp 127.0.0.1:1: connect: connection refused' >&2; exit 1";
    let bench = but(&[("image inspect*", "true"), ("push*", refused)]);
    let push = ["deploy", "--push", "--image=127.0.0.1:1/accountservice"];
    let ended = bench.xtask(&[&push[..], &[&bench.binaries()]].concat());
    assert!(ended.err.contains("connection refused"), "{}", ended.err);
    assert_eq!(ended.code, Some(1));
    assert!(!bench.notes().contains("service create"), "{}", bench.notes());
}

#[test]
fn a_binary_that_needs_a_loader_does_not_ship() {
    let bench = but(&[]);
    let binaries = bench.binaries();
    fs::copy(std::env::current_exe().unwrap(), bench.folder.path().join("healthchecker")).unwrap();
    let ended = bench.xtask(&["image", &binaries]);
    assert!(ended.err.contains("asks for an interpreter"), "{}", ended.err);
    assert_eq!(ended.code, Some(1));
}

#[test]
fn a_binary_over_its_ceiling_does_not_ship() {
    let bench = but(&[]);
    let binaries = bench.binaries();
    let mut large = fs::read(bench.folder.path().join("healthchecker")).unwrap();
    large.resize(500_000, 0);
    bench.file("healthchecker", large);
    let ended = bench.xtask(&["image", &binaries]);
    assert!(ended.err.contains("over its ceiling"), "{}", ended.err);
    assert_eq!(ended.code, Some(1));
}

#[test]
fn a_binary_for_another_machine_does_not_ship() {
    let bench = but(&[("version*", r#"echo '{"ApiVersion":"1.48","Arch":"arm64"}'"#)]);
    let ended = bench.xtask(&["image", &bench.binaries()]);
    assert!(ended.err.contains("it is for machine 62, not 183"), "{}", ended.err);
    assert_eq!(ended.code, Some(1));
}

#[test]
fn the_same_content_has_the_same_name_whatever_the_commit() {
    let bench = but(&[]);
    let prepare = |git: &str| {
        let folder = bench.folder.path();
        fs::write(folder.join("git"), format!("#!/bin/sh\necho {git}\n")).unwrap();
        fs::set_permissions(folder.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
        bench.xtask(&["image", "--prepare", &bench.binaries()]).out
    };
    let name = prepare("1111");
    assert!(name.starts_with("someprefix/accountservice:"), "{name}");
    assert_eq!(name, prepare("2222"));
}

#[test]
fn a_start_interval_is_only_for_engines_that_know_it() {
    let health = "[health]\nstart_period = \"5s\"\nstart_interval = \"1s\"\n\
                  [update]\nmonitor = \"40s\"\n[rollback]\nmonitor = \"40s\"\n";
    let name = |version: &'static str| {
        let bench = but(&[("version*", version)]);
        let file = bench.file("deploy.toml", health);
        let ended = bench.xtask(&["image", "--prepare", "--config", &file, &bench.binaries()]);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        ended.out
    };
    let new = name(r#"echo '{"ApiVersion":"1.44","Arch":"amd64"}'"#);
    let old = name(r#"echo '{"ApiVersion":"1.43","Arch":"amd64"}'"#);
    assert_ne!(new, old, "the Dockerfile is the same for both");
}
