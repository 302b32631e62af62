//! A TCP proxy between a client and a server: it delays data, or refuses connections.
//!
//! It does not look into what it copies. A [`Scenario`](crate::Scenario) puts it in front of a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, JoinSet};

use crate::free_port;

pub(crate) struct Proxy {
    port: u16,
    server_port: u16,
    delay: Arc<AtomicU64>,
    runtime: Runtime,
    accepting: Option<JoinHandle<()>>,
}

impl Proxy {
    pub(crate) fn start(server_port: u16) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let mut proxy = Self {
            port: free_port(),
            server_port,
            delay: Arc::default(),
            runtime: runtime.expect("a runtime"),
            accepting: None,
        };
        proxy.open();
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://app:secret@127.0.0.1:{}/accounts", self.port)
    }

    /// Listens.
    pub(crate) fn open(&mut self) {
        let listener = self.runtime.block_on(TcpListener::bind(("127.0.0.1", self.port)));
        let accepting = accept(listener.expect("a free port"), self.server_port, &self.delay);
        self.accepting = Some(self.runtime.spawn(accepting));
    }

    /// Refuses connections, and ends those that are open.
    pub(crate) fn close(&mut self) {
        let accepting = self.accepting.take().expect("it is open");
        accepting.abort();
        self.runtime.block_on(accepting).expect_err("it was aborted");
    }

    /// Delays each piece of data, in both directions.
    pub(crate) fn slow_down(&self, delay: Duration) {
        self.delay.store(delay.as_millis().try_into().expect("a short time"), Ordering::Release);
    }
}

fn accept(
    listener: TcpListener,
    server_port: u16,
    delay: &Arc<AtomicU64>,
) -> impl Future<Output = ()> + use<> {
    let delay = Arc::clone(delay);
    async move {
        let mut connections = JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            let delay = Arc::clone(&delay);
            connections.spawn(async move {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server_port)).await else {
                    return;
                };
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                // The end of one direction ends both.
                tokio::select! {
                    () = copy(from_client, to_server, &delay) => {}
                    () = copy(from_server, to_client, &delay) => {}
                }
            });
        }
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: &AtomicU64) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        let delay = delay.load(Ordering::Acquire);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
