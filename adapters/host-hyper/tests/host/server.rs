//! A server on a thread of its own, at any port of the loopback interface.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use accountservice_host::testing::{Client, TIMEOUT, eventually};
use accountservice_host_hyper::{Handler, Server, ServerConfig};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    returned: mpsc::Receiver<io::Result<()>>,
    thread: Option<JoinHandle<()>>,
    /// The accepting thread, within `/proc`.
    acceptor: PathBuf,
}

/// Two workers, independent of the machine, and otherwise the defaults.
pub(crate) fn config() -> ServerConfig {
    ServerConfig { workers: NonZeroUsize::new(2).expect("two"), ..ServerConfig::default() }
}

impl TestServer {
    pub(crate) fn start<H: Handler>(config: ServerConfig, handler: H) -> Self {
        Self::launch(|listener| Server::new(listener, handler).config(config))
    }

    /// Starts the server that `build` makes.
    pub(crate) fn launch<H: Handler>(
        build: impl FnOnce(TcpListener) -> Server<H> + Send + 'static,
    ) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let mut server = Self::launch_until(build, async {
            // The sender sends nothing and is dropped.
            let _ = stopped.await;
        });
        server.stop = Some(stop);
        server
    }

    /// Starts the server that `build` makes; it shuts down when `shutdown` completes.
    pub(crate) fn launch_until<H: Handler>(
        build: impl FnOnce(TcpListener) -> Server<H> + Send + 'static,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let (ready, listening) = mpsc::channel();
        let (ended, returned) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            let result = runtime.block_on(async {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
                let address = listener.local_addr().expect("an address");
                let acceptor = fs::read_link("/proc/thread-self").expect("procfs");
                ready.send((address, acceptor)).expect("the test waits");
                build(listener).serve(shutdown).await
            });
            // The test may have ended.
            let _ = ended.send(result);
        });
        let (address, acceptor) = listening.recv_timeout(TIMEOUT).expect("the server starts");
        Self { address, stop: None, returned, thread: Some(thread), acceptor }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Starts the shutdown.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Starts the shutdown, and waits until the listener is closed.
    pub(crate) fn stop_accepting(&mut self) {
        self.stop();
        eventually("the listener closes", || self.refuses_connections());
    }

    /// While the listener closes, a handshake gets no response.
    fn refuses_connections(&self) -> bool {
        let client = Client::try_connect(self.address, Duration::from_millis(20));
        client.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    }

    /// Starts the shutdown, and waits until `serve` returns. Returns the time that this took.
    pub(crate) fn end(&mut self) -> Duration {
        let start = Instant::now();
        self.stop();
        let result = self.returned.recv_timeout(TIMEOUT).expect("serve returns");
        result.expect("no client ends a server with an error");
        start.elapsed()
    }

    /// The processor time that the accepting thread has used.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(Path::new("/proc").join(&self.acceptor).join("stat"));
        let stat = stat.expect("the thread runs");
        // proc_pid_stat(5): after the name in brackets, `utime` and `stime` are the 12th and 13th
        // field, in hundredths of a second.
        let fields = stat.rsplit_once(')').expect("a name").1.split_whitespace();
        let ticks = fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number"));
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    pub(crate) fn is_serving(&self) -> bool {
        self.returned.try_recv().is_err_and(|error| error == mpsc::TryRecvError::Empty)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take()
            && !thread::panicking()
        {
            thread.join().expect("the server does not panic");
        }
    }
}
