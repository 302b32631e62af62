//! The binary `bootstrap` as Lambda starts it, against an emulated Lambda.

mod contract;
mod events;
mod samples;
mod start;
mod stop;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use accountservice_core::testing::request;
use accountservice_host::testing::Process;
use accountservice_lambda_emulator::{Edge, Emulator, Kind, Outcome};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;

const TIMEOUT: Duration = Duration::from_secs(30);

/// A function with a database of its own.
struct Function {
    emulator: Emulator,
    process: Process,
    folder: tempfile::TempDir,
}

impl Function {
    fn start(variables: &[(&str, &str)]) -> Self {
        Self::of(Path::new(env!("CARGO_BIN_EXE_bootstrap")), variables)
    }

    fn of(binary: &Path, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let emulator = Emulator::start(TIMEOUT).expect("a free port");
        let mut command = Command::new(binary);
        command.env_clear();
        command.env("AWS_LAMBDA_RUNTIME_API", emulator.address());
        command.env("ACCOUNTSERVICE_DATABASE", folder.path().join("accounts.db"));
        command.envs(variables.iter().copied());
        let process = Process::spawn(&mut command).expect("the binary starts");
        Self { emulator, process, folder }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("accounts.db")
    }

    fn invoke(&self, event: impl Into<Vec<u8>>) -> Outcome {
        self.emulator.invoke("invocation", event).expect("the function responds")
    }

    fn respond_to_event(&self, edge: &Edge, event: &Value) -> Response<Bytes> {
        match self.invoke(event.to_string()) {
            Outcome::Response(returned) => edge.response(&returned),
            Outcome::Error(error) => panic!("{error} for {event}"),
        }
    }

    fn respond(&self, edge: &Edge, request: &Request<Bytes>) -> Response<Bytes> {
        self.respond_to_event(edge, &edge.event(request))
    }

    fn ask(&self, edge: &Edge, line: &str) -> Response<Bytes> {
        self.respond(edge, &request(line))
    }

    /// Asks by the default stage of an HTTP API: the status and the body.
    fn get(&self, path: &str) -> (u16, String) {
        let response = self.ask(&Edge::new(Kind::V2), &format!("GET {path}"));
        let body = String::from_utf8(response.body().to_vec()).expect("UTF-8");
        (response.status().as_u16(), body)
    }
}
