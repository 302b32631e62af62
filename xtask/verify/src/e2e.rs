//! `e2e`: the whole life of the service on a real engine, told as steps. It runs this very program as
//! a user would, under names of its own, and leaves the engine and a swarm that was there as it found
//! them.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::command::{command, read, show, target, xtask};
use crate::docker::{Container, Swarm, docker, is_updating};
use crate::interrupt::Interrupt;
use crate::witness::{Witness, addresses};
use crate::{http, settings};

/// The service, its network and, with a suffix, its image.
const NAME: &str = "accountservice-e2e";
/// What the whole image may weigh.
const IMAGE_CEILING: u64 = 3_500_000;
/// Fast enough for a test that waits for three verdicts of Swarm.
const QUICK: &str = r#"
    [health]
    interval = "1s"
    timeout = "1s"
    probe_timeout = "500ms"
    [restart]
    stop_grace = "6s"
    [update]
    monitor = "13s"
    [rollback]
    monitor = "13s"
"#;

/// Not published, found by name.
const INSIDE: [&str; 3] = ["--testability", "--publish=none", "--endpoint-mode=dnsrr"];

type Act = (&'static str, fn(&Scene) -> Result<String>);

const ACTS: [Act; 13] = [
    ("deploy brings it up healthy", deploys),
    ("the image is small", the_image_is_small),
    ("the README's requests are answered", answers),
    ("the container is nobody in particular and can write nothing", is_confined),
    ("SIGTERM stops it within a second, exit status 0", stops),
    ("deploying again changes nothing", deploys_again),
    ("a forced failure is healed within the budget", heals),
    ("a first version that never gets healthy is a failure", fails),
    ("the emitted script by hand is what deploy does", script_agrees),
    ("a new version rolls without a gap, though deploy is killed halfway", rolls),
    ("a version that never gets healthy is rolled back", rolls_back),
    ("of three, one is healed while the others answer", scales_and_heals),
    ("destroy leaves nothing behind", destroys),
];

struct Scene {
    folder: PathBuf,
    binaries: Option<PathBuf>,
    port: u16,
    leave_swarm: bool,
}

pub(crate) fn run(binaries: Option<&Path>) -> Result<()> {
    let start = Instant::now();
    // Ctrl-C ends the command that is running, hence the act, and then the scene is cleared.
    let _interrupt = Interrupt::listen()?;
    let scene = Scene::set(binaries)?;
    for (number, (name, act)) in ACTS.iter().enumerate() {
        println!("--- {} of {}: {name}", number + 1, ACTS.len());
        let start = Instant::now();
        let found = act(&scene).with_context(|| format!("not so: {name}"))?;
        println!("    {:.1} s. {found}", start.elapsed().as_secs_f64());
    }
    println!("All {} acts in {:.0} s.", ACTS.len(), start.elapsed().as_secs_f64());
    Ok(())
}

impl Scene {
    fn set(binaries: Option<&Path>) -> Result<Self> {
        let swarm = Swarm::ask().context("e2e needs an engine; .ci/run starts one")?;
        let leave_swarm = swarm.local_node_state == "inactive";
        if leave_swarm {
            read(&mut docker(["swarm", "init", "--advertise-addr=127.0.0.1"]))?;
        }
        let folder = target().join("e2e/infra");
        std::fs::create_dir_all(&folder)?;
        let port = TcpListener::bind("0.0.0.0:0")?.local_addr()?.port();
        // Commands run in the root of the workspace, wherever this one was typed.
        let binaries = binaries.map(Path::canonicalize).transpose()?;
        let scene = Self { folder, binaries, port, leave_swarm };
        // What a run that was killed may have left.
        scene.cargo_xtask(&["destroy", "--all"], "")?.expect(0)?;
        Ok(scene)
    }

    /// xtask under the names of the test, with these settings changed.
    fn command(&self, args: &[&str], changes: &str) -> Result<Command> {
        let file = self.folder.join("deploy.toml");
        std::fs::write(&file, settings::changed(changes)?)?;
        let takes_binaries = ["deploy", "image"].contains(&args[0]);
        let binaries = self.binaries.as_ref().filter(|_| takes_binaries);
        let image = format!("{NAME}/accountservice");
        let mut command = xtask(args);
        command
            .args(["--config", &file.display().to_string(), "--service", NAME])
            .args(["--network", NAME, "--image", &image])
            .args(binaries.map(|path| format!("--binaries={}", path.display())));
        Ok(command)
    }

    /// Runs it to its end.
    fn cargo_xtask(&self, args: &[&str], config: &str) -> Result<Ended> {
        let output = self.command(args, config)?.stderr(Stdio::inherit()).output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        print!("{said}");
        Ok(Ended { what: args.join(" "), code: output.status.code(), said })
    }

    fn host_port(&self, args: &[&str]) -> Result<Ended> {
        let port = format!("--port={}", self.port);
        let deploy = ["deploy", "--testability", "--publish=host", &port];
        self.cargo_xtask(&[&deploy, args].concat(), "")
    }

    /// With no port in the way, a new container can start before the old one stops.
    fn inside(&self, args: &[&str], config: &str) -> Result<Ended> {
        self.cargo_xtask(&[args, &INSIDE].concat(), &format!("{config}{QUICK}"))
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.cargo_xtask(&["destroy", "--all"], "");
        if self.leave_swarm {
            let _ = read(&mut docker(["swarm", "leave", "--force"]));
        }
    }
}

struct Ended {
    what: String,
    code: Option<i32>,
    said: String,
}

impl Ended {
    fn expect(self, code: i32) -> Result<String> {
        let what = &self.what;
        ensure!(self.code == Some(code), "`{what}` ended with {:?}, not {code}", self.code);
        Ok(self.said)
    }
}

fn deploys(scene: &Scene) -> Result<String> {
    scene.host_port(&[])?.expect(0)?;
    let filter = format!("--filter=label=com.docker.swarm.service.name={NAME}");
    let status = read(docker(["ps", "--format={{.Status}}"]).arg(filter))?;
    ensure!(status.contains("(healthy)"), "docker ps says {status}");
    Ok(format!("docker ps: {}", status.trim()))
}

fn the_image_is_small(_: &Scene) -> Result<String> {
    let image = the_image()?;
    let size = read(&mut docker(["image", "inspect", "--format={{.Size}}", &image]))?;
    let size: u64 = size.trim().parse()?;
    ensure!(size <= IMAGE_CEILING, "the image has {size} bytes, over {IMAGE_CEILING}");
    Ok(format!("{size} bytes"))
}

fn answers(scene: &Scene) -> Result<String> {
    let address = format!("127.0.0.1:{}", scene.port);
    let expected = [
        ("/accounts/10000", 200, r#"{"id":"10000","name":"Person_0","servedBy":""#),
        ("/accounts/999", 404, r#"{"type":"#),
        ("/health", 200, r#"{"status":"UP"}"#),
        ("/testability/healthy/true", 200, ""),
    ];
    for (path, status, body) in expected {
        let answer = http::get(&address, path).with_context(|| path.to_owned())?;
        let right = answer.status == status && answer.body.starts_with(body);
        ensure!(right, "{path} answers {} {}", answer.status, answer.body);
    }
    let problem = http::get(&address, "/accounts/999")?.head.to_lowercase();
    ensure!(problem.contains("content-type: application/problem+json"), "{problem}");
    Ok(format!("{} requests", expected.len() + 1))
}

fn is_confined(_: &Scene) -> Result<String> {
    let Container { config, host_config: host, .. } = the_container()?;
    ensure!(config.user == "10001:10001", "it runs as {}", config.user);
    ensure!(host.readonly_rootfs, "its root can be written to");
    ensure!(host.cap_drop == ["ALL"], "it keeps capabilities");
    ensure!(!host.privileged, "it is privileged");
    Ok("user 10001, read-only root, no capabilities".to_owned())
}

fn stops(_: &Scene) -> Result<String> {
    let mut run = docker(["run", "--detach", "--read-only", "--tmpfs=/data", "--cap-drop=ALL"]);
    let id = read(run.arg(the_image()?))?;
    let id = id.trim();
    let ready = read(&mut docker(["exec", id, "/healthchecker", "-port=6767", "--wait=10s"]));
    let start = Instant::now();
    let stopped = read(&mut docker(["stop", "--time=10", id]));
    let seconds = start.elapsed().as_secs_f64();
    let code = read(&mut docker(["wait", id]));
    read(&mut docker(["rm", "--force", id]))?;
    ready?;
    stopped?;
    ensure!(code?.trim() == "0", "its exit status is not 0");
    ensure!(seconds < 1.0, "it took {seconds:.1} s");
    Ok(format!("{seconds:.2} s"))
}

fn deploys_again(scene: &Scene) -> Result<String> {
    let before = the_container()?.id;
    let said = scene.host_port(&[])?.expect(0)?;
    ensure!(said.starts_with("No change"), "it says: {said}");
    ensure!(the_container()?.id == before, "the container was replaced");
    Ok("the same container".to_owned())
}

fn heals(scene: &Scene) -> Result<String> {
    let before = the_container()?.id;
    scene.cargo_xtask(&["heal", "--budget=20s"], "")?.expect(0)?;
    let after = the_container()?;
    ensure!(after.id != before, "the container is the same");
    ensure!(after.state.health.status == "healthy", "the new container is not healthy");
    Ok("a new container".to_owned())
}

fn fails(scene: &Scene) -> Result<String> {
    scene.cargo_xtask(&["destroy"], "")?.expect(0)?;
    scene.inside(&["deploy"], BAD)?.expect(4)?;
    scene.cargo_xtask(&["destroy"], "")?.expect(0)?;
    Ok("exit status 4".to_owned())
}

fn script_agrees(scene: &Scene) -> Result<String> {
    let image = scene.inside(&["image"], "")?.expect(0)?;
    let out = format!("--out={}", scene.folder.display());
    scene.inside(&["emit", &out], "")?.expect(0)?;
    let script = scene.folder.join("swarm.sh").display().to_string();
    read(&mut command("sh", [&script, image.trim()]))?;
    let said = scene.inside(&["deploy"], "")?.expect(0)?;
    ensure!(said.starts_with("No change"), "deploy after the script says: {said}");
    Ok("deploy found nothing to change".to_owned())
}

fn rolls(scene: &Scene) -> Result<String> {
    let before = the_container()?.id;
    let witness = Witness::of_any(NAME);
    let config = format!("{NEXT}{QUICK}");
    let mut killed = scene.command(&[&["deploy"], &INSIDE[..]].concat(), &config)?.spawn()?;
    while !is_updating(NAME)? {
        ensure!(killed.try_wait()?.is_none(), "deploy ended without an update");
    }
    killed.kill()?;
    killed.wait()?;
    let ended = scene.inside(&["deploy"], NEXT)?;
    let seen = witness.was_always_answered();
    ended.expect(0)?;
    ensure!(the_container()?.id != before, "the container is the same");
    seen
}

fn rolls_back(scene: &Scene) -> Result<String> {
    let before = the_container()?.id;
    let witness = Witness::of_each(addresses(NAME)?.into_iter().map(|(_, at)| at).collect());
    let ended = scene.inside(&["deploy"], BAD)?;
    let seen = witness.was_always_answered();
    ended.expect(3)?;
    ensure!(the_container()?.id == before, "the old container was replaced");
    seen
}

fn scales_and_heals(scene: &Scene) -> Result<String> {
    scene.inside(&["deploy", "--replicas=3"], NEXT)?.expect(0)?;
    let before = addresses(NAME)?;
    ensure!(before.len() == 3, "there are {} containers, not 3", before.len());
    // Heal takes the first that it finds; each of the others must answer throughout.
    let first = Container::of(NAME)?.into_iter().next().context("no container")?.id;
    let others = before.into_iter().filter(|(id, _)| *id != first);
    let witness = Witness::of_each(others.map(|(_, address)| address).collect());
    let said = scene.cargo_xtask(&["heal", "--json", "--budget=1s"], QUICK)?;
    let seen = witness.was_always_answered();
    // Nothing heals within a second: the budget is known to bite.
    let timeline: Value = serde_json::from_str(&said.expect(7)?)?;
    ensure!(timeline["old"] == first.as_str(), "another container was healed");
    seen
}

fn destroys(scene: &Scene) -> Result<String> {
    scene.cargo_xtask(&["destroy", "--all"], "")?.expect(0)?;
    let left = [
        docker(["service", "ls", "--quiet", "--filter", &format!("name={NAME}")]),
        docker(["ps", "--all", "--quiet", "--filter", &format!("name={NAME}")]),
        docker(["network", "ls", "--quiet", "--filter", &format!("name={NAME}")]),
        docker(["image", "ls", "--quiet", &format!("{NAME}/accountservice")]),
    ];
    for mut question in left {
        let answer = read(&mut question)?;
        if !answer.trim().is_empty() {
            bail!("`{}` still finds {}", show(&question), answer.trim());
        }
    }
    Ok("no service, container, network or image".to_owned())
}

/// The service refuses to start.
const BAD: &str = "environment.ACCOUNTSERVICE_LOG_LEVEL = \"nonsense\"";
/// A new version, as far as Swarm can tell.
const NEXT: &str = "environment.ACCOUNTSERVICE_LOG_FORMAT = \"json\"";

fn the_image() -> Result<String> {
    let mut list = docker(["image", "ls", "--format={{.Repository}}:{{.Tag}}"]);
    let list = read(list.arg(format!("{NAME}/accountservice")))?;
    list.lines().next().map(str::to_owned).context("there is no image")
}

fn the_container() -> Result<Container> {
    let mut containers = Container::of(NAME)?;
    ensure!(containers.len() == 1, "there are {} containers, not 1", containers.len());
    containers.pop().context("there is no container")
}
