//! `check`, the gate: everything that must hold before a change is taken, in one list. Each step prints
//! its name, its time and, if it fails, the command that fixes it. One run shows all failures. What needs
//! a container engine is not here but in `e2e`.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::command::Cmd;
use crate::dist::add_target;
use crate::workspace::{root, target};

/// What the steps run, how to ask for it, and the line that installs it.
const TOOLS: [(&str, &[&str], &str); 3] = [
    ("rustfmt", &["fmt", "--version"], "rustup component add rustfmt"),
    ("clippy", &["clippy", "--version"], "rustup component add clippy"),
    ("cargo-deny", &["deny", "--version"], "cargo install --locked cargo-deny"),
];

/// What may never be in the core's normal dependency tree, and why.
const FORBIDDEN_IN_CORE: [(&str, &str); 3] = [
    ("tokio", "a handler is a plain function call; no runtime"),
    ("hyper", "hosts depend on the core, never the other way"),
    ("native_db", "the core knows the store as a trait only"),
];

/// Where the core must compile though there are no sockets, files, clocks or threads.
const BARE_TARGET: &str = "wasm32-unknown-unknown";

/// One use of each kind that `core/clippy.toml` forbids, and the name clippy must give it.
const FORBIDDEN_CALLS: [(&str, &str); 6] = [
    ("std::net::TcpStream", "pub type A = std::net::TcpStream;"),
    ("std::fs::read", "pub fn b() -> bool { std::fs::read(\"b\").is_ok() }"),
    ("std::env::var", "pub fn c() -> bool { std::env::var(\"c\").is_ok() }"),
    ("std::time::Instant", "pub type D = std::time::Instant;"),
    ("std::time::SystemTime", "pub type E = std::time::SystemTime;"),
    ("std::thread::spawn", "pub fn f() { drop(std::thread::spawn(|| ())); }"),
];

struct Step {
    name: &'static str,
    fix: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: [Step; 10] = [
    Step {
        name: "format",
        fix: "cargo fmt --all",
        run: || Cmd::new("cargo", ["fmt", "--all", "--check"]).run(),
    },
    Step {
        name: "clippy",
        fix: "cargo clippy --workspace --all-targets --fix --allow-dirty",
        run: clippy,
    },
    Step {
        name: "tests",
        fix: "cargo test --workspace",
        run: || Cmd::new("cargo", ["test", "--workspace"]).run(),
    },
    Step {
        name: "fuzzing: the corpus and some thousand changes to it",
        fix: "cargo test --manifest-path fuzz/Cargo.toml",
        run: || Cmd::new("cargo", ["test", "--locked", "--manifest-path", "fuzz/Cargo.toml"]).run(),
    },
    Step {
        name: "docs",
        fix: "RUSTDOCFLAGS=--deny=warnings cargo doc --no-deps --workspace --all-features",
        run: docs,
    },
    Step {
        name: "core: no host, store or runtime in its tree",
        fix: "cargo tree --package accountservice-core --edges normal",
        run: core_tree_is_pure,
    },
    Step {
        name: "core: compiles for a target without an operating system",
        fix: "cargo check --package accountservice-core --target wasm32-unknown-unknown",
        run: core_compiles_bare,
    },
    Step {
        name: "core: core/clippy.toml refuses sockets, files, environment, clocks, threads",
        fix: "add the name to disallowed-methods or disallowed-types in core/clippy.toml",
        run: core_lints_bite,
    },
    Step {
        name: "infra: the emitted files are what infra/deploy.toml says",
        fix: "cargo xtask emit",
        run: || Cmd::new("cargo", ["xtask", "emit", "--check"]).run(),
    },
    Step { name: "licences, bans, sources, advisories", fix: "cargo deny check", run: deny },
];

pub(crate) fn run() -> ExitCode {
    let is_missing =
        |args: &[&str]| !Cmd::new("cargo", args.iter().copied()).succeeds().unwrap_or(false);
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

fn clippy() -> Result<()> {
    let args = ["clippy", "--workspace", "--all-targets", "--"];
    Cmd::new("cargo", args.into_iter().chain(["--deny=warnings"])).run()
}

fn docs() -> Result<()> {
    Cmd::new("cargo", ["doc", "--no-deps", "--workspace", "--all-features"])
        .env("RUSTDOCFLAGS", "--deny=warnings")
        .run()
}

fn core_tree_is_pure() -> Result<()> {
    let tree = ["tree", "--package", "accountservice-core"];
    let shape = ["--edges", "normal", "--prefix", "none", "--format", "{p}"];
    let listed = Cmd::new("cargo", tree.into_iter().chain(shape)).read()?;
    let in_tree = |name: &str| listed.lines().any(|l| l.split(' ').next() == Some(name));
    ensure!(in_tree("accountservice-core"), "the tree has no core in it");
    let found: Vec<_> = FORBIDDEN_IN_CORE
        .iter()
        .filter(|(name, _)| in_tree(name))
        .map(|(name, reason)| format!("{name} ({reason})"))
        .collect();
    ensure!(found.is_empty(), "the core pulls in {}", found.join(", "));
    Ok(())
}

fn core_compiles_bare() -> Result<()> {
    add_target(BARE_TARGET)?;
    let args = ["check", "--package", "accountservice-core", "--target"];
    Cmd::new("cargo", args.into_iter().chain([BARE_TARGET])).run()
}

/// Lints a file of forbidden calls with the core's own clippy.toml: a list that clippy no longer
/// reads, or that lost an entry, would let the core's own lint run pass for the wrong reason.
fn core_lints_bite() -> Result<()> {
    let settings = root()?.join("core/clippy.toml");
    ensure!(settings.is_file(), "{} is missing", settings.display());
    let folder = target()?.join("xtask");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let source: Vec<_> = FORBIDDEN_CALLS.iter().map(|(_, code)| *code).collect();
    let file = folder.join("forbidden.rs");
    std::fs::write(&file, source.join("\n"))
        .with_context(|| format!("cannot write {}", file.display()))?;
    let output = Cmd::new("clippy-driver", ["--crate-type=lib", "--edition=2024"])
        .args(["--emit=metadata".to_owned(), format!("--out-dir={}", folder.display())])
        .args([file.display().to_string()])
        .env("CLIPPY_CONF_DIR", "core")
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let missed: Vec<_> = FORBIDDEN_CALLS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !said.contains(&format!("disallowed method `{name}`")))
        .filter(|name| !said.contains(&format!("disallowed type `{name}`")))
        .collect();
    if !missed.is_empty() {
        bail!("clippy lets the core use {}:\n{said}", missed.join(", "));
    }
    Ok(())
}

/// The advisory database is a git repository, fetched by `cargo deny fetch`. Where there is none,
/// for lack of a network, the rest is still checked, and the output says what was not.
fn deny() -> Result<()> {
    let offline = ["deny", "--offline", "--workspace", "check"];
    let offline = |what: &[&str]| Cmd::new("cargo", offline.iter().chain(what).copied());
    offline(&["bans", "licenses", "sources"]).run()?;
    let fetched = Cmd::new("cargo", ["deny", "fetch", "db"]).output()?;
    if fetched.status.success() {
        return offline(&["advisories"]).run();
    }
    println!("    NOT CHECKED: advisories; the database could not be fetched (`cargo deny fetch`)");
    Ok(())
}
