//! The service of the HTTP contract as a Lambda function, for `tests/process/contract.rs`. It is
//! `bootstrap` with another store, one that fails when the contract says so, and without settings.

#[path = "../src/event.rs"]
mod event;
#[path = "../src/response.rs"]
mod response;
#[path = "../src/runtime.rs"]
mod runtime;
#[path = "../src/serve.rs"]
mod serve;

use std::env;
use std::future::pending;
use std::sync::{Arc, LazyLock};

use accountservice_core::testing::RemoteContractService;
use accountservice_host::Exchanges;
use anyhow::Result;
use bytes::Bytes;
use http::Request;

static SERVICE: LazyLock<RemoteContractService> = LazyLock::new(Default::default);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut runtime = runtime::Runtime::new(&env::var("AWS_LAMBDA_RUNTIME_API")?);
    runtime.register_for_sigterm().await?;
    let handler = |request: Request<Bytes>| SERVICE.respond(request);
    let exchanges = Exchanges::new(64 << 10, Arc::new(()));
    let base_path = env::var("ACCOUNTSERVICE_BASE_PATH").unwrap_or_default();
    serve::serve(&mut runtime, &handler, &exchanges, &base_path, pending()).await
}
