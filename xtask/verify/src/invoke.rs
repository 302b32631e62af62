//! `invoke`: one request to the host for AWS Lambda, as an event from an emulated sender. It needs
//! no AWS. It is no measurement: it starts a debug build. `bench lambda` uses `Function`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use accountservice_host::testing::{Process, build_binary};
use accountservice_lambda_emulator::{Edge, Emulator, Kind, Outcome};
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::Request;

use crate::command::{Scratch, target};
use crate::service::SOON;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Method and path, such as 'GET /accounts/10042'
    #[arg(value_name = "REQUEST", value_parser = request)]
    request: Request<Bytes>,
    /// The sender: v2 or v1 of API Gateway, url, alb or alb-multi
    #[arg(long, value_name = "KIND", default_value = "v2")]
    event: Kind,
    /// A named stage of API Gateway
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,
}

/// Builds and starts the function, invokes it once, and prints the event, the result and times.
pub(crate) fn run(args: &Args) -> Result<()> {
    let scratch = Scratch::new(&target().join("invoke"))?;
    let function = Command::new(build_binary(&["--package=accountservice-host-lambda"])?);
    let function = Function::start(function, &scratch.path)?;

    let edge = Edge::new(args.event);
    let edge = args.stage.iter().fold(edge, Edge::stage);
    let event = edge.event(&args.request);
    println!("event:\n{event:#}\n");
    let invoked_at = Instant::now();
    let outcome = function.emulator.invoke("invocation", event.to_string())?;
    let invocation = invoked_at.elapsed();
    match outcome {
        Outcome::Error(error) => println!("error:\n{error:#}\n"),
        Outcome::Response(returned) => {
            println!("returned:\n{returned:#}\n");
            let response = edge.response(&returned);
            println!("response:\n{}", response.status());
            for (name, value) in response.headers() {
                println!("{name}: {}", String::from_utf8_lossy(value.as_bytes()));
            }
            println!("\n{}\n", String::from_utf8_lossy(response.body()));
        }
    }
    let initialization = function.initialization;
    println!("initialization {initialization:.1?}, invocation {invocation:.1?} (debug build)");
    Ok(())
}

/// A function that waits for its first event.
pub(crate) struct Function {
    pub(crate) process: Process,
    pub(crate) emulator: Emulator,
    /// From exec to the first request for an event.
    pub(crate) initialization: Duration,
}

impl Function {
    /// With its database in `folder`.
    pub(crate) fn start(mut command: Command, folder: &Path) -> Result<Self> {
        let emulator = Emulator::start(SOON)?;
        command.env("AWS_LAMBDA_RUNTIME_API", emulator.address());
        command.env("ACCOUNTSERVICE_DATABASE", folder.join("accounts.db"));
        let started_at = Instant::now();
        let mut process = Process::spawn(&mut command)?;
        if emulator.wait_until_ready().is_err() {
            bail!("the function does not start: {}", process.wait().1.trim());
        }
        Ok(Self { process, emulator, initialization: started_at.elapsed() })
    }
}

fn request(line: &str) -> Result<Request<Bytes>> {
    let (method, path) = line.split_once(' ').context("a method, a blank and a path")?;
    if !path.starts_with('/') {
        bail!("the path has no slash in front");
    }
    Ok(Request::builder().method(method).uri(path).body(Bytes::new())?)
}
