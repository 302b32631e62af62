//! A start, and what it writes into the database.

use std::ops::ControlFlow::Continue;

use accountservice_core::{Account, AccountId};
use accountservice_store_native_db::NativeDbStore;

use crate::service::{Folder, Service, spawn};

/// The messages of a text log at level info.
fn messages(service: &Service) -> Vec<&str> {
    let lines = service.process.log().iter();
    lines.map(|line| line.split_once(" INFO ").expect("level info").1.trim_start()).collect()
}

#[test]
fn it_says_in_three_lines_that_it_starts() {
    let folder = Folder::new();
    let service = folder.start(&[]);
    let serving = format!("Starting HTTP service at {}", service.address.port());
    assert_eq!(
        messages(&service),
        ["Starting accountservice", "Seeded 100 fake accounts...", serving.as_str()]
    );
    assert!(folder.database().is_file(), "accounts.db in the working directory");
    service.stop();
}

#[test]
fn the_accounts_10000_to_10099_are_there() {
    let folder = Folder::new();
    let service = folder.start(&["--served-by=here"]);
    let mut client = service.connect();
    for i in 0..100 {
        let id = 10_000 + i;
        let account = format!(r#"{{"id":"{id}","name":"Person_{i}","servedBy":"here"}}"#);
        assert_eq!(client.get(&format!("/accounts/{id}")).body(), account.as_bytes());
    }
    for other in [9_999, 10_100] {
        assert_eq!(client.get(&format!("/accounts/{other}")).status(), 404);
    }
    for path in ["/health", "/health/live", "/health/ready"] {
        assert_eq!(service.get(path), (200, r#"{"status":"UP"}"#.to_owned()));
    }
    service.stop();
}

#[test]
fn a_second_start_says_that_all_accounts_were_there() {
    let folder = Folder::new();
    folder.start(&["--accounts=3"]).stop();
    let service = folder.start(&["--accounts=3"]);
    assert_eq!(messages(&service)[1], "Seeded 3 fake accounts... (all were there)");
    assert_eq!(service.get("/accounts/10002").0, 200);
    assert_eq!(service.get("/accounts/10003").0, 404);
    service.stop();
}

#[test]
fn a_start_with_more_accounts_adds_them_and_says_how_many_were_there() {
    let folder = Folder::new();
    folder.start(&["--accounts=3"]).stop();
    let service = folder.start(&["--accounts=5"]);
    assert_eq!(messages(&service)[1], "Seeded 5 fake accounts... (3 were there)");
    for id in 10_000..10_005 {
        assert_eq!(service.get(&format!("/accounts/{id}")).0, 200);
    }
    service.stop();
}

#[test]
fn an_account_that_is_there_is_left_as_it_is() {
    let folder = Folder::new();
    let store = NativeDbStore::open(folder.database()).expect("a new database");
    let id = AccountId::new("10001").expect("an id");
    store.add([Account { id, name: "Ada".into() }], |_| Continue(())).expect("room");
    drop(store);
    let service = folder.start(&["--served-by=x"]);
    assert_eq!(messages(&service)[1], "Seeded 100 fake accounts... (1 were there)");
    let account = r#"{"id":"10001","name":"Ada","servedBy":"x"}"#;
    assert_eq!(service.get("/accounts/10001"), (200, account.to_owned()));
    service.stop();
}

#[test]
fn testability_is_off_unless_a_flag_or_a_variable_turns_it_on() {
    let folder = Folder::new();
    let service = folder.start(&[]);
    assert_eq!(service.get("/testability/healthy/false").0, 404);
    assert_eq!(service.get("/health").0, 200);
    service.stop();

    let mut by_variable = folder.command(&[]);
    by_variable.env("ACCOUNTSERVICE_TESTABILITY", "true");
    for command in [folder.command(&["--testability"]), by_variable] {
        let service = Service::of(spawn(command));
        assert_eq!(service.get("/testability/healthy/false"), (200, String::new()));
        let forced = (503, r#"{"status":"Forced unhealthy"}"#.to_owned());
        assert_eq!(service.get("/health"), forced);
        assert_eq!(service.get("/accounts/10000").0, 200);
        assert_eq!(service.get("/testability/healthy/true").0, 200);
        assert_eq!(service.get("/health").0, 200);
        service.stop();
    }
}
