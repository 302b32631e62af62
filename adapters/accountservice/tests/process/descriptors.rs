//! More connections than the process has file descriptors for.

use std::net::Ipv4Addr;
use std::time::Duration;

use accountservice_host::testing::{Client, Process, SERVING_METRICS, TIMEOUT, eventually};
use http::Method;

use crate::service::{Folder, Service, failure, spawn};

fn spawn_with(descriptors: usize, folder: &Folder, arguments: &[&str]) -> Process {
    spawn(folder.command_after(&format!("ulimit -n {descriptors}"), arguments))
}

fn try_get(service: &Service, path: &str) -> Option<u16> {
    let mut client = Client::try_connect(service.address, TIMEOUT).ok()?;
    Some(client.try_request(&Method::GET, path).ok()?.status().as_u16())
}

#[track_caller]
fn assert_stops_without_errors(service: &mut Service) {
    service.process.signal("TERM");
    assert_eq!(service.process.wait().0.code(), Some(0));
    let log = service.process.log();
    let errors: Vec<_> = log.iter().filter(|line| line.contains("ERROR")).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// Two hundred clients come and go.
#[track_caller]
fn assert_survives(descriptors: usize, arguments: &[&str]) {
    let folder = Folder::new();
    let mut process = spawn_with(descriptors, &folder, arguments);
    process.line(&format!("The limit of {descriptors} open files allows "));
    let mut service = Service::of(process);

    let mut clients: Vec<_> = (0..200).map(|_| service.connect()).collect();
    assert_eq!(clients[0].get("/accounts/10000").status(), 200, "the first has a worker");
    let last = clients.last_mut().expect("200 clients");
    assert_eq!(last.get("/health").status(), 200, "a probe above the limit");
    let before = service.process.processor_time();
    assert!(clients[0].is_silent_for(Duration::from_millis(500)));
    let used = service.process.processor_time().saturating_sub(before);
    assert!(used < Duration::from_millis(200), "{used:?} of 500 ms");
    assert_eq!(clients[0].get("/accounts/10000").status(), 200, "the first keeps its worker");

    drop(clients);
    eventually("a new client is served", || try_get(&service, "/accounts/10000") == Some(200));
    assert_stops_without_errors(&mut service);
    // One in ten seconds, however many clients there are.
    let log = service.process.log();
    let warnings = log.iter().filter(|line| line.contains("which is the limit")).count();
    assert!((1..20).contains(&warnings), "{log:#?}");
}

#[test]
fn more_clients_than_file_descriptors_are_survived() {
    assert_survives(80, &["--workers=2"]);
}

#[test]
fn the_file_descriptors_of_workers_are_not_given_to_clients() {
    assert_survives(120, &["--workers=16"]);
}

#[test]
fn clients_of_the_metrics_leave_file_descriptors_for_the_service() {
    let folder = Folder::new();
    let mut service = Service::of(spawn_with(100, &folder, &["--workers=2", "--metrics-port=0"]));
    let port = service.process.port(SERVING_METRICS);
    let _scrapers: Vec<_> =
        (0..200).map(|_| Client::connect((Ipv4Addr::LOCALHOST, port).into())).collect();
    let clients: Vec<_> = (0..10).map(|_| service.connect()).collect();
    for mut client in clients {
        assert_eq!(client.get("/accounts/10000").status(), 200);
    }
    assert_stops_without_errors(&mut service);
}

#[test]
fn with_the_fewest_file_descriptors_one_client_is_served() {
    let folder = Folder::new();
    let mut service = Service::of(spawn_with(24, &folder, &["--workers=2"]));
    for _ in 0..20 {
        eventually("a client is served", || try_get(&service, "/accounts/10000") == Some(200));
    }
    assert_stops_without_errors(&mut service);
}

#[test]
fn with_fewer_file_descriptors_it_does_not_start() {
    let folder = Folder::new();
    for descriptors in [5, 6, 10, 23] {
        let error = failure(spawn_with(descriptors, &folder, &["--workers=2"]), 1);
        assert_eq!(
            error,
            format!(
                "accountservice: cannot serve with a limit of {descriptors} open files: \
                 at least 24 are needed"
            )
        );
    }
}
