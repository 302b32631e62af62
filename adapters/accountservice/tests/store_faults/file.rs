//! The real store on a real file that meets with an accident while it is served.
//!
//! | accident | what the service does |
//! |---|---|
//! | the file or its folder is removed | it goes on with the file that it holds open, and is UP; the next start makes a new one |
//! | the file is cut short | what is in memory is served; any other account is a 503 with the cause in the log; health is a 503 if the first record is among those |

use std::fs::{self, OpenOptions};
use std::ops::ControlFlow::Continue;
use std::path::Path;

use accountservice_core::AccountService;
use accountservice_host_hyper::Limits;
use accountservice_store_native_db::NativeDbStore;

use crate::client::{DOWN, UP, eventually, get, health, is};
use crate::log;
use crate::server::Server;

fn seeded(path: &Path, count: u64) -> NativeDbStore {
    let store = NativeDbStore::open(path).expect("a database");
    store.seed(count, |_| Continue(())).expect("room");
    store
}

fn serve(store: NativeDbStore) -> Server {
    log::keep();
    let service = AccountService::new(store, "10.0.0.3");
    Server::start(Limits::default(), move |request| service.handle(request))
}

fn assert_all_is_well(server: &Server, when: &str) {
    for id in [10_000, 10_050, 10_099] {
        let (status, body) = get(server.address, &format!("/accounts/{id}"));
        assert_eq!(status, 200, "{when}: {body}");
    }
    assert_eq!(get(server.address, "/accounts/9").0, 404, "{when}");
    assert!(is(&health(server.address), UP), "{when}");
}

#[test]
fn a_removed_file_is_served_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("accounts.db");
    let server = serve(seeded(&path, 100));
    fs::remove_file(&path).expect("removed");
    assert_all_is_well(&server, "without a name");
    // The next process is in nobody's way, and has what it needs.
    let next = serve(seeded(&path, 100));
    assert_all_is_well(&next, "anew");
    assert_all_is_well(&server, "beside the next one");
}

#[test]
fn a_removed_folder_is_served_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("data");
    fs::create_dir(&inner).expect("a folder");
    let server = serve(seeded(&inner.join("accounts.db"), 100));
    fs::remove_dir_all(&inner).expect("removed");
    assert_all_is_well(&server, "without a folder");
}

/// More accounts than the engine keeps in memory, and a store that has just been opened.
fn large(path: &Path) -> NativeDbStore {
    drop(seeded(path, 60_000));
    NativeDbStore::open(path).expect("an undamaged database")
}

fn cut(path: &Path, length: u64) {
    let file = OpenOptions::new().write(true).open(path).expect("the file");
    file.set_len(length).expect("a shorter file");
}

/// How many of some accounts cannot be served; the others have to be the right ones.
fn failures(server: &Server) -> usize {
    let fails = |id: &u32| {
        let (status, body) = get(server.address, &format!("/accounts/{id}"));
        let right = body.contains(&format!("\"Person_{}\"", id - 10_000));
        assert!(status == 503 || status == 200 && right, "{id} is {status} {body}");
        status == 503
    };
    (10_000..70_000).step_by(997).filter(fails).count()
}

#[test]
fn a_file_cut_to_nothing_is_never_taken_for_an_empty_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("accounts.db");
    let server = serve(large(&path));
    cut(&path, 0);
    assert!(is(&health(server.address), DOWN));
    assert!(failures(&server) > 0, "nothing was left to read");
    let cause = "could not find an account: ";
    eventually("a cause", || !log::with(cause).is_empty());
    assert!(log::with(cause).iter().all(|line| line.contains("answered 503")));
}

/// Those that are left are served until somebody has seen to it; health reads again what could not be
/// read last.
#[test]
fn an_account_that_cannot_be_read_is_a_503_and_the_others_are_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("accounts.db");
    let server = serve(large(&path));
    let first = get(server.address, "/accounts/10000");
    assert_eq!(first.0, 200);
    assert!(is(&health(server.address), UP));
    cut(&path, fs::metadata(&path).expect("the file").len() / 8);
    assert!(failures(&server) > 0, "seven eighths are missing");
    assert_eq!(get(server.address, "/accounts/10000"), first);
    assert!(is(&health(server.address), DOWN));
}

#[test]
fn what_is_in_memory_outlives_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("accounts.db");
    let server = serve(seeded(&path, 100));
    cut(&path, 0);
    assert_all_is_well(&server, "from memory");
}
