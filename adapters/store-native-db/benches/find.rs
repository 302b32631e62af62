//! What one look-up and one check cost, on a file. Run: `cargo bench -p accountservice-store-native-db`.

use std::ops::ControlFlow;

use accountservice_core::{AccountId, AccountStore};
use accountservice_store_native_db::NativeDbStore;
use divan::Bencher;

fn main() {
    divan::main();
}

fn on_disk(accounts: u64) -> (tempfile::TempDir, NativeDbStore) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = NativeDbStore::open(folder.path().join("accounts.db")).expect("a new database");
    store.seed(accounts, |_| ControlFlow::Continue(())).expect("room on the disk");
    (folder, store)
}

#[divan::bench(sample_size = 1000, args = [100, 10_000, 1_000_000])]
fn find_the_middle_one_of(bencher: Bencher, accounts: u64) {
    let (_folder, store) = on_disk(accounts);
    let id = AccountId::new((10_000 + accounts / 2).to_string()).expect("a few bytes");
    bencher.bench_local(|| store.find(&id));
}

#[divan::bench(sample_size = 1000, args = [100, 10_000, 1_000_000])]
fn check_with(bencher: Bencher, accounts: u64) {
    let (_folder, store) = on_disk(accounts);
    bencher.bench_local(|| store.check());
}
