//! What only a real engine shows. It needs one that is in a swarm, and rustup's musl target of this
//! machine, which `cargo xtask dist` adds: `cargo test -p xtask --test engine -- --ignored`, which
//! `.ci/run` does. Each test has a service of its own name, so that they run at the same
//! time; one whose name starts with `alone` does not.

mod database;
#[path = "../command_line/deploy_toml.rs"]
mod deploy_toml;
mod destroy;
mod fixture;
mod ports;
mod registry;
mod settings;
mod source;
mod updates;
