//! A store that has to be awaited, for tests: slow, failing, stuck and back, as a test says.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::{Account, AccountId, AsyncAccountStore, StoreError};

/// How a [`RemoteStore`] reacts to the next question, and to those that are waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// It answers.
    Serving,
    /// It fails.
    Failing,
    /// It does not answer until it is switched.
    Stuck,
}

/// Holds every account; the name of each is its id. It answers at the second poll, never at the
/// first.
pub struct RemoteStore {
    state: Mutex<(Remote, Vec<Waker>)>,
    questions: AtomicUsize,
}

impl Default for RemoteStore {
    fn default() -> Self {
        Self { state: Mutex::new((Remote::Serving, Vec::new())), questions: AtomicUsize::new(0) }
    }
}

impl RemoteStore {
    /// Switches the store, and wakes what waits for it.
    pub fn switch(&self, remote: Remote) {
        let mut state = self.lock();
        state.0 = remote;
        state.1.drain(..).for_each(Waker::wake);
    }

    /// How many times the store has been asked.
    pub fn questions(&self) -> usize {
        self.questions.load(Ordering::Acquire)
    }

    async fn answer(&self) -> Result<(), StoreError> {
        self.questions.fetch_add(1, Ordering::AcqRel);
        let mut is_first_poll = true;
        poll_fn(|cx| {
            let mut state = self.lock();
            match state.0 {
                Remote::Stuck => {
                    state.1.push(cx.waker().clone());
                    Poll::Pending
                }
                _ if is_first_poll => {
                    is_first_poll = false;
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Remote::Serving => Poll::Ready(Ok(())),
                Remote::Failing => {
                    Poll::Ready(Err(StoreError::new("ask the server", "the link is down")))
                }
            }
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, (Remote, Vec<Waker>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncAccountStore for &RemoteStore {
    async fn find(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        self.answer().await?;
        Ok(Some(Account { id: id.clone(), name: id.as_str().into() }))
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.answer().await
    }
}
