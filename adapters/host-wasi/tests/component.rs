//! The component in a real runtime, over a socket: `jco serve` of npm's `@bytecodealliance/jco`.
//!
//! The tests need `jco` in the path, and rustup's target `wasm32-wasip2`. Without `jco` they say so
//! and end, except where `CI=true`.

use std::env;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use accountservice_core::testing::{HttpContract, SITUATION};
use accountservice_host::testing::{Client, TIMEOUT, eventually};
use bytes::Bytes;
use http::{Method, Response};

/// A component in a runtime. Its process group is killed when this is dropped: jco starts another
/// process, which would survive it.
struct Component {
    address: SocketAddr,
    runtime: Child,
}

impl Component {
    /// Builds a target of this package and starts it; `None` without `jco`.
    fn start(target: &[&str], file: &str) -> Option<Self> {
        let jco = Command::new("jco").arg("--version").output();
        if !jco.is_ok_and(|jco| jco.status.success()) {
            let is_ci = env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!is_ci, "CI needs jco: npm install --global @bytecodealliance/jco");
            // `eprintln!` is captured.
            let _ = writeln!(io::stderr(), "Not tested: the component, as there is no jco here");
            return None;
        }
        let component = build(target).join(file);
        // jco does not say which port it was given.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr());
        let address = address.expect("a free port");
        let runtime = Command::new("jco")
            .arg("serve")
            .arg(component)
            .args(["--host", "127.0.0.1", "--port", &address.port().to_string()])
            .env("ACCOUNTSERVICE_SERVED_BY", "10.0.0.3")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        let runtime = runtime.expect("jco starts");
        let component = Self { address, runtime };
        eventually("jco listens", || Client::try_connect(address, TIMEOUT).is_ok());
        Some(component)
    }

    fn send(&self, method: &Method, request: &str) -> Response<Bytes> {
        let mut client = Client::connect(self.address);
        client.send(request);
        let response = client.try_response_to(method);
        response.unwrap_or_else(|error| panic!("{request}: {error}"))
    }

    fn get(&self, path: &str) -> Response<Bytes> {
        self.send(&Method::GET, &format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        let group = format!("-{}", self.runtime.id());
        let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).status();
        let _ = self.runtime.wait();
    }
}

/// The folder of what is built for `wasm32-wasip2`.
fn build(target: &[&str]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", env!("CARGO_PKG_NAME")])
        .args(["--target", "wasm32-wasip2", "--target-dir"])
        .arg(folder)
        .args(target)
        .status();
    assert!(built.is_ok_and(|status| status.success()), "rustup target add wasm32-wasip2");
    folder.join("wasm32-wasip2/debug")
}

#[test]
fn a_service_in_a_component_keeps_the_http_contract() {
    let example = ["--example", "contract"];
    let Some(component) = Component::start(&example, "examples/contract.wasm") else { return };
    let component = &component;
    let unknown_method = "the HTTP server of Node.js takes known methods only, in capitals";
    let contract = HttpContract::new()
        .except("get /accounts/10000", unknown_method)
        .except("BREW /accounts/10000", unknown_method);
    contract.check(|service| {
        move |method, target: &str| {
            let situation = service.situation();
            // Otherwise jco adds a `Keep-Alive`.
            let headers = format!("Host: test\r\nConnection: close\r\n{SITUATION}: {situation}");
            let request = format!("{method} {target} HTTP/1.1\r\n{headers}\r\n\r\n");
            component.send(&method, &request)
        }
    });
}

#[test]
fn the_component_serves_accounts_that_are_in_memory() {
    let binary = ["--bin", env!("CARGO_PKG_NAME")];
    let file = concat!(env!("CARGO_PKG_NAME"), ".wasm");
    let Some(component) = Component::start(&binary, file) else { return };
    for (id, account) in [
        ("10000", r#"{"id":"10000","name":"Person_0","servedBy":"10.0.0.3"}"#),
        ("10099", r#"{"id":"10099","name":"Person_99","servedBy":"10.0.0.3"}"#),
    ] {
        let response = component.get(&format!("/accounts/{id}"));
        assert_eq!(response.status(), 200);
        assert_eq!(response.body(), account);
    }
    for id in ["10100", "9999", "010000", "+10000", "99999999999999999999", "x"] {
        assert_eq!(component.get(&format!("/accounts/{id}")).status(), 404, "{id}");
    }
    assert_eq!(component.get("/health").body(), r#"{"status":"UP"}"#);
    assert_eq!(component.get("/testability/healthy/false").status(), 404);

    let sent = "POST /accounts/10000 HTTP/1.1\r\nHost: test\r\nX-Request-Id: mine\r\n\
                Content-Length: 65537\r\n\r\n";
    let response = component.send(&Method::POST, &(sent.to_owned() + &"x".repeat(65_537)));
    assert_eq!(response.status(), 413);
    assert_eq!(response.headers()["x-request-id"], "mine");

    assert_eq!(component.get("/accounts/<").status(), 400);
    // A client that leaves does not end the component.
    let mut client = Client::connect(component.address);
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf");
    drop(client);
    assert_eq!(component.get("/health").body(), r#"{"status":"UP"}"#);
}
