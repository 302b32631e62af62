//! The same source gives the same binary, from any folder, whatever the environment says. The probe
//! and a twin of it stand for both binaries: they go the same way, and build in seconds.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::fixture::Engine;

/// As `cargo xtask image` prints it: the tag is the hash of the binaries.
fn image(engine: &Engine, root: &Path, variables: &[(&str, &str)]) -> String {
    let folder = TempDir::new().unwrap();
    let program = "[program]\nbinary = \"twin\"\npackage = \"healthchecker\"\n\
                   [database]\nembedded_features = []";
    let mut command = engine.command(&["image", "--prepare"], program);
    command.env("CARGO_MANIFEST_DIR", root.join("xtask")).env("CARGO_TARGET_DIR", folder.path());
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    assert!(err.contains("Compiling healthchecker"), "{err}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs an engine, see main.rs"]
fn the_same_source_gives_the_same_binary_from_any_folder() {
    let engine = Engine::new("xtask-test-source");
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let folder = TempDir::new().unwrap();
    let [plain, odd] =
        ["plain", "above/it's a \"ก\" = $e\u{301}"].map(|name| folder.path().join(name));
    let archive = folder.path().join("checkout.tar");
    for (action, place) in [("--create", root), ("--extract", &plain), ("--extract", &odd)] {
        let mut tar = Command::new("tar");
        tar.args([action, "--exclude-vcs", "--exclude=./target", "--exclude=./fuzz/target"]);
        tar.arg("--file").arg(&archive).arg("--directory").arg(place);
        if action == "--create" {
            assert!(tar.arg(".").status().unwrap().success());
            continue;
        }
        fs::create_dir_all(place).unwrap();
        assert!(tar.status().unwrap().success());
        fs::create_dir(place.join("probe/src/bin")).unwrap();
        let twin = "fn main() { std::env::args().next().unwrap(); }";
        fs::write(place.join("probe/src/bin/twin.rs"), twin).unwrap();
    }
    // Cargo reads it for a command that is typed in this copy.
    fs::create_dir(folder.path().join("above/.cargo")).unwrap();
    let config = "[profile.release]\npanic = \"abort\"\n[build]\nrustflags = [\"-g\"]\n";
    fs::write(folder.path().join("above/.cargo/config.toml"), config).unwrap();
    let variables = [
        ("CARGO_PROFILE_RELEASE_LTO", "off"),
        ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER", "cc"),
        ("RUSTFLAGS", "-Cdebuginfo=2"),
    ];
    assert_eq!(image(&engine, &odd, &variables), image(&engine, &plain, &[]));
}
