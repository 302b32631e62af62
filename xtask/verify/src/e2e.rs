//! `e2e`: the whole life of the service on a real engine, step by step, under names of its own. It
//! runs `cargo xtask` as users do, and leaves the engine as it was. Measurements are not here.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::availability::AvailabilityProbe;
use crate::command::{command, read, show};
use crate::deployment::{Deployment, INSIDE};
use crate::docker::{Container, addresses, docker, json};
use crate::service::get;

const NAME: &str = "accountservice-e2e";
const IMAGE: &str = "accountservice-e2e/accountservice";
/// Short times, since a failed version is waited for three times.
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
/// A version that never gets healthy: it seeds for longer than its health check waits.
const BAD: &str = r#"
    environment.ACCOUNTSERVICE_ACCOUNTS = "3000000"
    limits.memory = "640M"
    limits.data = "512M"
"#;
/// A new version, as far as Swarm can tell.
const NEXT: &str = "environment.ACCOUNTSERVICE_LOG_FORMAT = \"json\"\n";

type Step = (&'static str, fn(&Fixture) -> Result<()>);

const STEPS: [Step; 12] = [
    ("deploy brings it up healthy", deploys),
    ("the README's requests are answered", answers),
    ("the container has no rights and writes nothing", is_confined),
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

struct Fixture {
    deployment: Deployment,
    address: SocketAddr,
}

pub(crate) fn run(binaries: Option<PathBuf>) -> Result<()> {
    let start = Instant::now();
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let fixture = Fixture { deployment: Deployment::prepare(NAME, binaries)?, address };
    for (number, (name, step)) in STEPS.iter().enumerate() {
        println!("--- {} of {}: {name}", number + 1, STEPS.len());
        let start = Instant::now();
        step(&fixture).with_context(|| format!("not so: {name}"))?;
        println!("    {:.1} s", start.elapsed().as_secs_f64());
    }
    println!("All {} steps in {:.0} s.", STEPS.len(), start.elapsed().as_secs_f64());
    Ok(())
}

impl Fixture {
    /// On a port of this machine.
    fn deploy(&self) -> Result<String> {
        let port = format!("--port={}", self.address.port());
        self.deployment.run(&["deploy", "--testability", "--publish=host", &port], "", 0)
    }

    fn quickly(&self, args: &[&str], changes: &str, status: i32) -> Result<String> {
        self.deployment.run_inside(args, &format!("{changes}{QUICK}"), status)
    }
}

fn deploys(fixture: &Fixture) -> Result<()> {
    fixture.deploy()?;
    Container::only(NAME).map(drop)
}

fn answers(fixture: &Fixture) -> Result<()> {
    let expected = [
        ("/accounts/10000", 200, r#"{"id":"10000","name":"Person_0","servedBy":""#),
        ("/accounts/999", 404, r#"{"type":"#),
        ("/health", 200, r#"{"status":"UP"}"#),
        ("/testability/healthy/true", 200, ""),
    ];
    for (path, status, body) in expected {
        let response = get(fixture.address, path).with_context(|| path.to_owned())?;
        let is_right = response.status() == status && response.body().starts_with(body.as_bytes());
        ensure!(is_right, "{path} is answered by {response:?}");
    }
    let problem = get(fixture.address, "/accounts/999")?;
    ensure!(problem.headers()["content-type"] == "application/problem+json", "{problem:?}");
    Ok(())
}

fn is_confined(_: &Fixture) -> Result<()> {
    let id = Container::only(NAME)?.id;
    let container: Value = json(&mut docker(&["inspect", "--format={{json .}}", &id]))?;
    let (user, host) = (&container["Config"]["User"], &container["HostConfig"]);
    ensure!(user == "10001:10001", "it runs as {user}");
    ensure!(host["ReadonlyRootfs"] == true, "its root can be written to");
    ensure!(host["CapDrop"][0] == "ALL", "it keeps capabilities");
    ensure!(host["Privileged"] == false, "it is privileged");
    Ok(())
}

fn stops(_: &Fixture) -> Result<()> {
    let run = ["run", "--detach", "--read-only", "--tmpfs=/data", "--cap-drop=ALL"];
    let id = read(docker(&run).arg(image()?))?;
    let ready = read(&mut docker(&["exec", &id, "/healthchecker", "-port=6767", "--wait=10s"]));
    let start = Instant::now();
    let stopped = read(&mut docker(&["stop", "--time=10", &id]));
    let seconds = start.elapsed().as_secs_f64();
    let code = read(&mut docker(&["wait", &id]));
    read(&mut docker(&["rm", "--force", &id]))?;
    ready?;
    stopped?;
    let code = code?;
    ensure!(code == "0", "its exit status is {code}");
    ensure!(seconds < 1.0, "it took {seconds:.1} s");
    Ok(())
}

fn deploys_again(fixture: &Fixture) -> Result<()> {
    let before = Container::only(NAME)?.id;
    let output = fixture.deploy()?;
    ensure!(output.starts_with("No change"), "deploy prints: {output}");
    ensure!(Container::only(NAME)?.id == before, "the container was replaced");
    Ok(())
}

fn heals(fixture: &Fixture) -> Result<()> {
    let before = Container::only(NAME)?.id;
    fixture.deployment.run(&["heal", "--budget=20s"], "", 0)?;
    ensure!(Container::only(NAME)?.id != before, "the container is the same");
    Ok(())
}

fn fails(fixture: &Fixture) -> Result<()> {
    fixture.deployment.run(&["destroy"], "", 0)?;
    fixture.quickly(&["deploy"], BAD, 4)?;
    fixture.deployment.run(&["destroy"], "", 0).map(drop)
}

fn script_agrees(fixture: &Fixture) -> Result<()> {
    let image = fixture.quickly(&["image"], "", 0)?;
    let folder = &fixture.deployment.folder.path;
    fixture.quickly(&["emit", &format!("--out={}", folder.display())], "", 0)?;
    let script = folder.join("swarm.sh").display().to_string();
    read(&mut command("sh", &[&script, image.trim()]))?;
    let output = fixture.quickly(&["deploy"], "", 0)?;
    ensure!(output.starts_with("No change"), "deploy after the script prints: {output}");
    Ok(())
}

fn rolls(fixture: &Fixture) -> Result<()> {
    let before = Container::only(NAME)?.id;
    let probe = AvailabilityProbe::of_any(NAME);
    let deploy = [&["deploy"], &INSIDE[..]].concat();
    let status = ["service", "inspect", "--format={{json .UpdateStatus}}", NAME];
    let mut killed = fixture.deployment.command(&deploy, &format!("{NEXT}{QUICK}"))?.spawn()?;
    while json::<Value>(&mut docker(&status))?["State"] != "updating" {
        ensure!(killed.try_wait()?.is_none(), "deploy ended without an update");
    }
    killed.kill()?;
    killed.wait()?;
    let ended = fixture.quickly(&["deploy"], NEXT, 0);
    let seen = probe.had_no_gap();
    ended?;
    ensure!(Container::only(NAME)?.id != before, "the container is the same");
    seen
}

fn rolls_back(fixture: &Fixture) -> Result<()> {
    let before = Container::only(NAME)?.id;
    let addresses = addresses(NAME)?.into_iter().map(|(_, address)| address);
    let probe = AvailabilityProbe::of_each(addresses.collect());
    let ended = fixture.quickly(&["deploy"], BAD, 3);
    let seen = probe.had_no_gap();
    ended?;
    ensure!(Container::only(NAME)?.id == before, "the old container was replaced");
    seen
}

fn scales_and_heals(fixture: &Fixture) -> Result<()> {
    fixture.quickly(&["deploy", "--replicas=3"], NEXT, 0)?;
    let all = addresses(NAME)?;
    ensure!(all.len() == 3, "there are {} containers, not 3", all.len());
    // `heal` takes the first healthy one; the others must answer throughout.
    let first = Container::of(NAME)?.into_iter().next().context("no container")?.id;
    let others = all.into_iter().filter(|(id, _)| *id != first).map(|(_, address)| address);
    let probe = AvailabilityProbe::of_each(others.collect());
    // No container heals within a second: the budget is known to bite.
    let timeline = fixture.deployment.run(&["heal", "--json", "--budget=1s"], QUICK, 7);
    let seen = probe.had_no_gap();
    let timeline: Value = serde_json::from_str(&timeline?)?;
    ensure!(timeline["old"] == first.as_str(), "another container was healed");
    seen
}

fn destroys(fixture: &Fixture) -> Result<()> {
    fixture.deployment.run(&["destroy", "--all"], "", 0)?;
    let name = format!("--filter=name={NAME}");
    let lists = [
        docker(&["service", "ls", "--quiet", &name]),
        docker(&["ps", "--all", "--quiet", &name]),
        docker(&["network", "ls", "--quiet", &name]),
        docker(&["image", "ls", "--quiet", IMAGE]),
    ];
    for mut list in lists {
        let found = read(&mut list)?;
        ensure!(found.is_empty(), "`{}` still finds {found}", show(&list));
    }
    Ok(())
}

/// The image with its tag.
fn image() -> Result<String> {
    let list = read(&mut docker(&["image", "ls", "--format={{.Repository}}:{{.Tag}}", IMAGE]))?;
    list.lines().next().map(str::to_owned).context("there is no image")
}
