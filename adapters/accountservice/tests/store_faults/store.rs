//! A store that behaves as the test says.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use accountservice_core::{Account, AccountId, AccountStore, StoreError};

#[derive(Clone, Copy)]
pub(crate) enum Behaviour {
    Good,
    Error(&'static str),
    Panic(&'static str),
    /// It returns when the behaviour changes.
    Stuck,
}

/// The behaviour of one method, which can be changed while it runs.
#[derive(Clone)]
pub(crate) struct Switch(Arc<(Mutex<Behaviour>, Condvar)>);

impl Switch {
    fn new() -> Self {
        Self(Arc::new((Mutex::new(Behaviour::Good), Condvar::new())))
    }

    pub(crate) fn set(&self, behaviour: Behaviour) {
        *self.lock() = behaviour;
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Behaviour> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn act(&self) -> Result<(), StoreError> {
        let is_stuck = |behaviour: &mut Behaviour| matches!(behaviour, Behaviour::Stuck);
        let behaviour = self.0.1.wait_while(self.lock(), is_stuck);
        let behaviour = *behaviour.unwrap_or_else(PoisonError::into_inner);
        match behaviour {
            Behaviour::Good | Behaviour::Stuck => Ok(()),
            Behaviour::Error(cause) => Err(StoreError::new("read a test store", cause)),
            Behaviour::Panic(text) => panic!("{text}"),
        }
    }
}

/// Has every account.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) find: Switch,
    pub(crate) check: Switch,
}

impl Default for Store {
    fn default() -> Self {
        Self { find: Switch::new(), check: Switch::new() }
    }
}

impl AccountStore for Store {
    fn find(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        self.find.act()?;
        Ok(Some(Account { id: id.clone(), name: "Person".into() }))
    }

    fn check(&self) -> Result<(), StoreError> {
        self.check.act()
    }
}
