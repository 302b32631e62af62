//! The store against a real `PostgreSQL`, which each test starts for itself, and through `PgBouncer`.
//!
//! Where one of them is not installed, these tests say so on standard error and pass, except with
//! `CI=true`: then they fail.

mod client;
mod contract;
mod faults;
mod hosts;
mod log;
mod running;
mod seeding;
mod tls;
