//! Events that are not requests, and requests that are unusual. Each test has its own process.

use accountservice_core::testing::request;
use accountservice_lambda_emulator::{Edge, Kind, Outcome};
use serde_json::{Value, json};

use super::Function;

#[test]
fn a_response_has_the_id_of_the_invocation_unless_the_client_sent_one() {
    let function = Function::start(&[]);
    for edge in Kind::ALL.map(Edge::new) {
        let mut with_id = request("GET /");
        with_id.headers_mut().insert("x-request-id", "mine".parse().expect("a header"));
        assert_eq!(function.ask(&edge, "GET /").headers()["x-request-id"], "invocation");
        assert_eq!(function.respond(&edge, &with_id).headers()["x-request-id"], "mine");
    }
}

#[test]
fn an_event_that_is_no_request_is_an_error_of_its_invocation_that_says_why() {
    let function = Function::start(&[]);
    let event = |change: fn(&mut Value)| {
        let mut event = Edge::new(Kind::V1).event(&request("GET /"));
        change(&mut event);
        event.to_string()
    };
    for (event, reason) in [
        ("{".into(), "not an event of HTTP: EOF"),
        ("[1]".into(), "not an event of HTTP: invalid type"),
        (r#"{"Records":[]}"#.into(), "not an event of HTTP: missing field `requestContext`"),
        (event(|event| event["httpMethod"] = Value::Null), "the event has no method"),
        (event(|event| event["httpMethod"] = "G T".into()), "\"G T\" is not a method"),
        (event(|event| event["path"] = Value::Null), "the event has no path"),
        (event(|event| event["path"] = "no-slash".into()), "the path has no slash in front"),
        (event(|event| event["path"] = "".into()), "the path has no slash in front"),
        (
            event(|event| event["path"] = format!("/{}", "x".repeat(70_000)).into()),
            "the path is not a path",
        ),
        (event(|event| event["multiValueHeaders"] = json!({ "a b": ["c"] })), "header \"a b\""),
        (event(|event| event["multiValueHeaders"] = json!({ "a": ["\n"] })), "header \"a\""),
        (
            event(|event| {
                event["body"] = "not base64".into();
                event["isBase64Encoded"] = true.into();
            }),
            "the body is not base64: Invalid symbol",
        ),
    ] {
        let Outcome::Error(error) = function.invoke(&*event) else { panic!("{event}") };
        let message = error["errorMessage"].as_str().expect("a message");
        assert!(message.starts_with(reason), "{message}: {event}");
    }
    assert_eq!(function.get("/accounts/10000").0, 200);
}

#[test]
fn null_headers_parameters_and_body_are_as_none() {
    let function = Function::start(&[]);
    for kind in Kind::ALL {
        let edge = Edge::new(kind);
        let mut event = edge.event(&request("GET /health?a"));
        for field in ["headers", "multiValueHeaders", "queryStringParameters"] {
            event[field] = Value::Null;
        }
        for field in ["multiValueQueryStringParameters", "cookies", "body"] {
            event[field] = Value::Null;
        }
        assert_eq!(function.respond_to_event(&edge, &event).status(), 200, "{kind:?}");
    }
}

#[test]
fn a_body_of_6_mb_is_a_413() {
    let function = Function::start(&[]);
    for kind in Kind::ALL {
        let edge = Edge::new(kind);
        let mut large = request("POST /accounts/10000");
        *large.body_mut() = vec![b'x'; 6 << 20].into();
        assert_eq!(function.respond(&edge, &large).status(), 413, "{kind:?}");
        assert_eq!(function.ask(&edge, "GET /accounts/10000").status(), 200, "{kind:?}");
    }
}
