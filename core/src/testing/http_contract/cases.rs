//! The cases. Nothing here is computed: each response stands as a client receives it.
//!
//! Steps run in their order. All requests of one step get the same response.

mod accounts;
mod health;
mod paths;
mod responses;
mod testability;

use super::Case;

pub(super) const CASES: &[&[Case]] =
    &[accounts::CASES, health::CASES, paths::CASES, testability::CASES];
