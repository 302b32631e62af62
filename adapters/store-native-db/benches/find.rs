//! Times a lookup and a check on a file, with 100, 100,000 and 1,000,000 accounts.
//!
//! Run: `cargo bench -p accountservice-store-native-db`, for the static binary's memory functions
//! with `CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld` and
//! `--target x86_64-unknown-linux-musl`.

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

fn id(number: u64) -> AccountId {
    AccountId::new(number.to_string()).expect("a few bytes")
}

/// The same id each time: it is in the store's cache.
#[divan::bench(sample_size = 1000, args = [100, 100_000, 1_000_000])]
fn find_one_of(bencher: Bencher, accounts: u64) {
    let (_folder, store) = on_disk(accounts);
    let id = id(10_000 + accounts / 2);
    bencher.bench_local(|| store.find(&id));
}

/// The same id each time, from as many threads as there are cores.
#[divan::bench(sample_size = 1000, threads = 0)]
fn find_one_of_100_from_all_cores(bencher: Bencher) {
    let (_folder, store) = on_disk(100);
    let id = id(10_050);
    bencher.bench(|| store.find(&id));
}

/// Ids in random order. The store's cache holds about 95,000 of them.
#[divan::bench(sample_size = 1000, args = [100, 100_000, 1_000_000])]
fn find_any_of(bencher: Bencher, accounts: u64) {
    let (_folder, store) = on_disk(accounts);
    let mut state = 1_u64;
    let ids: Vec<_> = std::iter::repeat_with(|| {
        // Knuth's MMIX: the same numbers in each run.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        id(10_000 + (state >> 33) % accounts)
    })
    .take(1_100_000)
    .collect();
    let (warm_up, ids) = ids.split_at(1_000_000);
    for id in warm_up {
        store.find(id).expect("a readable store");
    }
    let mut next = ids.iter().cycle();
    bencher.bench_local(|| store.find(next.next().expect("endless")));
}

/// An id that no account has: the engine is asked each time.
#[divan::bench(sample_size = 1000, args = [100, 100_000, 1_000_000])]
fn find_none_of(bencher: Bencher, accounts: u64) {
    let (_folder, store) = on_disk(accounts);
    let id = id(10_000 + accounts);
    bencher.bench_local(|| store.find(&id));
}

#[divan::bench(sample_size = 1000, args = [100, 100_000, 1_000_000])]
fn check_with(bencher: Bencher, accounts: u64) {
    let (_folder, store) = on_disk(accounts);
    bencher.bench_local(|| store.check());
}
