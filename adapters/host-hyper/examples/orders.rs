//! A service without accounts: `cargo run -p accountservice-host-hyper --example orders`.
//!
//! Health, testability, request ids, metrics and graceful shutdown come from the libraries.

use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::future::{pending, ready};
use std::sync::Arc;

use accountservice_core::response::{RouteName, json, method_not_allowed, not_found};
use accountservice_core::{Health, HealthRoute};
use accountservice_host_hyper::{Handler, Server};
use accountservice_metrics::Metrics;
use accountservice_process::Shutdown;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::select;
use tracing::info;

struct Orders(Health);

impl Handler for Orders {
    async fn respond(&self, request: Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path();
        if let Some(route) = HealthRoute::of(path) {
            return self.0.respond(route, &request, || ready(Ok::<_, Infallible>(()))).await;
        }
        let id = path.strip_prefix("/orders/").and_then(|id| id.parse::<u32>().ok());
        let mut response = match (id, request.method()) {
            (None, _) => return not_found(),
            (Some(id), &Method::GET | &Method::HEAD) => {
                json(StatusCode::OK, format!(r#"{{"id":{id},"item":"tea"}}"#))
            }
            (Some(_), _) => method_not_allowed("GET, HEAD"),
        };
        response.extensions_mut().insert(RouteName("/orders/{id}"));
        response
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let mut shutdown = Shutdown::listen()?;
    let address = |name, port: &str| format!("127.0.0.1:{}", env::var(name).unwrap_or(port.into()));
    let listener = TcpListener::bind(address("PORT", "8080")).await?;
    let for_metrics = TcpListener::bind(address("METRICS_PORT", "9090")).await?;
    info!("Starting HTTP service at {}", listener.local_addr()?.port());
    info!("Serving metrics at {}", for_metrics.local_addr()?.port());
    let metrics = Arc::new(Metrics::new("orderservice", "1.0.0")?);
    let orders = Orders(Health::embedded().with_testability(true));
    let server = Server::new(listener, orders).observer(Arc::clone(&metrics) as _);
    let health = server.health_check();
    let metrics_server = Server::new(for_metrics, move |request| {
        let (metrics, health) = (Arc::clone(&metrics), health.clone());
        async move { metrics.respond(&request, health.response().await.status().is_success()) }
    });
    select! {
        result = server.serve(shutdown.requested()) => Ok(result?),
        result = metrics_server.serve(pending()) => Ok(result?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_order_is_found_by_its_number() {
        let request = Request::get("/orders/7").body(Bytes::new()).expect("a request");
        let response = Orders(Health::embedded()).respond(request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.body(), r#"{"id":7,"item":"tea"}"#);
    }
}
