//! The binary as users run it: start, settings, network, database, log, metrics, signals, crashes.
//!
//! Each test starts real processes in a folder of its own. Routes and connections are tested in the
//! packages that implement them.

mod crash;
mod database;
mod descriptors;
mod disk;
mod file;
#[cfg(feature = "postgres")]
mod fleet;
mod health;
mod limits;
mod log;
mod metrics;
mod namespace;
mod network;
mod service;
mod start;
mod stop;
mod usage;
