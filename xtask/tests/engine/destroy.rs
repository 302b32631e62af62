//! `destroy` among things that it cannot remove.

use crate::fixture::{Engine, QUICK, docker, exists, of_service, tasks, wait};
use crate::registry;

#[test]
#[ignore = "needs an engine, see main.rs"]
fn destroy_does_what_it_can_and_names_what_it_left() {
    let engine = Engine::new("xtask-test-destroy");
    let (registry, digest) = registry::serve();
    let image = format!("{registry}/{}", engine.name);
    let named = format!("--image={image}");
    let destroy = || engine.xtask(&["destroy", "--all", &named], QUICK);
    // An image without a tag.
    let untagged = format!("{image}@{digest}");
    docker(&["pull", "--quiet", &untagged]);
    // A container that takes longer to end than the settings say, and the image it runs.
    let tagged = engine.image(&[&named]);
    engine.create(engine.name, &["--stop-grace-period=10m", &tagged]);
    wait("container", || (tasks(engine.name)[0]["Status"]["State"] == "running").then_some(()));
    // A network that another service has joined.
    docker(&["network", "create", "--driver=overlay", engine.name]);
    let other = format!("{}-other", engine.name);
    engine.create(&other, &["--replicas=0", "--network", engine.name, &tagged]);

    let ended = destroy();
    assert_eq!(ended.code, Some(6), "{}", ended.err);
    assert_eq!(ended.out, format!("The image {untagged} is gone.\n"), "{}", ended.err);
    assert!(!exists("service", engine.name));
    assert!(!exists("image", &untagged));
    let filter = format!("--filter={}", of_service(engine.name));
    let container = docker(&["ps", "--format={{.Names}}", &filter]);
    let container = container.trim();
    let left: Vec<_> = ended.err.lines().filter(|line| line.starts_with("Left: ")).collect();
    let due = [
        format!(
            "Left: the container {container}, which has not stopped: docker rm --force {container}"
        ),
        format!("Left: the network {}: ", engine.name),
        format!("Left: the image {tagged}: "),
    ];
    let reasons = ["docker rm --force", "is in use by service", "is using its referenced image"];
    assert_eq!(left.len(), due.len(), "{left:?}");
    for ((left, due), reason) in left.iter().zip(due).zip(reasons) {
        assert!(left.starts_with(&due) && left.contains(reason), "{left}");
    }

    docker(&["rm", "--force", container]);
    docker(&["service", "rm", &other]);
    let ended = destroy();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(!exists("network", engine.name));
    assert!(!exists("image", &tagged));
}
