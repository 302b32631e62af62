//! Responses as JSON, for every kind of event. `bootstrap` has no handler that gives them.

use accountservice_core::testing::request;
use accountservice_lambda_emulator::{Edge, Kind};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use super::Function;

/// What a function returns for an event of this kind, if its handler responds like that.
fn returned(kind: Kind, line: &str, respond: fn() -> Response<Bytes>) -> Value {
    let function = Function::start(move |_| async move { respond() });
    let mut returned = function.response(&Edge::new(kind).event(&request(line)));
    for headers in ["headers", "multiValueHeaders"] {
        if let Some(headers) = returned.get_mut(headers).and_then(Value::as_object_mut) {
            headers.remove("x-request-id");
        }
    }
    let fields = returned.as_object_mut().expect("an object");
    fields.retain(|_, field| !field.as_object().is_some_and(serde_json::Map::is_empty));
    returned
}

fn repeated() -> Response<Bytes> {
    let response = Response::builder().status(201).header("x-one", "1");
    let response = response.header("x-many", "1").header("x-many", "2");
    let response = response.header("set-cookie", "a=1").header("set-cookie", "b=2");
    response.body("{\"ü\":1}".into()).expect("a response")
}

#[test]
fn repeated_headers_and_cookies_survive_where_an_event_can_carry_them() {
    let texts = json!({
        "statusCode": 201,
        "headers": { "x-many": "1, 2", "x-one": "1" },
        "cookies": ["a=1", "b=2"],
        "body": "{\"ü\":1}",
        "isBase64Encoded": false,
    });
    let lists = json!({
        "statusCode": 201,
        "multiValueHeaders": { "set-cookie": ["a=1", "b=2"], "x-many": ["1", "2"], "x-one": ["1"] },
        "body": "{\"ü\":1}",
        "isBase64Encoded": false,
    });
    let mut of_load_balancer = lists.clone();
    of_load_balancer["statusDescription"] = "201 Created".into();
    assert_eq!(returned(Kind::V2, "GET /", repeated), texts);
    assert_eq!(returned(Kind::Url, "GET /", repeated), texts);
    assert_eq!(returned(Kind::V1, "GET /", repeated), lists);
    assert_eq!(returned(Kind::AlbMulti, "GET /", repeated), of_load_balancer);
    let last_cookie = json!({
        "statusCode": 201,
        "statusDescription": "201 Created",
        "headers": { "set-cookie": "b=2", "x-many": "1, 2", "x-one": "1" },
        "body": "{\"ü\":1}",
        "isBase64Encoded": false,
    });
    assert_eq!(returned(Kind::Alb, "GET /", repeated), last_cookie);
}

#[test]
fn a_response_to_head_has_no_body_key() {
    for kind in Kind::ALL {
        let returned = returned(kind, "HEAD /", || Response::new("of a GET".into()));
        assert_eq!(returned.get("body"), None, "{kind:?}");
        assert_eq!(returned["isBase64Encoded"], false, "{kind:?}");
    }
}

#[test]
fn a_body_that_is_not_text_is_in_base64() {
    for kind in Kind::ALL {
        let returned = returned(kind, "GET /", || Response::new(Bytes::from_static(b"\xff\0")));
        assert_eq!(returned["body"], "/wA=", "{kind:?}");
        assert_eq!(returned["isBase64Encoded"], true, "{kind:?}");
    }
}

#[test]
fn a_handler_that_panics_costs_one_request() {
    let handler = |request: Request<Bytes>| async move {
        assert_eq!(request.uri().path(), "/sound", "not this path");
        Response::new(Bytes::new())
    };
    let function = Function::start(handler);
    let edge = Edge::new(Kind::V2);
    let ask = |line| edge.response(&function.response(&edge.event(&request(line)))).status();
    assert_eq!(ask("GET /unsound"), 500);
    assert_eq!(ask("GET /sound"), 200);
}
