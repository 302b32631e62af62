//! A database file that meets with an accident while it is served.
//!
//! | accident | behaviour |
//! |---|---|
//! | the file or its folder is removed | the open file is served, health is 200; the next start makes a new file |
//! | the file is cut short | what is in memory is served; another account is a 503 with the cause in the log, and health is a 503 from then on |

use std::fs::{self, File};

use crate::service::{Folder, Service};

fn up() -> (u16, String) {
    (200, r#"{"status":"UP"}"#.to_owned())
}

#[track_caller]
fn assert_serves(service: &Service) {
    for i in [0, 50, 99] {
        let id = 10_000 + i;
        let account = format!(r#"{{"id":"{id}","name":"Person_{i}","servedBy":"x"}}"#);
        assert_eq!(service.get(&format!("/accounts/{id}")), (200, account));
    }
    assert_eq!(service.get("/accounts/9").0, 404);
    assert_eq!(service.get("/health"), up());
}

pub(crate) fn cut(folder: &Folder, length: u64) {
    let file = File::options().write(true).open(folder.database()).expect("the file");
    file.set_len(length).expect("a shorter file");
}

#[test]
fn a_removed_file_is_served_and_the_next_start_makes_a_new_one() {
    let folder = Folder::new();
    let service = folder.start(&["--served-by=x"]);
    fs::remove_file(folder.database()).expect("removed");
    assert_serves(&service);
    let next = folder.start(&["--served-by=x"]);
    assert!(next.process.log().iter().any(|line| line.ends_with("Seeded 100 fake accounts...")));
    assert_serves(&next);
    assert_serves(&service);
    next.stop();
    service.stop();
}

#[test]
fn a_file_in_a_removed_folder_is_served() {
    let folder = Folder::new();
    let inner = folder.path().join("data");
    fs::create_dir(&inner).expect("a folder");
    let service = folder.start(&["--served-by=x", "--database=data/accounts.db"]);
    fs::remove_dir_all(&inner).expect("removed");
    assert_serves(&service);
    service.stop();
}

#[test]
fn accounts_in_memory_are_served_without_the_file() {
    let folder = Folder::new();
    let service = folder.start(&["--served-by=x"]);
    cut(&folder, 0);
    assert_serves(&service);
    service.stop();
}

/// The second start, which has read the first and the last account and nothing between.
pub(crate) fn start_large(folder: &Folder, arguments: &[&str]) -> Service {
    let arguments = [&["--accounts=60000"], arguments].concat();
    folder.start(&arguments).stop();
    folder.start(&arguments)
}

/// How many of some accounts cannot be read; the others are right.
#[track_caller]
fn failures(service: &Service) -> usize {
    let fails = |id: &u32| {
        let (status, body) = service.get(&format!("/accounts/{id}"));
        let is_right = body.contains(&format!("\"Person_{}\"", id - 10_000));
        assert!(status == 503 || status == 200 && is_right, "{id} is {status} {body}");
        status == 503
    };
    (10_000..70_000).step_by(997).filter(fails).count()
}

#[test]
fn an_empty_file_is_not_an_empty_database() {
    let folder = Folder::new();
    let mut service = start_large(&folder, &[]);
    cut(&folder, 0);
    let (status, body) = service.get("/accounts/40000");
    assert_eq!(status, 503);
    assert_eq!(
        body,
        r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"The accounts cannot be read at the moment."}"#
    );
    let entry = service.process.line("/accounts/40000");
    assert!(entry.contains(" ERROR GET /accounts/40000 ["), "{entry}");
    assert!(entry.contains("] 503: could not find an account: "), "{entry}");
    let down = (503, r#"{"status":"Database unaccessible"}"#.to_owned());
    for path in ["/health", "/health/live", "/health/ready"] {
        assert_eq!(service.get(path), down, "{path}");
    }
    assert!(failures(&service) > 0);
    service.stop();
}

#[test]
fn accounts_that_can_be_read_are_served_beside_those_that_cannot() {
    let folder = Folder::new();
    let service = start_large(&folder, &[]);
    let first = service.get("/accounts/10000");
    assert_eq!(first.0, 200);
    assert_eq!(service.get("/health"), up());
    cut(&folder, fs::metadata(folder.database()).expect("the file").len() / 8);
    assert!(failures(&service) > 0, "seven eighths are missing");
    assert_eq!(service.get("/accounts/10000"), first);
    assert_eq!(service.get("/health").0, 503);
    service.stop();
}
