//! Lambda's Runtime API and Extensions API: HTTP on the loopback interface.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;

const RUNTIME: &str = "/2018-06-01/runtime";
const EXTENSION: &str = "/2020-01-01/extension";

/// One connection to the API, renewed when the API closes it.
pub(crate) struct Runtime {
    address: String,
    connection: Option<SendRequest<Full<Bytes>>>,
}

/// An event, and the id of its invocation.
pub(crate) struct Next {
    pub(crate) id: String,
    pub(crate) event: Bytes,
}

impl Runtime {
    /// `address` is `host:port`.
    pub(crate) fn new(address: &str) -> Self {
        Self { address: address.to_owned(), connection: None }
    }

    /// Waits for the next event.
    pub(crate) async fn next(&mut self) -> Result<Next> {
        let path = format!("{RUNTIME}/invocation/next");
        let response = self.call(Method::GET, &path, None, Bytes::new()).await?;
        ensure!(response.status() == 200, "{path}: {}", response.status());
        let id = response.headers().get("lambda-runtime-aws-request-id");
        let id = id.and_then(|id| id.to_str().ok()).context("an invocation without an id")?;
        Ok(Next { id: id.to_owned(), event: response.into_body() })
    }

    /// Completes an invocation.
    pub(crate) async fn respond(&mut self, id: &str, response: Vec<u8>) -> Result<()> {
        let path = format!("{RUNTIME}/invocation/{id}/response");
        let response = self.call(Method::POST, &path, None, response.into()).await?;
        // 413: longer than Lambda takes. That is an error of this invocation only.
        ensure!(response.status() == 202 || response.status() == 413, "{}", response.status());
        Ok(())
    }

    /// Reports an error: of `invocation/{id}`, or of `init`.
    pub(crate) async fn fail(&mut self, what: &str, error: &anyhow::Error) -> Result<()> {
        let body = json!({ "errorType": "Error", "errorMessage": format!("{error:#}") });
        let path = format!("{RUNTIME}/{what}/error");
        self.call(Method::POST, &path, None, body.to_string().into()).await?;
        Ok(())
    }

    /// Registers as an extension that waits for no events. Lambda sends SIGTERM to a process that
    /// has one, and waits 500 ms for its end.
    pub(crate) async fn register_for_sigterm(&mut self) -> Result<()> {
        let name = ("lambda-extension-name", "bootstrap");
        let path = format!("{EXTENSION}/register");
        let body = json!({ "events": [] }).to_string();
        let response = self.call(Method::POST, &path, Some(name), body.into()).await?;
        let id = response.headers().get("lambda-extension-identifier");
        let id = id.and_then(|id| id.to_str().ok()).context("an extension without an id")?;
        let (id, mut api) = (id.to_owned(), Self::new(&self.address));
        // Initialisation ends when every extension waits. There is never a response.
        tokio::spawn(async move {
            let (id, path) =
                (("lambda-extension-identifier", &*id), format!("{EXTENSION}/event/next"));
            api.call(Method::GET, &path, Some(id), Bytes::new()).await.map(drop)
        });
        Ok(())
    }

    async fn call(
        &mut self,
        method: Method,
        path: &str,
        header: Option<(&str, &str)>,
        body: Bytes,
    ) -> Result<Response<Bytes>> {
        let mut request = Request::builder().method(method).uri(path).header("host", &self.address);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body))?;
        let mut connection = match self.connection.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => self.connect().await.with_context(|| format!("cannot reach {}", self.address))?,
        };
        let response = connection.send_request(request).await.with_context(|| path.to_owned())?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.with_context(|| path.to_owned())?.to_bytes();
        if connection.ready().await.is_ok() {
            self.connection = Some(connection);
        }
        Ok(Response::from_parts(head, body))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let (connection, driver) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        Ok(connection)
    }
}
