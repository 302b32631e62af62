//! A host in under 60 lines: HTTP/1.0 without request bodies, one thread per connection, no limits.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use accountservice_core::response::problem;
use accountservice_host::{Exchange, Exchanges, Handler};
use bytes::Bytes;
use http::{Request, Response, StatusCode};

fn main() -> io::Result<()> {
    let handler = |_: Request<Bytes>| async { Response::new("Hello\n".into()) };
    serve(&TcpListener::bind("127.0.0.1:6767")?, &handler)
}

fn serve(listener: &TcpListener, handler: &impl Handler) -> io::Result<()> {
    let exchanges = Exchanges::new(0, Arc::new(()));
    thread::scope(|scope| {
        loop {
            let (stream, _) = listener.accept()?;
            scope.spawn(|| respond(stream, &exchanges, handler));
        }
    })
}

fn respond(mut stream: TcpStream, exchanges: &Exchanges, handler: &impl Handler) -> io::Result<()> {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let request_line = lines.next().unwrap_or_default();
    let (method, target) = request_line.split_once(' ').unwrap_or_default();
    let target = target.split(' ').next().unwrap_or_default();
    let mut request = Request::builder().method(method).uri(target);
    for field in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = field.split_once(": ").unwrap_or_default();
        request = request.header(name, value);
    }
    let response = if let Ok(request) = request.body(Bytes::new()) {
        let exchange = Exchange::new(exchanges, &request, stream.peer_addr().ok());
        pollster::block_on(exchange.respond(handler, request))
    } else {
        let exchange = Exchange::new(exchanges, &Request::new(()), stream.peer_addr().ok());
        exchange.reject(problem(StatusCode::BAD_REQUEST, "This is not HTTP."))
    };
    write!(stream, "HTTP/1.0 {}\r\n", response.status())?;
    for (name, value) in response.headers() {
        stream.write_all(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat())?;
    }
    stream.write_all(&[b"\r\n", &response.body()[..]].concat())
}

#[cfg(test)]
mod tests {
    use accountservice_core::testing::HttpContract;
    use accountservice_host::testing::Client;

    use super::*;

    /// A server at a port that the system chooses, until the test binary ends.
    fn start(handler: impl Handler) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || serve(&listener, &handler));
        address
    }

    #[test]
    fn this_host_keeps_the_http_contract() {
        HttpContract::new().check(|service| {
            let address = start(move |request| {
                let service = Arc::clone(&service);
                async move { service.respond(request).await }
            });
            move |method, target: &str| {
                let response = Client::connect(address).try_request(&method, target);
                response.unwrap_or_else(|error| panic!("{method} {target}: {error}"))
            }
        });
    }

    #[test]
    fn a_malformed_request_is_a_400() {
        let mut client = Client::connect(start(|_| async { Response::new(Bytes::new()) }));
        client.send("GET\r\n\r\n");
        assert_eq!(client.response().status(), 400);
    }
}
