//! The accounts of this component, in memory, and its settings.

use std::str::FromStr;

use accountservice_core::{Account, AccountId, AccountService, AccountStore, StoreError};

/// The first id, as every store seeds it.
const FIRST_ID: u64 = 10_000;

/// The accounts `10000`, `10001`, ... named `Person_0`, `Person_1`, ...
pub(crate) struct Seeded {
    count: u64,
}

impl AccountStore for Seeded {
    fn find(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        let number = id.as_str().parse::<u64>().ok().and_then(|id| id.checked_sub(FIRST_ID));
        // Ids are texts: `+10000` and `010000` are others.
        let number = number.filter(|number| {
            *number < self.count && (FIRST_ID + number).to_string() == id.as_str()
        });
        Ok(number.map(|number| Account { id: id.clone(), name: format!("Person_{number}").into() }))
    }

    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The service with settings of the environment. A value that is not valid traps.
pub(crate) fn service() -> AccountService<Seeded> {
    let store = Seeded { count: setting("ACCOUNTSERVICE_ACCOUNTS", "100") };
    AccountService::new(store, setting::<String>("ACCOUNTSERVICE_SERVED_BY", "wasi"))
        .with_testability(setting("ACCOUNTSERVICE_TESTABILITY", "false"))
}

fn setting<T: FromStr>(name: &str, default: &str) -> T {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    let value = value.as_deref().unwrap_or(default);
    value.parse().unwrap_or_else(|_| panic!("{name}={value} is not valid"))
}
