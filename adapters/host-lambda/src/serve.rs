//! Events and responses, one after the other, for any handler. `main` calls it, and the tests with
//! handlers of their own. It has no store, and nothing of it is specific to accounts.

use std::pin::pin;

use accountservice_host::{Exchange, Exchanges, Handler};
use anyhow::Result;
use http::HeaderValue;
use tracing::warn;

use crate::event::Invocation;
use crate::runtime::Runtime;

/// Responds to events, one after the other, until `shutdown` completes. An event that is no request
/// is an error of its invocation.
pub(crate) async fn serve(
    runtime: &mut Runtime,
    handler: &impl Handler,
    exchanges: &Exchanges,
    base_path: &str,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let mut shutdown = pin!(shutdown);
    loop {
        let next = tokio::select! {
            () = &mut shutdown => return Ok(()),
            next = runtime.next() => next?,
        };
        match Invocation::of(&next.event, base_path) {
            Ok(Invocation { mut request, prefix, payload }) => {
                let id = HeaderValue::try_from(&next.id)?;
                request.headers_mut().entry("x-request-id").or_insert(id);
                let exchange = Exchange::new(exchanges, &request, None).mounted_at(&prefix);
                let response = exchange.respond(handler, request).await;
                runtime.respond(&next.id, payload.json(&response)?).await?;
            }
            Err(error) => {
                warn!("Cannot read the event of {}: {error:#}", next.id);
                runtime.fail(&format!("invocation/{}", next.id), &error).await?;
            }
        }
    }
}
