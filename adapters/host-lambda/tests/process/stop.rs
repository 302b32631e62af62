//! How it ends.

use std::time::{Duration, Instant};

use super::Function;

#[test]
fn sigterm_ends_it_within_the_time_that_lambda_grants() {
    let mut function = Function::start(&[]);
    function.emulator.wait_for_extension().expect("without one Lambda sends no SIGTERM");
    function.emulator.wait_until_ready().expect("it waits for an event");
    assert_eq!(function.get("/health").0, 200);
    let sent_at = Instant::now();
    function.process.signal("TERM");
    let (status, errors) = function.process.wait();
    assert!(sent_at.elapsed() < Duration::from_millis(500), "{:?}", sent_at.elapsed());
    assert!(status.success() && errors.is_empty(), "{status}: {errors}");
    assert!(function.process.log().iter().any(|line| line.contains("Stopping on SIGTERM")));
}
