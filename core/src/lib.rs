//! The pure core of `accountservice`: an [`http::Request`] goes in, an [`http::Response`] comes out.
//!
//! [`AccountService::handle`] is an ordinary function. It opens no socket, starts no runtime and
//! reads no clock, file or environment. Everything it needs from outside is behind the
//! [`AccountStore`] that it was given, so a handler test is one call:
//!
//! ```
//! use accountservice_core::{Account, AccountId, AccountService, testing::MockAccountStore};
//! use bytes::Bytes;
//! use http::Request;
//!
//! let mut store = MockAccountStore::new();
//! store.expect_find().once().returning(|id| {
//!     Ok(Some(Account { id: id.clone(), name: "Person_0".into() }))
//! });
//! let service = AccountService::new(store, "10.0.0.3");
//!
//! let response = service.handle(Request::get("/accounts/10000").body(Bytes::new())?);
//!
//! assert_eq!(response.status(), 200);
//! assert_eq!(response.body(), r#"{"id":"10000","name":"Person_0","servedBy":"10.0.0.3"}"#);
//! # Ok::<(), http::Error>(())
//! ```
//!
//! Hosts (`adapters/host-*`) await [`AccountService::respond`], the same code path. It needs no
//! runtime of its own: it waits for the store and for nothing else.
//!
//! [`Health`] is the part that knows no accounts. A service with other routes uses it alone.
//!
//! This is not a framework: it has no router and no middleware. The gate checks that no host, store
//! or runtime becomes a dependency.

mod account;
mod health;
pub mod response;
mod route;
mod service;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use account::{Account, AccountId, AccountIdError};
pub use health::{Health, HealthRoute, HostState};
pub use service::AccountService;
pub use store::{AccountStore, AsyncAccountStore, StoreError};
