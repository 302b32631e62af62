//! What tests of hosts, stores and handlers share. Behind the feature `testing`, never in a release.
//!
//! A new host proves itself with [`http_contract::check`], a new store with
//! [`store_contract::check`]; a test of a handler takes the [`MockAccountStore`].

pub mod http_contract;
pub mod store_contract;

pub use crate::store::MockAccountStore;
pub use http_contract::render;
