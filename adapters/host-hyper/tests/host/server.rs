//! A server on a thread of its own, on any port of the loopback interface.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use accountservice_host_hyper::{Limits, serve};
use bytes::Bytes;
use http::{Request, Response};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::oneshot;

use crate::client::{Client, PATIENCE};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    returned: mpsc::Receiver<io::Result<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Two workers, whatever the machine has, and otherwise what users get.
pub(crate) fn limits() -> Limits {
    Limits { workers: NonZeroUsize::new(2).expect("two"), ..Limits::default() }
}

/// Answers with what it was sent.
pub(crate) fn echo(request: Request<Bytes>) -> Response<Bytes> {
    Response::new(request.into_body())
}

impl Server {
    pub(crate) fn start<H>(limits: Limits, handler: H) -> Self
    where
        H: Fn(Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
    {
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, listening) = mpsc::channel();
        let (ended, returned) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            let served = runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
                ready.send(listener.local_addr().expect("an address")).expect("the test waits");
                let stop = async {
                    let _ = stopped.await;
                };
                serve(listener, handler, limits, stop).await
            });
            let _ = ended.send(served);
        });
        let address = listening.recv_timeout(PATIENCE).expect("the server starts");
        Self { address, stop: Some(stop), returned, thread: Some(thread) }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// The moment to stop has come.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// As `stop`, and waits until nobody can connect any more.
    pub(crate) fn stop_accepting(&mut self) {
        self.stop();
        crate::client::eventually("connections are refused", || {
            Client::try_connect(self.address).is_err()
        });
    }

    /// Stops and waits until `serve` returns; says how long that took.
    pub(crate) fn ends(&mut self) -> Duration {
        let start = Instant::now();
        self.stop();
        self.returned.recv_timeout(PATIENCE).expect("serve returns").expect("and went well");
        start.elapsed()
    }

    /// `serve` has not returned.
    pub(crate) fn goes_on(&self) -> bool {
        self.returned.try_recv().is_err()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take()
            && !thread::panicking()
        {
            thread.join().expect("the server did not panic");
        }
    }
}
