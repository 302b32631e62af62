//! The service over a test store, on a thread of this process.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use accountservice_core::AccountService;
use accountservice_host::testing::{Client, TIMEOUT};
use accountservice_host_hyper::ServerConfig;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::log;
use crate::store::Store;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts it with two workers. The log is kept from now on.
    pub(crate) fn start(store: &Store) -> Self {
        log::keep();
        let service = AccountService::new(store.clone(), "10.0.0.3");
        let config = ServerConfig {
            workers: NonZeroUsize::new(2).expect("two"),
            // A test that fails while the store is stuck does not wait for it.
            shutdown_timeout: Duration::from_secs(1),
            ..ServerConfig::default()
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let (sender, address) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            let served = runtime.block_on(async {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
                sender.send(listener.local_addr().expect("an address")).expect("the test waits");
                let server = accountservice_host_hyper::Server::new(listener, service);
                let stopped = async {
                    // The sender is dropped.
                    let _ = stopped.await;
                };
                server.config(config).serve(stopped).await
            });
            served.expect("no client can end a server");
        });
        let address = address.recv_timeout(TIMEOUT).expect("the server starts");
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        get(self.address, path)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            assert!(matches!(ended, Some(Ok(()))), "the server ends");
        }
    }
}

/// Status and body of the response to a GET on a connection of its own.
#[track_caller]
pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let response = Client::connect(address).get(path);
    let body = String::from_utf8(response.body().to_vec()).expect("UTF-8");
    (response.status().as_u16(), body)
}
