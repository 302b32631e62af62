//! The event samples that the crates of AWS ship in their sources, fed to one process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use accountservice_lambda_emulator::Outcome;
use serde_json::Value;

use super::Function;

/// The folder of a crate's sources.
fn sources(of: &str) -> PathBuf {
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked"])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .output();
    let metadata: Value =
        serde_json::from_slice(&cargo.expect("cargo runs").stdout).expect("metadata");
    let packages = metadata["packages"].as_array().expect("packages");
    let package = packages.iter().find(|package| package["name"] == of).expect("the crate");
    let manifest = package["manifest_path"].as_str().expect("a path");
    PathBuf::from(manifest).parent().expect("a folder").to_owned()
}

fn samples(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = files.map(|file| file.expect("an entry").path());
    let json = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    json.map(|path| (path.display().to_string(), fs::read(&path).expect("a file"))).collect()
}

/// Whether the sample is a request by its own account, whatever the host makes of it.
fn is_request(sample: &[u8]) -> bool {
    let event: Value = serde_json::from_slice(sample).unwrap_or_default();
    let context = &event["requestContext"];
    let has_path = event["path"].is_string() || event["rawPath"].is_string();
    let has_method = event["httpMethod"].is_string() || context["http"]["method"].is_string();
    context.is_object() && has_path && has_method
}

#[test]
fn every_sample_gets_the_contracts_response_or_is_an_error_of_its_invocation() {
    let function = Function::start(&[]);
    let mut all = samples(&sources("aws_lambda_events").join("src/fixtures"));
    all.extend(samples(&sources("lambda_http").join("tests/data")));
    let mut requests = 0;
    for (name, sample) in &all {
        match (function.invoke(&**sample), is_request(sample)) {
            (Outcome::Response(returned), true) => {
                requests += 1;
                let status = returned["statusCode"].as_u64().expect("a status");
                let body = returned["body"].as_str().unwrap_or_default();
                let is_problem = body.starts_with(r#"{"type":"about:blank","title":"#);
                assert!([404, 405].contains(&status) && is_problem, "{name}: {returned}");
            }
            (Outcome::Error(_), false) => {}
            (outcome, is_request) => panic!("{name}: request: {is_request}, {outcome:?}"),
        }
        // The next invocation works.
        assert_eq!(function.get("/accounts/10000").0, 200, "after {name}");
    }
    assert!(all.len() > 180 && requests > 30, "{requests} requests in {} samples", all.len());
}
