//! Panics as values.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// Awaits the future that `start` returns. A panic in either becomes an error with its text.
pub(crate) async fn catch<F: Future>(start: impl FnOnce() -> F) -> Result<F::Output, String> {
    // A future is not polled again after a panic. State that a panic leaves broken is behind a lock,
    // which is poisoned: the handler is called by several threads anyway.
    let mut future = pin!(catch_unwind(AssertUnwindSafe(start)).map_err(text_of)?);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(text_of(panic))),
    })
    .await
}

#[expect(clippy::needless_pass_by_value, reason = "it is the signature that `map_err` takes")]
fn text_of(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref().copied()).unwrap_or("no reason given").to_owned()
}
