//! The host for AWS Lambda against an emulated Runtime API: the start, from exec to the first
//! request for an event, and the processor time of an invocation. `dist` says how large the zip is.

use std::process::Command;

use accountservice_lambda_emulator::{Edge, Kind, Outcome};
use anyhow::{Result, bail};
use bytes::Bytes;
use http::Request;

use super::Bench;
use super::report::{Figure, Findings, Goal};
use super::rounds::median;
use crate::invoke::Function;
use crate::service::Usage;

const PART: &str = "lambda";
/// Starts, each with a database that is not there yet.
const STARTS: usize = 20;
/// In milliseconds.
const START: Goal = Goal::AtMost(8.0);
/// Processor time is counted in steps of 10 ms.
const INVOCATIONS: u32 = 20_000;

pub(super) fn run(bench: &Bench) -> Result<Findings> {
    let binary = bench.artifacts.bootstrap()?;
    let start = |number| {
        let mut command = Command::new(&binary);
        command.env_clear();
        Function::start(command, &bench.scratch.folder(format!("{PART}-{number}"))?)
    };
    eprintln!("  {PART}: {STARTS} starts, {INVOCATIONS} invocations");
    let mut times = Vec::new();
    for number in 0..STARTS {
        let function = start(number)?;
        times.push(function.initialization.as_secs_f64() * 1e3);
        function.process.stop();
    }
    let Function { process, emulator, .. } = start(STARTS)?;
    let request = Request::get("/accounts/10042").body(Bytes::new())?;
    let event = Edge::new(Kind::V2).event(&request).to_string();
    let before = Usage::of(process.id())?.cpu;
    for _ in 0..INVOCATIONS {
        match emulator.invoke("invocation", &*event)? {
            Outcome::Response(returned) if returned["statusCode"] == 200 => {}
            outcome => bail!("{outcome:?}"),
        }
    }
    let used = Usage::of(process.id())?.cpu.saturating_sub(before);
    process.stop();
    let each = used.as_secs_f64() * 1e6 / f64::from(INVOCATIONS);
    let figures = vec![
        Figure::new("exec to the first /next, fresh database", median(times), "ms").goal(START),
        Figure::new("processor time of an invocation", each, "µs"),
    ];
    Ok(Findings { figures, ..Findings::default() })
}
