//! What tests of hosts, stores and handlers share: behind the feature `testing`, never in a release.
//!
//! A new host runs the [`HttpContract`], a new store runs [`store_contract::check`], and a handler
//! test uses the [`MockAccountStore`].

mod http_contract;
mod remote_store;
pub mod store_contract;

pub use crate::store::MockAccountStore;
pub use http_contract::{
    ContractService, HttpContract, RemoteContractService, SITUATION, render, request,
};
pub use remote_store::{Remote, RemoteStore};
