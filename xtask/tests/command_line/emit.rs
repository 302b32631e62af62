//! `emit` and `--dry-run`: the files and the script, read by real shells.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use expect_test::expect;

use crate::fixture::{Fixture, run, workspace};

/// Everything that one language or another gives a meaning to.
const ODD: &str = "it's $HOME \"and\" `more`; $image \\n \\\\ 100% ñ ก e\u{301} #{x} *";

#[test]
fn the_committed_files_are_what_the_plan_says() {
    let mut command = Fixture::new(&[]).command(&["emit", "--check"]);
    run(command.env("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"))).check(0, &expect![[""]]);
}

#[test]
fn a_stale_file_is_named_with_the_command_that_fixes_it() {
    let fixture = Fixture::new(&[]);
    let out = format!("--out={}", fixture.path().display());
    fixture.xtask(&["emit", &out]).succeeds();
    fixture.file("swarm.sh", "edited by hand");
    fixture
        .xtask(&["emit", "--check", &out])
        .fails(1, "swarm.sh: not what infra/deploy.toml says: cargo xtask emit\n");
}

#[test]
fn a_value_reaches_docker_through_the_script_as_it_was_written_in_every_shell() {
    let fixture = Fixture::new(&[("image inspect*", "echo sha256:1"), ("*", "true")]);
    let value = format!("{ODD}\nsecond line\ttab");
    let config =
        fixture.config(&format!("environment.ODD = {}", toml::Value::String(value.clone())));
    let out = format!("--out={}", fixture.path().join("a folder/new").display());
    fixture.xtask(&["emit", &config, &out]).succeeds();
    let path = format!("{}:{}", fixture.path().display(), std::env::var("PATH").unwrap());
    for shell in [&["sh"][..], &["dash"], &["bash"], &["busybox", "sh"]] {
        let _ = fs::remove_file(fixture.path().join("notes"));
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg("swarm.sh").arg("name:tag");
        command.current_dir(fixture.path().join("a folder/new"));
        command.env("PATH", &path).env("CDPATH", "/tmp:/").env("IFS", "/=-").env("LC_ALL", "tr_TR");
        if command.output().is_err() {
            // `eprintln!` is captured.
            let _ = writeln!(std::io::stderr(), "SKIPPED {}: it is not installed", shell[0]);
            continue;
        }
        let ended = run(&mut command);
        assert_eq!(ended.code, Some(0), "{shell:?}: {}", ended.err);
        let notes = fixture.notes();
        assert!(notes.contains(&format!("--env-add=ODD={value} --publish")), "{shell:?}: {notes}");
    }
}

#[test]
fn the_script_finds_the_workspace_from_anywhere() {
    let fixture = Fixture::new(&[("image inspect*", "echo sha256:1"), ("*", "true")]);
    fixture.program("git", "#!/bin/sh\npwd -P >>\"$PLACES\"\necho 1\n");
    let root = fixture.path().join("work space ñ");
    workspace(&root, "");
    let places = fixture.path().join("places");
    let path = format!("{}:{}", fixture.path().display(), std::env::var("PATH").unwrap());
    for out in ["infra", ".", "deep/er/folder", "../outside"] {
        let out = root.join(out);
        let mut emit = fixture.command(&["emit", &format!("--out={}", out.display())]);
        run(emit.env("CARGO_MANIFEST_DIR", root.join("xtask"))).succeeds();
        let script = out.join("swarm.sh").canonicalize().unwrap();
        for (folder, script) in [
            (Path::new("/"), script.clone()),
            (script.parent().unwrap(), "swarm.sh".into()),
            (script.parent().unwrap(), "./swarm.sh".into()),
        ] {
            let _ = fs::remove_file(&places);
            let mut sh = Command::new("sh");
            sh.arg(script).arg("name:tag").current_dir(folder).env("CDPATH", "/");
            run(sh.env("PATH", &path).env("PLACES", &places)).succeeds();
            let place = fs::read_to_string(&places).unwrap();
            assert_eq!(Path::new(place.trim()), root.canonicalize().unwrap(), "{out:?}");
        }
    }
}

#[test]
fn each_checkout_acts_on_itself_whatever_the_binary_was_compiled_in() {
    let fixture = Fixture::new(&[]);
    for port in ["7001", "7002", "7001"] {
        let root = fixture.path().join(port);
        workspace(&root, &format!("port = {port}"));
        let mut dry_run = fixture.command(&["deploy", "--dry-run"]);
        let script = run(dry_run.env("CARGO_MANIFEST_DIR", root.join("xtask"))).succeeds();
        assert!(script.contains(&format!("--publish=published={port},")), "{script}");
        let mut emit = fixture.command(&["emit"]);
        let out = run(emit.env("CARGO_MANIFEST_DIR", root.join("xtask"))).succeeds();
        assert!(out.starts_with(&root.canonicalize().unwrap().display().to_string()), "{out}");
    }
}

#[test]
fn without_cargo_it_says_how_to_run_it() {
    let mut command = Fixture::new(&[]).command(&["emit", "--check"]);
    run(command.env_remove("CARGO_MANIFEST_DIR")).fails(1, "run this as `cargo xtask`");
}

#[test]
fn another_service_needs_only_another_settings_file() {
    let fixture = Fixture::new(&[]);
    let config = fixture.config(
        "program = { binary = \"orders\", port = 7070, environment_prefix = \"ORDERS\" }\n\
         probe.binary = \"ask\"",
    );
    let out = format!("--out={}", fixture.path().display());
    fixture.xtask(&["emit", &config, &out]).succeeds();
    let dockerfile = fs::read_to_string(fixture.path().join("Dockerfile")).unwrap();
    for line in [
        "COPY orders ask /",
        "ENV ORDERS_DATABASE=/data/accounts.db \\\n    ORDERS_PORT=7070",
        "EXPOSE 7070",
        "CMD [\"/ask\",\"-port=7070\"]",
        "ENTRYPOINT [\"/orders\"]",
    ] {
        assert!(dockerfile.contains(line), "{line} is not in {dockerfile}");
    }
    let script = fs::read_to_string(fixture.path().join("swarm.sh")).unwrap();
    assert!(script.contains("--publish=published=6767,target=7070,"), "{script}");
    assert!(script.contains("--env=ORDERS_SHUTDOWN_TIMEOUT=4s"), "{script}");
}

#[test]
fn secrets_are_named_in_the_script_and_their_content_is_not() {
    let fixture = Fixture::new(&[]);
    let file = fixture.file("a key", "hunter2");
    let config = fixture
        .config(&format!("secrets = {{ api_key = \"env:API_KEY\", cert = \"file:{file}\" }}"));
    let mut command = fixture.command(&["deploy", "--dry-run", &config]);
    let script = run(command.env("API_KEY", "hunter3")).succeeds();
    for line in [
        "secret_api_key=\"accountservice-api_key-$(printf %s \"$API_KEY\" | sha256sum | cut -c1-16)\"",
        &format!("secret_cert=\"accountservice-cert-$(sha256sum <'{file}' | cut -c1-16)\""),
        "--secret=source=\"$secret_api_key\",target=api_key \\",
    ] {
        assert!(script.contains(line), "{line} is not in {script}");
    }
    assert!(!script.contains("hunter"), "{script}");
}

#[test]
fn with_a_shared_database_the_service_is_told_of_that_one_alone() {
    let fixture = Fixture::new(&[]);
    let config = fixture
        .config("database.url = \"env:URL\"\nupdate.monitor = \"82s\"\nrollback.monitor = \"82s\"");
    let out = format!("--out={}", fixture.path().display());
    fixture.xtask(&["emit", &config, &out]).succeeds();
    let dockerfile = fs::read_to_string(fixture.path().join("Dockerfile")).unwrap();
    assert!(dockerfile.contains("\nENV ACCOUNTSERVICE_PORT=6767\n"), "{dockerfile}");
    assert!(dockerfile.contains("--start-period=60s"), "{dockerfile}");
    let script = fs::read_to_string(fixture.path().join("swarm.sh")).unwrap();
    for flag in [
        "--env=ACCOUNTSERVICE_DATABASE_FILE=/run/secrets/database",
        "--secret=source=\"$secret_database\",target=database",
    ] {
        assert!(script.contains(flag), "{script}");
    }
}
