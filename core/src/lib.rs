//! The pure core of `accountservice`: an [`http::Request`] goes in, an [`http::Response`] comes out.
//!
//! [`AccountService::handle`] is an ordinary function. It opens no socket, starts no runtime, reads
//! no clock, no file and no environment; whatever it needs from the world stands behind the
//! [`AccountStore`] that it was given. So a handler test is one call:
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
//! let answer = service.handle(Request::get("/accounts/10000").body(Bytes::new())?);
//!
//! assert_eq!(answer.status(), 200);
//! assert_eq!(answer.body(), r#"{"id":"10000","name":"Person_0","servedBy":"10.0.0.3"}"#);
//! # Ok::<(), http::Error>(())
//! ```
//!
//! It is deliberately not a framework: there is no router, no middleware and no `async`. A host
//! (`adapters/host-*`) carries requests to it, a store (`adapters/store-*`) answers it, and the gate
//! proves that neither leaks in here.

mod account;
mod health;
pub mod response;
mod service;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use account::{Account, AccountId, AccountIdError};
pub use health::{Health, HostState};
pub use service::AccountService;
pub use store::{AccountStore, StoreError};
