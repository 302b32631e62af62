//! The binary as users run it: start, settings, trouble, signals, crashes, crowds.

#[path = "../host/client.rs"]
#[allow(dead_code, reason = "the tests of the library need more of it")]
mod client;

mod crash;
mod crowd;
mod operate;
mod service;
mod start;
mod stop;
mod trouble;
