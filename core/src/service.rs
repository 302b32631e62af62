//! The account service: one request in, one response out.
//!
//! Hosts await [`AccountService::respond`]; handler tests call [`AccountService::handle`]. Both are
//! the same code. Transports, logging and metrics belong to the host.

use std::mem;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use serde::Serialize;

use crate::response::{
    RouteName, complete, json_in, method_not_allowed, not_found, problem, retry_in_a_second,
    to_json, with_cause, without_trailing_slash,
};
use crate::route::Route;
use crate::store::AsyncAccountStore;
use crate::{AccountId, AccountIdError, Health};

/// A function from request to response over an injected store, and the health of the process that
/// runs it.
///
/// A store that has to be awaited cannot be asked for liveness each time, and cannot be called from
/// a plain function. Neither compiles:
///
/// ```compile_fail,E0277
/// # use accountservice_core::{AccountService, testing::RemoteStore};
/// # let store = RemoteStore::default();
/// AccountService::new(&store, "10.0.0.3");
/// ```
/// ```compile_fail,E0599
/// # use accountservice_core::{AccountService, testing::RemoteStore};
/// # let store = RemoteStore::default();
/// let service = AccountService::shared(&store, "10.0.0.3");
/// service.handle(http::Request::new(bytes::Bytes::new()));
/// ```
pub struct AccountService<S> {
    store: S,
    health: Health,
    served_by: String,
    names_routes: bool,
}

impl<S: crate::AccountStore> AccountService<S> {
    /// Serves the accounts of a store inside this process, which counts for liveness. `served_by`
    /// names this replica in every account.
    pub fn new(store: S, served_by: impl Into<String>) -> Self {
        Self { store, health: Health::embedded(), served_by: served_by.into(), names_routes: true }
    }

    /// Responds at once: [`respond`](Self::respond), polled once. Blocks as long as the store does;
    /// panics only if the store does.
    pub fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let respond = pin!(self.respond(request));
        match respond.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(response) => response,
            Poll::Pending => unreachable!("an AccountStore answers at once"),
        }
    }
}

impl<S: AsyncAccountStore> AccountService<S> {
    /// Serves the accounts of a store that other processes share. The store counts for liveness only
    /// until one check of it has passed; see [`Health::shared`].
    pub fn shared(store: S, served_by: impl Into<String>) -> Self {
        Self { store, health: Health::shared(), served_by: served_by.into(), names_routes: true }
    }

    /// Switches the route `/testability/healthy/{state}` on or off; see
    /// [`Health::with_testability`].
    #[must_use]
    pub fn with_testability(self, on: bool) -> Self {
        Self { health: self.health.with_testability(on), ..self }
    }

    /// Switches the [`RouteName`] of an account's response on or off. It is on by default and costs
    /// 4 % of a request over a socket; a service without metrics can do without it.
    #[must_use]
    pub fn with_route_names(self, on: bool) -> Self {
        Self { names_routes: on, ..self }
    }

    /// Responds to one request. The future waits for the store and for nothing else; dropping it is
    /// safe at any point.
    ///
    /// Extensions: the request may have a [`HostState`](crate::HostState), the response may have a
    /// [`RouteName`](crate::response::RouteName) and a [`Cause`](crate::response::Cause).
    pub async fn respond(&self, mut request: Request<Bytes>) -> Response<Bytes> {
        // No route reads them. The memory serves an account's response.
        let mut headers = mem::take(request.headers_mut());
        let (method, uri) = (request.method(), request.uri());
        let is_read = method == Method::GET || method == Method::HEAD;
        let route = Route::of(uri.path());
        let mut response = match route {
            None => not_found(),
            Some(Route::Health(route)) => {
                return self.health.respond(route, &request, || self.store.check()).await;
            }
            Some(Route::Account(_)) if uri.path().ends_with('/') => without_trailing_slash(uri),
            Some(Route::Account(id)) if is_read => self.account(id, &mut headers).await,
            Some(Route::Account(_)) => method_not_allowed("GET, HEAD"),
        };
        let name = route.filter(|_| self.names_routes).map(|_| RouteName("/accounts/{id}"));
        complete(&mut response, name, method);
        response
    }

    async fn account(&self, segment: &str, headers: &mut HeaderMap) -> Response<Bytes> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            id: &'a str,
            name: &'a str,
            served_by: &'a str,
        }
        let id = match AccountId::parse(segment) {
            Ok(id) => id,
            Err(AccountIdError::Malformed) => {
                return problem(
                    StatusCode::BAD_REQUEST,
                    "An account id is one path segment of percent-encoded UTF-8.",
                );
            }
            Err(AccountIdError::Empty | AccountIdError::TooLong) => return no_such_account(),
        };
        match self.store.find(&id).await {
            Ok(Some(account)) => {
                let (id, name, served_by) = (account.id.as_str(), &*account.name, &*self.served_by);
                // The length unless a character has to be escaped.
                let length = r#"{"id":"","name":"","servedBy":""}"#.len()
                    + id.len()
                    + name.len()
                    + served_by.len();
                let body = to_json(&Body { id, name, served_by }, length);
                json_in(mem::take(headers), StatusCode::OK, body)
            }
            Ok(None) => no_such_account(),
            Err(error) => {
                let response = problem(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The accounts cannot be read at the moment.",
                );
                // A shared store comes back without a restart of this process.
                let is_shared = self.health.is_shared();
                let response = if is_shared { retry_in_a_second(response) } else { response };
                with_cause(response, error)
            }
        }
    }
}

fn no_such_account() -> Response<Bytes> {
    problem(StatusCode::NOT_FOUND, "There is no account with this id.")
}
