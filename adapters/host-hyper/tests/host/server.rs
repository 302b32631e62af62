//! A server on a thread of its own, on any port of the loopback interface.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
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
    /// The thread that accepts, within `/proc`.
    accepting: PathBuf,
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
        let mut server = Self::start_with(limits, handler, async {
            let _ = stopped.await;
        });
        server.stop = Some(stop);
        server
    }

    /// As `start`, with a moment to stop of one's own.
    pub(crate) fn start_with<H, S>(limits: Limits, handler: H, stop: S) -> Self
    where
        H: Fn(Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let (ready, listening) = mpsc::channel();
        let (ended, returned) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            let served = runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
                let address = listener.local_addr().expect("an address");
                let accepting = fs::read_link("/proc/thread-self").expect("procfs");
                ready.send((address, accepting)).expect("the test waits");
                serve(listener, handler, limits, stop).await
            });
            let _ = ended.send(served);
        });
        let (address, accepting) = listening.recv_timeout(PATIENCE).expect("the server starts");
        Self { address, stop: None, returned, thread: Some(thread), accepting }
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

    /// What the thread that accepts has used so far.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(Path::new("/proc").join(&self.accepting).join("stat"));
        let stat = stat.expect("the thread runs");
        // proc_pid_stat(5): after the name in brackets, `utime` and `stime` are the 12th and 13th
        // field, in hundredths of a second.
        let fields = stat.rsplit_once(')').expect("a name").1.split_whitespace();
        let times = fields.skip(11).take(2).map(|time| time.parse::<u64>().expect("a number"));
        Duration::from_millis(times.sum::<u64>() * 10)
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
