//! SIGKILL at any moment: the next start has all accounts.

use std::thread;
use std::time::{Duration, Instant};

use accountservice_host::testing::get;

use crate::service::Folder;

const ACCOUNTS: usize = 2000;
const ARGUMENTS: &[&str] = &["--accounts=2000", "--served-by=x"];

/// Starts the service again and reads all accounts.
#[track_caller]
fn assert_recovers(folder: &Folder) {
    let service = folder.start(ARGUMENTS);
    let mut client = service.connect();
    for first in (0..ACCOUNTS).step_by(500) {
        let numbers = first..(first + 500).min(ACCOUNTS);
        let requests = numbers.clone().map(|i| get(&format!("/accounts/{}", 10_000 + i)));
        client.send(requests.collect::<String>());
        for i in numbers {
            let id = 10_000 + i;
            let account = format!(r#"{{"id":"{id}","name":"Person_{i}","servedBy":"x"}}"#);
            assert_eq!(client.response().body(), account.as_bytes());
        }
    }
    assert_eq!(client.get("/health").status(), 200);
    service.stop();
}

#[test]
fn killed_at_any_moment_of_creating_and_seeding_it_starts_again() {
    let start = Instant::now();
    Folder::new().start(ARGUMENTS).process.kill();
    let whole = start.elapsed();
    for moment in 0..20 {
        let folder = Folder::new();
        let mut process = folder.spawn(ARGUMENTS);
        thread::sleep(whole * moment / 18);
        process.kill();
        assert_recovers(&folder);
    }
}

#[test]
fn killed_again_and_again_it_starts_again() {
    let folder = Folder::new();
    for moment in 0..10 {
        let mut process = folder.spawn(ARGUMENTS);
        thread::sleep(Duration::from_millis(moment * 10));
        process.kill();
    }
    assert_recovers(&folder);
}

#[test]
fn killed_while_it_serves_it_starts_again() {
    let folder = Folder::new();
    for _ in 0..5 {
        let mut service = folder.start(ARGUMENTS);
        let mut client = service.connect();
        client.send(get("/accounts/10000").repeat(100));
        client.response();
        service.process.kill();
    }
    assert_recovers(&folder);
}
