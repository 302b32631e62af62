//! The contract of every store, embedded or shared, whatever its medium.
//!
//! It is written against [`AsyncAccountStore`], which every store is. It has no runtime: a caller
//! says how a future is driven. [`faults`] is what may happen to the server of a shared store.

pub mod faults;

use std::pin::{Pin, pin};
use std::task::{Context, Waker};
use std::thread;

use crate::{Account, AccountId, AsyncAccountStore};

/// A future as a driver receives it.
pub type Running<'a> = Pin<&'a mut dyn Future<Output = ()>>;

/// Drives a future of an embedded store, which is ready at the first poll.
///
/// # Panics
///
/// If it is not.
pub fn at_once(future: Running<'_>) {
    let polled = future.poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_ready(), "an embedded store answers at once");
}

/// Checks a kind of store. `store_of` makes a new store that holds exactly the given accounts;
/// `drive` runs a future to its end, on any thread; `lacks` are the characters that the medium
/// cannot hold, so that no account has them.
///
/// # Panics
///
/// If the store breaks the contract; the message says where.
pub fn check<S: AsyncAccountStore>(
    mut store_of: impl FnMut(&[Account]) -> S,
    drive: impl Fn(Running<'_>) + Sync,
    lacks: &[char],
) {
    let asked = |store| Asked { store, drive: &drive };
    an_empty_store_is_healthy_and_finds_nothing(&asked(store_of(&[])));

    let accounts = odd_accounts(lacks);
    let store = asked(store_of(&accounts));
    assert!(store.is_healthy(), "a store with accounts is healthy");
    each_account_is_found_as_it_was_put_in(&store, &accounts);
    a_similar_id_is_not_found(&store);
    a_dropped_call_leaves_the_store_usable(&store, &accounts);
    calls_may_come_from_many_threads(&store, &accounts);
}

/// A store, and the way to wait for it.
struct Asked<'a, S, D> {
    store: S,
    drive: &'a D,
}

impl<S: AsyncAccountStore, D: Fn(Running<'_>)> Asked<'_, S, D> {
    fn find(&self, id: &AccountId) -> Option<Account> {
        self.wait(self.store.find(id)).expect("the store can be read")
    }

    fn is_healthy(&self) -> bool {
        self.wait(self.store.check()).is_ok()
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let mut output = None;
        (self.drive)(pin!(async { output = Some(future.await) }));
        output.expect("a future is driven to its end")
    }
}

fn an_empty_store_is_healthy_and_finds_nothing<S: AsyncAccountStore, D: Fn(Running<'_>)>(
    store: &Asked<'_, S, D>,
) {
    assert!(store.is_healthy(), "an empty store is a healthy one");
    assert_eq!(store.find(&id("10000")), None);
}

fn each_account_is_found_as_it_was_put_in<S: AsyncAccountStore, D: Fn(Running<'_>)>(
    store: &Asked<'_, S, D>,
    accounts: &[Account],
) {
    for account in accounts {
        assert_eq!(store.find(&account.id).as_ref(), Some(account), "looked up {:?}", account.id);
    }
}

fn a_similar_id_is_not_found<S: AsyncAccountStore, D: Fn(Running<'_>)>(store: &Asked<'_, S, D>) {
    for near in ["1000", "100000", " 10000", "10000 ", "10000\0", "A", "ü", "%2F"] {
        assert_eq!(store.find(&id(near)), None, "looked up {near:?}");
    }
}

fn a_dropped_call_leaves_the_store_usable<S: AsyncAccountStore, D: Fn(Running<'_>)>(
    store: &Asked<'_, S, D>,
    accounts: &[Account],
) {
    store.wait(async {
        for account in accounts {
            let mut find = pin!(store.store.find(&account.id));
            let _ = find.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let mut check = pin!(store.store.check());
            let _ = check.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    });
    each_account_is_found_as_it_was_put_in(store, accounts);
}

fn calls_may_come_from_many_threads<S: AsyncAccountStore, D: Fn(Running<'_>) + Sync>(
    store: &Asked<'_, S, D>,
    accounts: &[Account],
) {
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    each_account_is_found_as_it_was_put_in(store, accounts);
                    assert!(store.is_healthy(), "a store that is being read is healthy");
                }
            });
        }
    });
}

/// Ids and names of every length and alphabet that a store might stumble over.
fn odd_accounts(lacks: &[char]) -> Vec<Account> {
    let longest = "x".repeat(AccountId::MAX_LEN);
    let ids = ["10000", "a", "a/b", "\0", "\u{7f}", "ö", "日本語", "' OR 1=1 --", longest.as_str()];
    let names = ["Person_0", "", "\"quoted\" \\ \n\t\0", "Åsa 🦀", &"long ".repeat(10_000)];
    ids.iter()
        .zip(names.iter().cycle())
        .filter(|(text, _)| !text.contains(lacks))
        .map(|(text, name)| Account { id: id(text), name: name.replace(lacks, "").into() })
        .collect()
}

fn id(text: &str) -> AccountId {
    AccountId::new(text).expect("1 to 64 bytes")
}
