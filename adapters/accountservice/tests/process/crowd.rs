//! More connections than the machine has file descriptors for.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::client::{Client, eventually, get};
use crate::service::{Folder, Service};

/// Starts with so few descriptors, lets two hundred clients come and go, and looks what becomes of
/// it.
fn check(descriptors: usize, arguments: &[&str]) {
    let folder = Folder::new();
    let limit = format!("ulimit -n {descriptors}");
    let mut service = Service::spawn(&mut folder.command_after(&limit, arguments));
    service.serves();
    service.says(&format!("The limit of {descriptors} open files allows for "));

    let mut clients: Vec<_> = (0..200).map(|_| service.connect()).collect();
    assert_eq!(clients[0].get("/health").status(), 200, "the first one is in");
    let mut last = clients.pop().expect("200");
    last.send(get("/health"));
    assert_eq!(last.answer().status(), 200, "whoever asks for health is told");
    let before = service.processor_time();
    clients[0].hears_nothing_for(Duration::from_millis(500));
    let used = service.processor_time().saturating_sub(before);
    assert!(used < Duration::from_millis(200), "{used:?} of 500 ms");
    assert_eq!(clients[0].get("/accounts/10000").status(), 200, "who is in is served");

    drop(clients);
    eventually("a new one is served", || {
        Client::try_connect(service.address())
            .is_ok_and(|mut client| client.get("/health").status() == 200)
    });
    service.signal("TERM");
    assert_eq!(service.ends().0.code(), Some(0));
    let errors: Vec<_> = service.log.iter().filter(|line| line.contains("ERROR")).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    // Once in ten seconds, however many come and go.
    let at_the_limit = service.log.iter().filter(|line| line.contains("which is the limit"));
    let count = at_the_limit.count();
    assert!((1..20).contains(&count), "{count} lines: {:#?}", service.log);
}

#[test]
fn a_crowd_beyond_the_file_descriptors_is_survived() {
    check(80, &["--workers=2"]);
}

#[test]
fn workers_have_their_share_of_the_file_descriptors() {
    check(120, &["--workers=16"]);
}

#[test]
fn a_crowd_at_the_metrics_leaves_file_descriptors_for_the_service() {
    let folder = Folder::new();
    let arguments = ["--workers=2", "--metrics-port=0"];
    let mut service = Service::spawn(&mut folder.command_after("ulimit -n 100", &arguments));
    service.serves();
    let port = service.says_port("Serving metrics at ");
    let _crowd: Vec<_> =
        (0..200).map(|_| Client::connect((Ipv4Addr::LOCALHOST, port).into())).collect();
    let clients: Vec<_> = (0..10).map(|_| service.connect()).collect();
    for mut client in clients {
        assert_eq!(client.get("/accounts/10000").status(), 200);
    }
    service.signal("TERM");
    assert_eq!(service.ends().0.code(), Some(0));
    let errors: Vec<_> = service.log.iter().filter(|line| line.contains("ERROR")).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn with_as_few_file_descriptors_as_there_can_be_one_is_served() {
    let folder = Folder::new();
    let command = &mut folder.command_after("ulimit -n 23", &["--workers=2"]);
    let mut service = Service::spawn(command);
    service.serves();
    for _ in 0..20 {
        eventually("it is served", || service.get("/accounts/10000").0 == 200);
    }
    service.signal("TERM");
    assert_eq!(service.ends().0.code(), Some(0));
    let errors: Vec<_> = service.log.iter().filter(|line| line.contains("ERROR")).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}
