//! Turns a panic of a handler into a value, so that it costs one request.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

/// Calls a function. A panic becomes an error with its text.
pub(crate) fn call<T>(function: impl FnOnce() -> T) -> Result<T, String> {
    // State that a panic leaves broken is behind a lock, which is poisoned: the handler is called by
    // several threads anyway.
    catch_unwind(AssertUnwindSafe(function)).map_err(text_of)
}

/// Awaits a future, which is not polled again after a panic.
pub(crate) async fn catch<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, String> {
    poll_fn(|cx| match call(|| future.as_mut().poll(cx)) {
        Ok(poll) => poll.map(Ok),
        Err(reason) => Poll::Ready(Err(reason)),
    })
    .await
}

#[expect(clippy::needless_pass_by_value, reason = "it is the signature that `map_err` takes")]
fn text_of(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref().copied()).unwrap_or("no reason given").to_owned()
}
