//! `image`: what may ship, and what names it.

use std::fs;
use std::process::Stdio;

use crate::fixture::{Fixture, run, workspace};

#[test]
fn a_binary_that_needs_a_loader_does_not_ship() {
    let fixture = Fixture::new(&[]);
    let binaries = fixture.binaries();
    fs::copy(std::env::current_exe().unwrap(), fixture.path().join("healthchecker")).unwrap();
    fixture.xtask(&["image", &binaries]).fails(1, "asks for an interpreter");
}

#[test]
fn a_binary_over_its_ceiling_says_what_grew_since_when_and_where_the_ceiling_stands() {
    let fixture = Fixture::new(&[]);
    let binaries = fixture.binaries();
    let mut large = fs::read(fixture.path().join("healthchecker")).unwrap();
    large.resize(500_000, 0);
    fixture.file("healthchecker", &large);
    let ended = fixture.xtask(&["image", "--prepare", &binaries]);
    ended
        .fails(1, "over its ceiling of 450000, which is max_bytes in [probe] in infra/deploy.toml");
    ended.fails(1, "This target folder has no record of an earlier size.");
    fixture.binaries();
    fixture.xtask(&["image", "--prepare", &binaries]).succeeds();
    fixture.file("healthchecker", &large);
    let ended = fixture.xtask(&["image", "--prepare", &binaries]);
    ended.fails(1, "It had 64 bytes when it was last below, on 20");
    ended.fails(1, "since then +499936");
}

#[test]
fn a_binary_for_another_machine_does_not_ship() {
    let answer = r#"echo '{"Version":"28.0","ApiVersion":"1.48","Arch":"arm64"}'"#;
    let fixture = Fixture::new(&[("version*", answer)]);
    fixture.xtask(&["image", &fixture.binaries()]).fails(1, "it is for machine 62, not 183");
}

#[test]
fn the_same_content_has_the_same_name_whatever_the_commit() {
    let fixture = Fixture::new(&[]);
    let prepare = |git: &str| {
        fixture.program("git", &format!("#!/bin/sh\necho {git}\n"));
        fixture.xtask(&["image", "--prepare", &fixture.binaries()]).succeeds()
    };
    let name = prepare("1111");
    assert!(name.starts_with("someprefix/accountservice:"), "{name}");
    assert_eq!(name, prepare("2222"));
}

#[test]
fn a_start_interval_is_only_for_engines_that_know_it() {
    let changes = "health = { start_period = \"5s\", start_interval = \"1s\" }\n\
                   update.monitor = \"40s\"\nrollback.monitor = \"40s\"\n";
    let name = |api: &str| {
        let answer = format!(r#"echo '{{"Version":"28.0","ApiVersion":"{api}","Arch":"amd64"}}'"#);
        let fixture = Fixture::new(&[("version*", &answer)]);
        let config = fixture.config(changes);
        fixture.xtask(&["image", "--prepare", &config, &fixture.binaries()]).succeeds()
    };
    assert_ne!(name("1.44"), name("1.43"), "the Dockerfile is the same for both");
}

#[test]
fn a_field_that_docker_does_not_write_is_named() {
    let fixture = Fixture::new(&[("version*", r#"echo '{"Version":"28.0","Arch":"amd64"}'"#)]);
    fixture.xtask(&["image", &fixture.binaries()]).fails(1, "missing field `ApiVersion`");
}

/// Runs at the same time share a target folder; each image must hold what its name says.
#[test]
fn two_runs_at_once_do_not_mix_their_files() {
    let fixture = Fixture::new(&[]);
    let mut header = vec![0; 64];
    header[..6].copy_from_slice(b"\x7fELF\x02\x01");
    header[18] = 62;
    let folders: Vec<_> = ["x", "y"]
        .map(|name| {
            let folder = fixture.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("healthchecker"), &header).unwrap();
            fs::write(folder.join("accountservice"), [&header[..], name.as_bytes()].concat())
                .unwrap();
            folder
        })
        .into();
    for _ in 0..6 {
        let runs: Vec<_> = folders
            .iter()
            .map(|folder| {
                let binaries = format!("--binaries={}", folder.display());
                let mut command = fixture.command(&["image", "--prepare", &binaries]);
                let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
                (folder, child)
            })
            .collect();
        for (folder, child) in runs {
            let output = child.wait_with_output().unwrap();
            let name = String::from_utf8(output.stdout).unwrap();
            let tag = name.trim().rsplit(':').next().unwrap();
            let built = fixture.path().join("target/image").join(tag).join("accountservice");
            let wanted = fs::read(folder.join("accountservice")).unwrap();
            assert_eq!(fs::read(built).unwrap(), wanted, "{name}");
        }
    }
}

#[test]
fn a_run_that_has_to_wait_says_for_which_one() {
    let fixture = Fixture::new(&[]);
    let binaries = fixture.binaries();
    let target = fixture.path().join("target");
    fs::create_dir(&target).unwrap();
    let path = target.join("xtask.lock");
    fs::write(&path, "process 1: cargo xtask image").unwrap();
    let lock = fs::File::open(&path).unwrap();
    lock.lock().unwrap();
    let mut command = fixture.command(&["image", "--prepare", &binaries]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut err = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut err, &mut line).unwrap();
    assert!(line.starts_with("Waiting for process 1: cargo xtask image ("), "{line}");
    drop(lock);
    assert!(child.wait().unwrap().success());
}

#[test]
fn variables_that_would_change_the_binary_do_not_reach_cargo() {
    let fixture = Fixture::new(&[]);
    fixture.program("rustup", "#!/bin/sh\necho x86_64-unknown-linux-musl\n");
    let script =
        format!("#!/bin/sh\n(pwd; env) >'{}'\nexit 9\n", fixture.path().join("seen").display());
    fixture.program("cargo", &script);
    let mut command = fixture.command(&["dist"]);
    for name in [
        "CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER",
        "CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS",
        "CARGO_PROFILE_RELEASE_OPT_LEVEL",
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_RUSTC_WRAPPER",
        "CARGO_INCREMENTAL",
        "RUSTC",
        "RUSTC_WRAPPER",
        "RUSTC_BOOTSTRAP",
        "RUSTFLAGS",
        "RUSTDOCFLAGS",
        "CC",
        "SOURCE_DATE_EPOCH",
        "LD_PRELOAD_X",
    ] {
        command.env(name, "foreign");
    }
    run(&mut command).fails(1, "ended with exit status: 9");
    let seen = fs::read_to_string(fixture.path().join("seen")).unwrap();
    assert!(!seen.contains("foreign"), "{seen}");
    assert!(seen.starts_with("/\n"), "{seen}");
    assert!(seen.contains("\nCARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld\n"), "{seen}");
}

#[test]
fn a_configuration_file_that_would_change_the_binary_is_refused_by_name() {
    let fixture = Fixture::new(&[]);
    fixture.program("rustup", "#!/bin/sh\necho x86_64-unknown-linux-musl\n");
    fixture.program("cargo", "#!/bin/sh\nexit 9\n");
    let dist = |config: &str| {
        fixture.file("config.toml", config);
        run(fixture.command(&["dist"]).env("CARGO_HOME", fixture.path()))
    };
    dist("[profile.release]\nopt-level = 0\n").fails(1, "`profile` in ");
    dist("[env]\nX = \"1\"\n").fails(1, "`env` in ");
    // What a variable overrides, and what concerns the network, is no reason.
    dist("[build]\nrustflags = [\"-g\"]\n[http]\ntimeout = 9\n")
        .fails(1, "ended with exit status: 9");
}

#[test]
fn a_path_with_any_characters_reaches_the_compiler_in_one_piece() {
    let fixture = Fixture::new(&[]);
    fixture.program("rustup", "#!/bin/sh\necho x86_64-unknown-linux-musl\n");
    let root = fixture.path().join("it's \"a\" $path e\u{301} ก \\");
    workspace(&root, "");
    let flags = fixture.path().join("flags");
    let script = format!(
        "#!/bin/sh\nprintf %s \"$CARGO_ENCODED_RUSTFLAGS\" >'{}'\nexit 9\n",
        flags.display()
    );
    fixture.program("cargo", &script);
    let mut command = fixture.command(&["dist"]);
    command.env("CARGO_MANIFEST_DIR", root.join("xtask")).env("CARGO_HOME", "/home/of cargo");
    run(&mut command).fails(1, "ended with exit status: 9");
    let wanted = format!(
        "--remap-path-prefix={}=/source\u{1f}--remap-path-prefix=/home/of cargo=/cargo",
        root.display()
    );
    assert_eq!(fs::read_to_string(flags).unwrap(), wanted);
}
