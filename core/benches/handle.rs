//! The cost of one call of `handle` with a store in memory. Run: `cargo bench -p accountservice-core`.

use std::collections::HashMap;

use accountservice_core::{Account, AccountId, AccountService, AccountStore, StoreError};
use bytes::Bytes;
use divan::Bencher;
use http::Request;

fn main() {
    divan::main();
}

struct InMemory(HashMap<AccountId, Account>);

impl AccountStore for InMemory {
    fn find(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        Ok(self.0.get(id).cloned())
    }

    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

// A thousand calls per sample: one call takes little longer than reading the clock.
#[divan::bench(sample_size = 1000, args = ["/accounts/10042", "/accounts/999", "/health"])]
fn handle(bencher: Bencher, path: &str) {
    let accounts = (0..100).map(|i| {
        let id = AccountId::new((10_000 + i).to_string()).expect("5 bytes");
        (id.clone(), Account { id, name: format!("Person_{i}").into() })
    });
    let service = AccountService::new(InMemory(accounts.collect()), "10.0.0.3");
    bencher
        .with_inputs(|| Request::get(path).body(Bytes::new()).expect("a valid request"))
        .bench_values(|request| service.handle(request));
}
