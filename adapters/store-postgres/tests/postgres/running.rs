//! A store as the binary runs it: its background task on one thread, lookups from others, each with
//! a runtime of its own.

use std::sync::{Arc, LazyLock, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use accountservice_core::{Account, AccountId, AsyncAccountStore, StoreError};
use accountservice_store_postgres::{DatabaseUrl, PostgresStore, Settings};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::log::Log;

pub(crate) struct Running {
    pub(crate) store: Arc<PostgresStore>,
    pub(crate) log: Log,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(url: &str, settings: Settings) -> Self {
        let url = DatabaseUrl::parse(url).expect("the URL of a database");
        let log = Log::default();
        let (started, store) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = {
            let log = log.clone();
            thread::spawn(move || {
                let _log = log.collect();
                runtime().block_on(async move {
                    let store = PostgresStore::start(url, settings);
                    started.send(Arc::new(store)).expect("the test waits for it");
                    let _ = stopped.await;
                });
            })
        };
        let store = store.recv().expect("a store");
        Self { store, log, stop: Some(stop), thread: Some(thread) }
    }

    /// A store with one session, which has provided the accounts.
    pub(crate) fn seeded(url: &str, accounts: u64) -> Self {
        let settings = Settings { connections: 1, accounts, ..Settings::default() };
        let running = Self::start(url, settings);
        running.wait_until_healthy();
        running
    }

    pub(crate) fn find(&self, id: &str) -> Result<Option<Account>, StoreError> {
        let id = AccountId::new(id).expect("1 to 64 bytes");
        block_on(self.store.find(&id))
    }

    pub(crate) fn name_of(&self, id: &str) -> Option<String> {
        self.find(id).expect("a readable store").map(|account| account.name.to_string())
    }

    pub(crate) fn check(&self) -> Result<(), StoreError> {
        block_on(self.store.check())
    }

    pub(crate) fn wait_until_healthy(&self) {
        let start = Instant::now();
        while let Err(error) = self.check() {
            let cause = std::error::Error::source(&error).expect("a cause").to_string();
            assert!(start.elapsed() < Duration::from_secs(30), "{cause}: {:?}", self.log.lines());
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        let thread = self.thread.take().expect("one thread");
        if !thread::panicking() {
            thread.join().expect("no panic");
        }
    }
}

/// What a worker has.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Waits on a runtime that all tests share.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        runtime.expect("a runtime")
    });
    RUNTIME.block_on(future)
}
