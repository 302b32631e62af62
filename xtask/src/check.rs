//! `check`, the gate: everything that must hold before a change is taken, in one list. Each step
//! prints its name, its time and, if it fails, the command that fixes it. One run shows all
//! failures. What needs a container engine is not here but in `e2e`.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use crate::command::Cmd;
use crate::dist::add_target;

/// What the steps run: arguments of Cargo's that ask for it, and the line that installs it.
const TOOLS: [(&str, &str, &str); 3] = [
    ("rustfmt", "fmt --version", "rustup component add rustfmt"),
    ("clippy", "clippy --version", "rustup component add clippy"),
    ("cargo-deny", "deny --version", "cargo install --locked cargo-deny"),
];

/// Where the core must compile though there are no sockets, files, clocks or threads.
const BARE_TARGET: &str = "wasm32-unknown-unknown";

struct Step {
    name: &'static str,
    fix: &'static str,
    run: fn() -> Result<()>,
}

const fn step(name: &'static str, fix: &'static str, run: fn() -> Result<()>) -> Step {
    Step { name, fix, run }
}

const STEPS: [Step; 9] = [
    step("format", "cargo fmt --all", || cargo("fmt --all --check").run()),
    step("clippy", "cargo clippy --workspace --all-targets --fix --allow-dirty", || {
        cargo("clippy --workspace --all-targets -- --deny=warnings").run()
    }),
    step("tests", "cargo test --workspace", || cargo("test --workspace").run()),
    step(
        "fuzzing: the corpus and some thousand changes to it",
        "cargo test --manifest-path fuzz/Cargo.toml",
        || cargo("test --locked --manifest-path fuzz/Cargo.toml").run(),
    ),
    step(
        "docs",
        "RUSTDOCFLAGS=--deny=warnings cargo doc --no-deps --workspace --all-features",
        || {
            let doc = cargo("doc --no-deps --workspace --all-features");
            doc.env("RUSTDOCFLAGS", "--deny=warnings").run()
        },
    ),
    step(
        "core: no host, store or runtime in its tree, no sockets, files or clocks in its code",
        "remove what the test names, or add it to core/clippy.toml if clippy let it pass",
        || cargo("test --package xtask --test core -- --ignored").run(),
    ),
    step(
        "core: compiles for a target without an operating system",
        "cargo check --package accountservice-core --target wasm32-unknown-unknown",
        || {
            add_target(BARE_TARGET)?;
            cargo("check --package accountservice-core --target").args([BARE_TARGET]).run()
        },
    ),
    step("infra: the emitted files are what infra/deploy.toml says", "cargo xtask emit", || {
        cargo("xtask emit --check").run()
    }),
    step("licences, bans, sources, advisories", "cargo deny check", deny),
];

pub(crate) fn run() -> ExitCode {
    let is_missing = |args: &str| !cargo(args).succeeds().unwrap_or(false);
    let missing: Vec<_> = TOOLS.iter().filter(|(_, args, _)| is_missing(args)).collect();
    if !missing.is_empty() {
        for (tool, _, install) in missing {
            eprintln!("{tool} is missing: {install}");
        }
        return ExitCode::FAILURE;
    }
    let mut failed = Vec::new();
    for step in &STEPS {
        println!("==> {}", step.name);
        let start = Instant::now();
        let result = (step.run)();
        let seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(()) => println!("    ok, {seconds:.1} s"),
            Err(error) => {
                println!("    FAILED, {seconds:.1} s: {error:#}");
                failed.push(step);
            }
        }
    }
    if failed.is_empty() {
        println!("All {} steps passed.", STEPS.len());
        return ExitCode::SUCCESS;
    }
    eprintln!("{} of {} steps failed:", failed.len(), STEPS.len());
    for step in failed {
        eprintln!("  {}\n      {}", step.name, step.fix);
    }
    ExitCode::FAILURE
}

/// Cargo with these arguments, none of which has a blank in it.
fn cargo(args: &str) -> Cmd {
    Cmd::new("cargo", args.split(' '))
}

/// The advisory database is a git repository, fetched by `cargo deny fetch`. Where there is none,
/// for lack of a network, the rest is still checked, and the output says what was not.
fn deny() -> Result<()> {
    cargo("deny --offline --workspace check bans licenses sources").run()?;
    if cargo("deny fetch db").succeeds()? {
        return cargo("deny --offline --workspace check advisories").run();
    }
    println!("    NOT CHECKED: advisories; the database could not be fetched (`cargo deny fetch`)");
    Ok(())
}
