//! How it starts, and how it does not.

use accountservice_lambda_emulator::{Edge, Kind};

use super::Function;

#[test]
fn the_seeded_accounts_are_there_for_every_kind_of_event() {
    let function = Function::start(&[("ACCOUNTSERVICE_SERVED_BY", "this test")]);
    for kind in Kind::ALL {
        let response = function.ask(&Edge::new(kind), "GET /accounts/10042");
        assert_eq!(response.status(), 200);
        let body = r#"{"id":"10042","name":"Person_42","servedBy":"this test"}"#;
        assert_eq!(response.body(), body, "{kind:?}");
    }
    assert!(function.database().exists());
    assert_eq!(function.get("/accounts/10100").0, 404);
}

#[test]
fn the_database_is_seeded_before_the_first_event() {
    let mut function = Function::start(&[("ACCOUNTSERVICE_ACCOUNTS", "3")]);
    function.emulator.wait_until_ready().expect("it waits for an event");
    let line = function.process.line("Seeded");
    let entry: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
    assert_eq!(entry["message"], "Seeded 3 fake accounts...");
    assert_eq!(entry["level"], "INFO");
    assert_eq!(function.get("/accounts/10003").0, 404);
}

#[test]
fn accounts_name_the_log_stream_of_the_instance() {
    let function = Function::start(&[("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/25/[1]abc")]);
    let account = r#"{"id":"10000","name":"Person_0","servedBy":"2026/11/25/[1]abc"}"#;
    assert_eq!(function.get("/accounts/10000"), (200, account.into()));
}

#[test]
fn testability_is_off_unless_it_is_switched_on() {
    let function = Function::start(&[]);
    assert_eq!(function.get("/testability/healthy/false").0, 404);
    assert_eq!(function.get("/health"), (200, r#"{"status":"UP"}"#.into()));

    let function = Function::start(&[("ACCOUNTSERVICE_TESTABILITY", "true")]);
    assert_eq!(function.get("/testability/healthy/false").0, 200);
    assert_eq!(function.get("/health"), (503, r#"{"status":"Forced unhealthy"}"#.into()));
}

#[test]
fn a_base_path_is_part_of_redirects() {
    let function = Function::start(&[("ACCOUNTSERVICE_BASE_PATH", "/bank")]);
    let edge = Edge::new(Kind::V1).base_path("bank");
    let response = function.ask(&edge, "GET /accounts/10000/");
    assert_eq!(response.headers()["location"], "/bank/accounts/10000");
}

#[test]
fn the_log_names_the_invocation() {
    let mut function = Function::start(&[("ACCOUNTSERVICE_LOG_LEVEL", "debug")]);
    assert_eq!(function.get("/health").0, 200);
    let line = function.process.line("GET /health [invocation]");
    let entry: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
    assert_eq!(entry["status"], 200);
}

#[test]
fn bad_settings_are_reported_together_to_lambda_and_on_standard_error() {
    let mut function = Function::start(&[
        ("ACCOUNTSERVICE_ACCOUNTS", "many"),
        ("ACCOUNTSERVICE_TESTABILITY", "perhaps"),
        ("ACCOUNTSERVICE_DATABASE", "postgres://somewhere/accounts"),
        ("ACCOUNTSERVICE_LOG_LEVEL", ""),
    ]);
    let expected = "ACCOUNTSERVICE_DATABASE: a path, not a URL; \
                    ACCOUNTSERVICE_ACCOUNTS=many: not a number from 0 to 10000000; \
                    ACCOUNTSERVICE_TESTABILITY=perhaps: not true or false";
    let error = function.emulator.init_error().expect("an error of the initialisation");
    assert_eq!(error["errorMessage"], expected);
    let (status, errors) = function.process.wait();
    assert_eq!(errors, format!("bootstrap: {expected}\n"));
    assert_eq!(status.code(), Some(1));
}

#[test]
fn a_database_that_cannot_be_opened_is_an_error_of_the_initialisation() {
    let mut function = Function::start(&[("ACCOUNTSERVICE_DATABASE", "/nowhere/accounts.db")]);
    let error = function.emulator.init_error().expect("an error of the initialisation");
    assert!(error["errorMessage"].as_str().expect("a text").contains("/nowhere"), "{error}");
    let (status, errors) = function.process.wait();
    assert!(errors.contains("No such file or directory"), "{errors}");
    assert_eq!(status.code(), Some(1));
}
