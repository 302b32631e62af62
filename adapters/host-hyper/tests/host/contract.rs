//! The core's HTTP contract, over real sockets.

use accountservice_core::testing::http_contract;
use bytes::Bytes;
use http::{Method, Response};

use crate::client::Client;
use crate::server::{Server, limits};

/// The connection ends before the server, which need not wait for it then.
struct Asked {
    client: Client,
    _server: Server,
}

impl Asked {
    fn ask(&mut self, method: &Method, target: &str) -> Response<Bytes> {
        self.client.send(format!("{method} {target} HTTP/1.1\r\nHost: test\r\n\r\n"));
        if method == Method::HEAD { self.client.answer_to_head() } else { self.client.answer() }
    }
}

#[test]
fn a_service_behind_this_host_keeps_the_http_contract() {
    http_contract::check(|service| {
        let server = Server::start(limits(), move |request| service.handle(request));
        let mut asked = Asked { client: server.connect(), _server: server };
        move |method, target: &str| asked.ask(&method, target)
    });
}
