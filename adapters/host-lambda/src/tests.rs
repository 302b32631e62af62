//! The host with handlers of the tests, over a socket against an emulated Lambda. The process and the
//! HTTP contract are tested in `tests/process`.

mod golden;
mod response;

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use accountservice_host::{Exchanges, Handler};
use accountservice_lambda_emulator::{Emulator, Outcome};
use serde_json::Value;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::runtime::Runtime;

/// A function that runs on a thread of its own.
struct Function {
    emulator: Emulator,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Function {
    fn start(handler: impl Handler) -> Self {
        let emulator = Emulator::start(Duration::from_secs(30)).expect("a free port");
        let address = emulator.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            let exchanges = Exchanges::new(64 << 10, Arc::new(()));
            let mut api = Runtime::new(&address);
            let shutdown = async {
                // An error states that the function is dropped, which is as good.
                let _ = stopped.await;
            };
            let serve = crate::serve::serve(&mut api, &handler, &exchanges, "", shutdown);
            runtime.block_on(serve).expect("the API answers");
        });
        Self { emulator, stop: Some(stop), thread: Some(thread) }
    }

    fn response(&self, event: &Value) -> Value {
        match self.emulator.invoke("invocation", event.to_string()) {
            Ok(Outcome::Response(response)) => response,
            outcome => panic!("{outcome:?} for {event}"),
        }
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the function panicked");
        }
    }
}
