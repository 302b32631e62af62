//! What keeps the core pure, checked on the core itself. `cargo xtask check` runs these tests; they
//! are ignored elsewhere, as they need clippy and the whole workspace.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// What may never be in the core's normal dependency tree, and why.
const FORBIDDEN: [(&str, &str); 3] = [
    ("tokio", "a handler is a plain function call; no runtime"),
    ("hyper", "hosts depend on the core, never the other way"),
    ("native_db", "the core knows the store as a trait only"),
];

/// One use of each kind that `core/clippy.toml` forbids, and what clippy must say about it.
const FORBIDDEN_CALLS: [(&str, &str); 6] = [
    ("type `std::net::TcpStream`", "pub type A = std::net::TcpStream;"),
    ("method `std::fs::read`", "pub fn b() -> bool { std::fs::read(\"b\").is_ok() }"),
    ("method `std::env::var`", "pub fn c() -> bool { std::env::var(\"c\").is_ok() }"),
    ("type `std::time::Instant`", "pub type D = std::time::Instant;"),
    ("type `std::time::SystemTime`", "pub type E = std::time::SystemTime;"),
    ("method `std::thread::spawn`", "pub fn f() { drop(std::thread::spawn(|| ())); }"),
];

#[test]
#[ignore = "cargo xtask check runs it"]
fn the_core_has_no_host_store_or_runtime_in_its_tree() {
    let output = Command::new("cargo")
        .args(["tree", "--package", "accountservice-core", "--edges", "normal"])
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    let in_tree = |name: &str| listed.lines().any(|line| line.split(' ').next() == Some(name));
    assert!(in_tree("accountservice-core"), "{}", String::from_utf8_lossy(&output.stderr));
    for (name, reason) in FORBIDDEN {
        assert!(!in_tree(name), "the core pulls in {name}: {reason}");
    }
}

/// Lints a file of forbidden calls with the core's own clippy.toml: a list that clippy no longer
/// reads, or that lost an entry, would let the core's own lint run pass for the wrong reason.
#[test]
#[ignore = "cargo xtask check runs it"]
fn clippy_refuses_sockets_files_environment_clocks_and_threads_in_the_core() {
    assert!(root().join("core/clippy.toml").is_file());
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("forbidden.rs");
    std::fs::write(&file, FORBIDDEN_CALLS.map(|(_, code)| code).join("\n")).unwrap();
    let output = Command::new("clippy-driver")
        .args(["--crate-type=lib", "--edition=2024", "--emit=metadata", "--out-dir"])
        .args([folder.path(), &file])
        .env("CLIPPY_CONF_DIR", "core")
        .current_dir(root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    for (what, _) in FORBIDDEN_CALLS {
        assert!(said.contains(&format!("disallowed {what}")), "clippy lets {what} pass:\n{said}");
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
