//! The command line as users and scripts see it: its output and its exit status.

#![allow(clippy::needless_raw_string_hashes, reason = "expect_test writes them when it updates")]

mod check;
mod deploy_toml;
mod emit;
mod fixture;
mod handover;
mod image;
mod preflight;
mod services;
mod settings;
