//! Handlers that many tests use.

use accountservice_core::AccountService;
use accountservice_core::testing::MockAccountStore;
use bytes::Bytes;
use http::{Request, Response};

/// Returns the body that it receives.
pub(crate) async fn echo(request: Request<Bytes>) -> Response<Bytes> {
    Response::new(request.into_body())
}

/// Returns the target that it receives, a space, and the body.
pub(crate) async fn target_and_body(request: Request<Bytes>) -> Response<Bytes> {
    let target = request.uri().to_string();
    Response::new([target.as_bytes(), b" ", request.body()].concat().into())
}

/// A healthy service without accounts, with testability.
pub(crate) fn service() -> AccountService<MockAccountStore> {
    let mut store = MockAccountStore::new();
    store.expect_check().returning(|| Ok(()));
    store.expect_find().returning(|_| Ok(None));
    AccountService::new(store, "10.0.0.3").with_testability(true)
}
