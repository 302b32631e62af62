//! `Handler`, the one trait that a host needs of a service: a function from request to response.

use accountservice_core::{AccountService, AsyncAccountStore};
use bytes::Bytes;
use http::{Request, Response};

/// Responds to requests: any `Fn(Request<Bytes>) -> impl Future<Output = Response<Bytes>> + Send`.
///
/// It is called from several threads at once. A panic costs its request a 500 and nothing else.
pub trait Handler: Send + Sync + 'static {
    /// Responds to one request. The transport may drop the future at any await.
    fn respond(&self, request: Request<Bytes>) -> impl Future<Output = Response<Bytes>> + Send;
}

impl<F, R> Handler for F
where
    F: Fn(Request<Bytes>) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Bytes>> + Send,
{
    fn respond(&self, request: Request<Bytes>) -> impl Future<Output = Response<Bytes>> + Send {
        self(request)
    }
}

impl<S: AsyncAccountStore + 'static> Handler for AccountService<S> {
    fn respond(&self, request: Request<Bytes>) -> impl Future<Output = Response<Bytes>> + Send {
        AccountService::respond(self, request)
    }
}
